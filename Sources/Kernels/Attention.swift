import Core
import Tensors

// Legend: B samples, T positions, H heads, d head width, C = H·d. One block of queries of one head is in
// memory at a time: [blockRows, T] weights and, in backward, as many gradients.

/// Which keys each position may see: a contiguous range, because documents are contiguous.
public struct AttentionRanges: Sendable {
  /// First visible key of each row, inside its sample.
  public private(set) var first: [Int32]
  /// One past the last visible key.
  public private(set) var end: [Int32]
  public let samples: Int
  public let length: Int

  /// - Parameters:
  ///   - documentIDs: for every row of [samples, length] the document it belongs to, -1 for padding; a document is a run of equal numbers.
  ///   - causal: a position sees no later one.
  ///   - documentMasking: a position sees its own document only; otherwise everything but padding (padding sees padding).
  public init(samples: Int, length: Int, documentIDs: some Collection<Int32>, causal: Bool, documentMasking: Bool) {
    precondition(documentIDs.count == samples * length, "one document a position")
    let documentIDs = Array(documentIDs)
    self.samples = samples
    self.length = length
    first = [Int32](repeating: 0, count: documentIDs.count)
    end = first
    for sample in 0..<samples {
      var start = 0
      while start < length {
        let group = documentIDs[sample * length + start]
        var stop = start + 1
        while stop < length, Self.together(group, documentIDs[sample * length + stop], documentMasking) { stop += 1 }
        for row in start..<stop {
          first[sample * length + row] = Int32(start)
          end[sample * length + row] = Int32(causal ? row + 1 : stop)
        }
        start = stop
      }
    }
  }

  private static func together(_ a: Int32, _ b: Int32, _ documentMasking: Bool) -> Bool {
    documentMasking ? a == b : (a < 0) == (b < 0)
  }
}

/// What attention needs to know beyond its tensors.
public struct AttentionDropout: Sendable {
  public let rate: Float
  public let sampleIDs: [UInt64]
  public let site: UInt32
  public let random: CounterGenerator

  public init(rate: Float, sampleIDs: [UInt64], site: UInt32, random: CounterGenerator) {
    (self.rate, self.sampleIDs, self.site, self.random) = (rate, sampleIDs, site, random)
  }
}

/// Rows of queries handled at once. A part of the arithmetic: it decides the shapes of the products.
public let attentionBlockRows = 64

/// Floats of scratch that `attention` and `attentionBackward` need for `length` positions.
public func attentionScratch(length: Int) -> (rows: Int, columns: Int) { (2 * attentionBlockRows, paddedCount(length)) }

/// Softmax attention: out = softmax(scale · Q·Kᵀ over the visible keys) · V for each head.
///
/// - Parameters:
///   - qkv: [B·T, 3·C], a row holding the queries, keys and values of all heads.
///   - out: [B·T, C].
///   - statistics: [B·H·T, 2]: the largest scaled score and 1 / Σ exp of each row, for backward.
///   - scratch: `attentionScratch(length:)`.
/// - Complexity: 4·B·T²·C flops, half of it when causal.
/// Reference: Vaswani et al., "Attention is all you need", 2017, arXiv 1706.03762; recomputation of the
/// weights in backward: Dao et al., "FlashAttention", 2022, arXiv 2205.14135.
public func attention(
  qkv: TensorView, heads: Int, ranges: AttentionRanges, dropout: AttentionDropout?, into out: TensorView, statistics: TensorView,
  scratch: TensorView
) {
  let c = out.columns
  precondition(qkv.columns == 3 * c && qkv.rows == ranges.first.count, "attention needs qkv [B·T, 3·C] for out [B·T, C]")
  forEachBlock(qkv, heads: heads, ranges: ranges) { block in
    let p = scratch.base
    block.scores(into: p)
    for row in 0..<block.count {
      let inverse = block.softmax(p + row * block.stride, row: row, statistics: statistics)
      if let dropout { block.mask(p + row * block.stride, row: row, dropout) }
      let weights = p + row * block.stride
      for i in Swift.stride(from: 0, to: block.keys, by: 16) { store(load(weights, i, block.keys) * inverse, weights, i, block.keys) }
    }
    gemm(
      false, false, block.count, block.d, block.keys, 1, p, block.stride, block.value, 3 * c, 0,
      out.base + block.firstRow * c + block.head * block.d, c)
  }
}

