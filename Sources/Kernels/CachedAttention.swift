import Tensors

/// The key-value cache of one layer of a decoder.
public final class KeyValueCache {
  public let keys: TensorView
  public let values: TensorView
  /// Positions stored.
  public private(set) var count = 0

  /// - Parameters:
  ///   - context: the largest number of positions.
  ///   - width: C, the sum over heads.
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

/// Causal attention of new positions over all positions in the cache, to which their keys and values are appended
/// first.
///
/// The bits differ from those of `attention`, whose products have other shapes.
/// - Parameters:
///   - qkv: [n, 3·C], queries, keys and values of the n next positions.
///   - out: [n, C].
///   - scratch: at least as many columns as positions in the cache afterwards.
/// - Complexity: 4·n·T·C flops.
public func cachedAttention(
  qkv: TensorView, heads: Int, cache: KeyValueCache, into out: TensorView, scratch: TensorView
) {
  let c = out.columns
  let d = c / heads
  let start = cache.count
  cache.append(qkv)
  precondition(scratch.count >= paddedCount(cache.count), "scratch for \(scratch.count) of \(cache.count) positions")
  let scale = 1 / Float(d).squareRoot()
  for row in 0..<qkv.rows {
    let visible = start + row + 1
    let p = Submatrix(base: scratch.base, rows: 1, columns: visible, stride: visible)
    for head in 0..<heads {
      func block(_ matrix: TensorView, _ rows: Range<Int>) -> Submatrix {
        Submatrix(of: matrix, rows: rows, column: head * d, columns: d)
      }
      gemm(block(qkv, row..<row + 1), block(cache.keys, 0..<visible), transposeB: true, into: p, alpha: scale)
      let inverse = softmaxNumerators(p.base, visible, VisibleRange(first: 0, end: visible), scale: 1).inverse
      gemm(p, block(cache.values, 0..<visible), into: block(out, row..<row + 1), alpha: inverse)
    }
  }
}
