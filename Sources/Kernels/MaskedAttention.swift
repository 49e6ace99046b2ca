import Core
import Tensors

// Legend: B samples, Q queries and K keys a sample, H heads, d head width, C = H·d. One block of queries of one head is in
// memory at a time, as in `attention`.

/// Softmax attention of queries over other rows, each query seeing its own set of keys: out = softmax(scale · q·kᵀ over the
/// visible keys) · v for each head; zero where a query sees nothing.
///
/// - Parameters:
///   - q: [B·Q, C].
///   - kv: [B·K, 2·C], a row holding the keys and values of all heads.
///   - out: [B·Q, C].
///   - statistics: [B·H·Q, 2]: the largest visible scaled score and 1 / Σ exp of each row, for backward.
///   - scratch: `attentionScratch(length:)` of K.
/// - Complexity: 4·B·Q·K·C flops, whatever is visible: each product has the shape of its block.
public func maskedAttention(
  q: TensorView, kv: TensorView, heads: Int, visible: AttentionBitmask, dropout: AttentionDropout?, into out: TensorView,
  statistics: TensorView, scratch: TensorView
) {
  let c = out.columns
  forEachBlock(q, kv, heads, visible) { block in
    let p = scratch.base
    block.scores(into: p)
    for row in 0..<block.count {
      let weights = p + row * block.stride
      let inverse = block.softmax(weights, row: row, statistics: statistics)
      if let dropout { block.drop(weights, row: row, dropout) }
      for i in stride(from: 0, to: block.keys, by: 16) { store(load(weights, i, block.keys) * inverse, weights, i, block.keys) }
    }
    gemm(
      false, false, block.count, block.d, block.keys, 1, p, block.stride, block.value, 2 * c, 0, out.base + block.queryOffset, c)
  }
}

/// The gradient of `maskedAttention`: `dq` [B·Q, C] and `dkv` [B·K, 2·C] from `dout` [B·Q, C].
///
/// With P the weights, D = Σ dout·out of a row: dv = Pᵀ·dout, dS = P ⊙ (dout·vᵀ - D) · scale, dq = dS·k, dk = dSᵀ·q.
/// Keys add over blocks of queries in rising order.
/// - Complexity: 10·B·Q·K·C flops.
public func maskedAttentionBackward(
  q: TensorView, kv: TensorView, out: TensorView, dout: TensorView, heads: Int, visible: AttentionBitmask, dropout: AttentionDropout?,
  statistics: TensorView, into dq: TensorView, dkv: TensorView, scratch: TensorView
) {
  let c = out.columns
  precondition(
    dq.count == q.count && dkv.count == kv.count && dout.count == out.count, "masked attention needs gradients of the forward shapes")
  dkv.fill(0)
  forEachBlock(q, kv, heads, visible) { block in
    let p = scratch.base
    let g = scratch.base + attentionBlockRows * block.stride
    let (upstream, result) = (dout.base + block.queryOffset, out.base + block.queryOffset)
    let (dkey, dvalue) = (dkv.base + block.keyOffset, dkv.base + block.keyOffset + c)
    block.scores(into: p)
    gemm(false, true, block.count, block.keys, block.d, 1, upstream, c, block.value, 2 * c, 0, g, block.stride)
    for row in 0..<block.count {
      let (weights, gradients) = (p + row * block.stride, g + row * block.stride)
      block.weights(weights, row: row, statistics: statistics)
      if let dropout { block.drop(gradients, row: row, dropout) }
      let d = dot(upstream + row * c, result + row * c, block.d)
      for i in stride(from: 0, to: block.keys, by: 16) {
        let gradient = load(weights, i, block.keys) * (load(gradients, i, block.keys) - d) * block.scale
        store(gradient, gradients, i, block.keys)
      }
      if let dropout { block.drop(weights, row: row, dropout) }
    }
    gemm(true, false, block.keys, block.d, block.count, 1, p, block.stride, upstream, c, 1, dvalue, 2 * c)
    gemm(false, false, block.count, block.d, block.keys, 1, g, block.stride, block.key, 2 * c, 0, dq.base + block.queryOffset, c)
    gemm(true, false, block.keys, block.d, block.count, 1, g, block.stride, block.query, c, 1, dkey, 2 * c)
  }
}

/// One block of queries of one head, with all keys of its sample.
private struct Block {
  let q: TensorView
  let kv: TensorView
  let heads: Int
  let visible: AttentionBitmask
  let sample: Int
  let head: Int
  /// Queries firstQuery ..< firstQuery + count of the sample.
  let firstQuery: Int
  let count: Int