/// The gradient of `attention`: `dqkv` [B·T, 3·C] from `dout` [B·T, C]. The weights are computed again from `qkv` and `statistics`.
///
/// With P the weights, D = Σ dout·out of a row: dV = Pᵀ·dout, dS = P ⊙ (dout·Vᵀ - D) · scale, dQ = dS·K, dK = dSᵀ·Q.
/// - Complexity: 10·B·T²·C flops, half of it when causal.
public func attentionBackward(
  qkv: TensorView, out: TensorView, dout: TensorView, heads: Int, ranges: AttentionRanges, dropout: AttentionDropout?,
  statistics: TensorView, into dqkv: TensorView, scratch: TensorView
) {
  let c = out.columns
  precondition(dqkv.count == qkv.count && dout.count == out.count, "attention backward needs gradients of the forward shapes")
  dqkv.fill(0)
  forEachBlock(qkv, heads: heads, ranges: ranges) { block in
    let p = scratch.base
    let g = scratch.base + attentionBlockRows * block.stride
    let (upstream, result) = (dout.base + block.firstRow * c + block.head * block.d, out.base + block.firstRow * c + block.head * block.d)
    let offset = (block.firstRow * 3) * c + block.head * block.d
    let keyOffset = (block.firstKeyRow * 3) * c + block.head * block.d
    block.scores(into: p)
    gemm(false, true, block.count, block.keys, block.d, 1, upstream, c, block.value, 3 * c, 0, g, block.stride)
    for row in 0..<block.count {
      let (weights, gradients) = (p + row * block.stride, g + row * block.stride)
      block.weights(weights, row: row, statistics: statistics)
      if let dropout { block.mask(gradients, row: row, dropout) }
      let d = dot(upstream + row * c, result + row * c, block.d)
      for i in Swift.stride(from: 0, to: block.keys, by: 16) {
        let gradient = load(weights, i, block.keys) * (load(gradients, i, block.keys) - d) * block.scale
        store(gradient, gradients, i, block.keys)
      }
      if let dropout { block.mask(weights, row: row, dropout) }
    }
    let (query, key) = (qkv.base + offset, qkv.base + keyOffset + c)
    gemm(true, false, block.keys, block.d, block.count, 1, p, block.stride, upstream, c, 1, dqkv.base + keyOffset + 2 * c, 3 * c)
    gemm(false, false, block.count, block.d, block.keys, 1, g, block.stride, key, 3 * c, 0, dqkv.base + offset, 3 * c)
    gemm(true, false, block.keys, block.d, block.count, 1, g, block.stride, query, 3 * c, 1, dqkv.base + keyOffset + c, 3 * c)
  }
}

/// One block of queries of one head with the keys any of them sees.
private struct Block {
  let qkv: TensorView
  let ranges: AttentionRanges
  let sample: Int
  let head: Int
  let heads: Int
  /// Queries firstQuery ..< firstQuery + count of the sample.
  let firstQuery: Int
  let count: Int
  /// Keys firstKey ..< firstKey + keys of the sample; firstKey is a multiple of 32, so that dropout's words line up.
  let firstKey: Int
  let keys: Int

  var d: Int { qkv.columns / 3 / heads }
  var scale: Float { 1 / Float(d).squareRoot() }
  var stride: Int { paddedCount(ranges.length) }
  var firstRow: Int { sample * ranges.length + firstQuery }
  var firstKeyRow: Int { sample * ranges.length + firstKey }
  var value: UnsafePointer<Float> { UnsafePointer(qkv.base + firstKeyRow * qkv.columns + 2 * (qkv.columns / 3) + head * d) }

