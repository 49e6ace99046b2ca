import Core
import Tensors

// Legend: B samples, Q queries and K keys per sample, H heads, d head size, C = H·d.

/// Queries, keys and values of all heads, or their gradients: either columns of one matrix or of two.
public struct QueryKeyValue {
  let q: TensorView
  let kv: TensorView
  /// The column of `kv` at which keys start; values follow them.
  let firstKeyColumn: Int
  /// C.
  let size: Int

  /// - Parameter qkv: [B·T, 3·C]: queries, keys and values of the same rows.
  public init(qkv: TensorView) {
    (q, kv, size) = (qkv, qkv, qkv.columns / 3)
    firstKeyColumn = size
  }

  /// - Parameters:
  ///   - q: [B·Q, C].
  ///   - kv: [B·K, 2·C]: keys and values.
  public init(q: TensorView, kv: TensorView) { (self.q, self.kv, firstKeyColumn, size) = (q, kv, 0, q.columns) }

  func hasShape(of other: QueryKeyValue) -> Bool {
    q.count == other.q.count && kv.count == other.kv.count && firstKeyColumn == other.firstKeyColumn
  }
}

/// What attention computes.
public struct AttentionResult {
  /// [B·Q, C]: the attention context, softmax(…) · V of all heads.
  public let context: TensorView
  /// [B·H·Q, 2]: the largest visible scaled score of each row and 1 / Σ exp, for backward.
  public let statistics: TensorView

  public init(context: TensorView, statistics: TensorView) { (self.context, self.statistics) = (context, statistics) }

  /// Memory for up to `rows` queries. - Parameter size: C.
  public init(rows: Int, heads: Int, size: Int, _ arena: Arena) {
    self.init(context: arena.matrix(rows, size), statistics: arena.matrix(rows * heads, 2))
  }

  /// The result of the first `count` queries.
  public func first(_ count: Int) -> AttentionResult {
    AttentionResult(context: context.first(count), statistics: statistics)
  }
}

/// Which keys each query sees.
public enum AttentionMask {
  /// A range of keys per query; queries are all rows of the samples, or those that are selected.
  case ranges(AttentionRanges, RowSelection? = nil)
  /// Any set of keys per query.
  case bits(AttentionBitmask)
}

/// The dropout of attention weights.
public struct AttentionDropout: Sendable {
  public let rate: Float
  public let sampleIDs: [UInt64]
  public let site: UInt32
  public let random: CounterGenerator

  public init(rate: Float, sampleIDs: [UInt64], site: UInt32, random: CounterGenerator) {
    (self.rate, self.sampleIDs, self.site, self.random) = (rate, sampleIDs, site, random)
  }
}

/// Queries per block. A part of the arithmetic: it decides the shapes of the products.
public let attentionBlockRows = 64

/// Rows and columns of scratch that `attention` and `attentionBackward` need for `length` keys per sample.
public func attentionScratch(length: Int) -> (rows: Int, columns: Int) { (2 * attentionBlockRows, paddedCount(length)) }

/// Softmax attention: context = softmax(Q·Kᵀ / √d over the visible keys) · V for each head; zero where a query sees no
/// key.
///
/// - Parameter scratch: `attentionScratch(length:)` of K.
/// - Complexity: 4·B·Q·K·C flops, about half of it for causal ranges. With bits every key of a sample is computed.
/// Reference: Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762; recomputation of the
/// weights in backward: Dao et al., "FlashAttention", 2022, arXiv 2205.14135.
public func attention(
  _ x: QueryKeyValue, heads: Int, mask: AttentionMask, dropout: AttentionDropout?, into result: AttentionResult,
  scratch: TensorView
) {
  func run<Keys: VisibleKeys>(_ keys: Keys) {
    checkShapes(x, keys, result.context)
    AttentionCore(x: x, heads: heads, visible: keys, dropout: dropout, result: result, scratch: scratch).forward()
  }
  switch mask {
  case .ranges(let ranges, nil): run(ranges)
  case .ranges(let ranges, let selection?): run(SelectedRanges(ranges: ranges, selection: selection))
  case .bits(let bits): bits.withVisibleKeys { run($0) }
  }
}

/// The gradient `dx` of `attention` from `dout` [B·Q, C]. The weights are computed again from `x` and the statistics.
///
/// With P the weights, D = Σ dout·context of a row: dV = Pᵀ·dout, dS = P ⊙ (dout·Vᵀ - D) / √d, dQ = dS·K, dK = dSᵀ·Q.
/// - Complexity: 10·B·Q·K·C flops, about half of it for causal ranges.
public func attentionBackward(
  _ x: QueryKeyValue, _ result: AttentionResult, dout: TensorView, heads: Int, mask: AttentionMask,
  dropout: AttentionDropout?,
  into dx: QueryKeyValue, scratch: TensorView
) {
  precondition(
    dx.hasShape(of: x) && dout.count == result.context.count, "attention backward needs gradients of the forward shapes"
  )
  func run<Keys: VisibleKeys>(_ keys: Keys) {
    checkShapes(x, keys, result.context)
    AttentionCore(x: x, heads: heads, visible: keys, dropout: dropout, result: result, scratch: scratch).backward(
      dout, into: dx)
  }
  switch mask {
  case .ranges(let ranges, nil): run(ranges)
  case .ranges(let ranges, let selection?): run(SelectedRanges(ranges: ranges, selection: selection))
  case .bits(let bits): bits.withVisibleKeys { run($0) }
  }
}

private func checkShapes(_ x: QueryKeyValue, _ keys: some VisibleKeys, _ context: TensorView) {
  let rows = keys.samples > 0 ? keys.queries(of: keys.samples - 1).upperBound : 0
  precondition(
    x.q.rows == rows && x.kv.rows == keys.samples * keys.keys && x.size == context.columns
      && x.kv.columns == x.firstKeyColumn + 2 * x.size,
    "attention needs rows for a mask of \(rows) queries and [\(keys.samples), \(keys.keys)] keys and a context of \(x.size) columns"
  )
}
