import Tensors

/// Keys and values of the positions a decoder has read, for one layer.
public final class KeyValueCache {
  public let keys: TensorView
  public let values: TensorView
  /// Positions stored.
  public private(set) var count = 0

  /// - Parameters:
  ///   - context: the most positions it can hold.
  ///   - width: C, all heads together.
  public init(context: Int, width: Int, _ arena: Arena) {
    keys = arena.matrix(context, width)
    values = arena.matrix(context, width)
  }

  public func clear() { count = 0 }

  fileprivate func append(_ qkv: TensorView) {
    let c = keys.columns
    precondition(count + qkv.rows <= keys.rows, "\(count + qkv.rows) positions in a cache for \(keys.rows)")
    for row in 0..<qkv.rows {
      let source = qkv.base + row * 3 * c
      (keys.base + (count + row) * c).update(from: source + c, count: c)
      (values.base + (count + row) * c).update(from: source + 2 * c, count: c)
    }
    count += qkv.rows
  }
}

/// Causal attention of new positions over everything in the cache, which they join first.
///
/// The bits differ from `attention`, whose products have other shapes: nothing compares the two bit for bit.
/// - Parameters:
///   - qkv: [n, 3·C], queries, keys and values of the n next positions.
///   - out: [n, C].
///   - scratch: at least as many columns as positions in the cache afterwards.
/// - Complexity: 4·n·T·C flops.
public func cachedAttention(qkv: TensorView, heads: Int, cache: KeyValueCache, into out: TensorView, scratch: TensorView) {
  let c = out.columns
  let d = c / heads
  let start = cache.count
  cache.append(qkv)
  precondition(scratch.count >= cache.count, "scratch for \(scratch.count) of \(cache.count) positions")
  let scale = 1 / Float(d).squareRoot()
  for row in 0..<qkv.rows {
    let visible = start + row + 1
    for head in 0..<heads {
      let query = qkv.base + row * 3 * c + head * d
      let p = scratch.base
      gemm(false, true, 1, visible, d, scale, query, 3 * c, cache.keys.base + head * d, c, 0, p, visible)
      var peak = Lanes(repeating: -.infinity)
      for i in stride(from: 0, to: visible, by: 16) { peak = maximum(peak, load(p, i, visible, fill: -.infinity)) }
      let top = maximum(peak)
      var total = Lanes.zero
      for i in stride(from: 0, to: visible, by: 16) {
        let e = exp(load(p, i, visible, fill: -.infinity) - top)
        total += e
        store(e, p, i, visible)
      }
      gemm(
        false, false, 1, d, visible, 1 / sum(total), p, visible, cache.values.base + head * d, c, 0, out.base + row * c + head * d, c)
    }
  }
}