  var d: Int { q.columns / heads }
  var keys: Int { visible.keys }
  var scale: Float { 1 / Float(d).squareRoot() }
  var stride: Int { paddedCount(visible.keys) }
  var queryOffset: Int { (sample * visible.queries + firstQuery) * q.columns + head * d }
  var keyOffset: Int { sample * visible.keys * kv.columns + head * d }
  var query: UnsafePointer<Float> { UnsafePointer(q.base + queryOffset) }
  var key: UnsafePointer<Float> { UnsafePointer(kv.base + keyOffset) }
  var value: UnsafePointer<Float> { UnsafePointer(kv.base + keyOffset + q.columns) }

  func scores(into p: UnsafeMutablePointer<Float>) {
    gemm(false, true, count, keys, d, 1, query, q.columns, key, kv.columns, 0, p, stride)
  }

  @inline(__always) func statisticsIndex(_ row: Int) -> Int { 2 * ((sample * heads + head) * visible.queries + firstQuery + row) }

  /// The bits of a row of queries, for as long as `body` runs.
  @inline(__always) private func withBits<Result>(_ row: Int, _ body: (UnsafePointer<UInt32>) -> Result) -> Result {
    visible.words.withUnsafeBufferPointer { words in
      guard let base = words.baseAddress else { preconditionFailure("a block of a matrix without samples") }
      return body(base + (sample * visible.queries + firstQuery + row) * visible.wordsPerRow)
    }
  }

  /// Scores of a row become exp(scale · score - largest), zero where a key is hidden. - Returns: 1 / Σ, or 0 where all are.
  @inline(__always) func softmax(_ p: UnsafeMutablePointer<Float>, row: Int, statistics: TensorView) -> Float {
    withBits(row) { bits in
      var peak = Lanes(repeating: -.infinity)
      for i in Swift.stride(from: 0, to: keys, by: 16) {
        let seen = load(p, i, keys, fill: -.infinity).replacing(with: -.infinity, where: hiddenLanes(bits, i))
        store(seen, p, i, keys)
        peak = maximum(peak, seen)
      }
      let largest = maximum(peak)
      // Of nothing visible the largest is nothing; any finite number then makes every exponential zero.
      let top = largest == -.infinity ? 0 : largest * scale
      var total = Lanes.zero
      for i in Swift.stride(from: 0, to: keys, by: 16) {
        let e = exp(load(p, i, keys, fill: -.infinity) * scale - top)
        total += e
        store(e, p, i, keys)
      }
      let denominator = sum(total)
      let inverse = denominator == 0 ? 0 : 1 / denominator
      statistics.base[statisticsIndex(row)] = top
      statistics.base[statisticsIndex(row) + 1] = inverse
      return inverse
    }
  }

  /// Scores of a row become its weights, from the saved statistics.
  @inline(__always) func weights(_ p: UnsafeMutablePointer<Float>, row: Int, statistics: TensorView) {
    let (top, inverse) = (statistics.base[statisticsIndex(row)], statistics.base[statisticsIndex(row) + 1])
    withBits(row) { bits in
      for i in Swift.stride(from: 0, to: keys, by: 16) {
        let seen = load(p, i, keys).replacing(with: -.infinity, where: hiddenLanes(bits, i))
        store(exp(seen * scale - top) * inverse, p, i, keys)
      }
    }
  }

  @inline(__always) func drop(_ p: UnsafeMutablePointer<Float>, row: Int, _ dropout: AttentionDropout) {
    let groups = (keys + maskGroup - 1) / maskGroup
    applyMask(
      p, keys, rate: dropout.rate, firstGroup: (head * visible.queries + firstQuery + row) * groups,
      dropout.random.at(position: dropout.sampleIDs[sample], site: dropout.site))
  }
}

private func forEachBlock(_ q: TensorView, _ kv: TensorView, _ heads: Int, _ visible: AttentionBitmask, _ body: (Block) -> Void) {
  precondition(
    q.rows == visible.samples * visible.queries && kv.rows == visible.samples * visible.keys && kv.columns == 2 * q.columns,
    "masked attention needs q [B·Q, C] and kv [B·K, 2·C] for a matrix [\(visible.samples), \(visible.queries), \(visible.keys)]")
  for sample in 0..<visible.samples {
    for start in stride(from: 0, to: visible.queries, by: attentionBlockRows) {
      let count = min(attentionBlockRows, visible.queries - start)
      for head in 0..<heads {
        body(
          Block(q: q, kv: kv, heads: heads, visible: visible, sample: sample, head: head, firstQuery: start, count: count))
      }
    }
  }
}