  func scores(into p: UnsafeMutablePointer<Float>) {
    let c3 = qkv.columns
    gemm(
      false, true, count, keys, d, 1, qkv.base + firstRow * c3 + head * d, c3, qkv.base + firstKeyRow * c3 + c3 / 3 + head * d, c3, 0, p,
      stride)
  }

  /// The visible keys of a query, relative to firstKey.
  @inline(__always) func visible(_ row: Int) -> (first: Int, end: Int) {
    (Int(ranges.first[firstRow + row]) - firstKey, Int(ranges.end[firstRow + row]) - firstKey)
  }

  @inline(__always) func statisticsIndex(_ row: Int) -> Int {
    2 * ((sample * heads + head) * ranges.length + firstQuery + row)
  }

  /// Scores of a row become exp(scale · score - largest), zero where a key is not seen. - Returns: 1 / Σ.
  @inline(__always) func softmax(_ p: UnsafeMutablePointer<Float>, row: Int, statistics: TensorView) -> Float {
    let (first, end) = visible(row)
    p.update(repeating: 0, count: first)
    (p + end).update(repeating: 0, count: keys - end)
    let n = end - first
    var peak = Lanes(repeating: -.infinity)
    for i in Swift.stride(from: 0, to: n, by: 16) { peak = maximum(peak, load(p + first, i, n, fill: -.infinity)) }
    let top = maximum(peak) * scale
    var total = Lanes.zero
    for i in Swift.stride(from: 0, to: n, by: 16) {
      let e = exp(load(p + first, i, n, fill: -.infinity) * scale - top)
      total += e
      store(e, p + first, i, n)
    }
    let inverse = 1 / sum(total)
    statistics.base[statisticsIndex(row)] = top
    statistics.base[statisticsIndex(row) + 1] = inverse
    return inverse
  }

  /// Scores of a row become its weights, from the saved statistics.
  @inline(__always) func weights(_ p: UnsafeMutablePointer<Float>, row: Int, statistics: TensorView) {
    let (first, end) = visible(row)
    p.update(repeating: 0, count: first)
    (p + end).update(repeating: 0, count: keys - end)
    let (top, inverse) = (statistics.base[statisticsIndex(row)], statistics.base[statisticsIndex(row) + 1])
    let n = end - first
    for i in Swift.stride(from: 0, to: n, by: 16) { store(exp(load(p + first, i, n) * scale - top) * inverse, p + first, i, n) }
  }

  @inline(__always) func mask(_ p: UnsafeMutablePointer<Float>, row: Int, _ dropout: AttentionDropout) {
    let groups = (ranges.length + maskGroup - 1) / maskGroup
    applyMask(
      p, keys, rate: dropout.rate, firstGroup: (head * ranges.length + firstQuery + row) * groups + firstKey / maskGroup,
      dropout.random.at(position: dropout.sampleIDs[sample], site: dropout.site))
  }
}

private func forEachBlock(_ qkv: TensorView, heads: Int, ranges: AttentionRanges, _ body: (Block) -> Void) {
  for sample in 0..<ranges.samples {
    for start in stride(from: 0, to: ranges.length, by: attentionBlockRows) {
      let count = min(attentionBlockRows, ranges.length - start)
      var (first, end) = (ranges.length, 0)
      for row in sample * ranges.length + start..<sample * ranges.length + start + count {
        first = min(first, Int(ranges.first[row]))
        end = max(end, Int(ranges.end[row]))
      }
      first -= first % maskGroup
      for head in 0..<heads {
        body(
          Block(
            qkv: qkv, ranges: ranges, sample: sample, head: head, heads: heads, firstQuery: start, count: count, firstKey: first,
            keys: end - first))
      }
    }
  }
}

@inline(__always) func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ n: Int) -> Float {
  var total = Lanes.zero
  for i in stride(from: 0, to: n, by: 16) { total = total.addingProduct(load(a, i, n), load(b, i, n)) }
  return sum(total)
}
