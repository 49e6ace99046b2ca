import Core
import Tensors

/// Attention and its gradient for one kind of mask, block by block: 64 queries of one head and the keys that any of
/// them sees.
///
/// A block has [64, keys] weights in memory and, in backward, as many gradients.
struct AttentionCore<Keys: VisibleKeys> {
  let x: QueryKeyValue
  let heads: Int
  let visible: Keys
  let dropout: AttentionDropout?
  let result: AttentionResult
  let scratch: TensorView

  /// Queries of one head of one sample, as rows of the matrix of queries, and the keys that any of them sees, numbered
  /// inside the sample.
  private struct Block {
    let sample: Int
    let head: Int
    let queries: Range<Int>
    let keys: Range<Int>
  }

  private var c: Int { result.context.columns }
  private var d: Int { c / heads }
  private var scale: Float { 1 / Float(d).squareRoot() }
  /// Floats between rows of weights.
  private var stride: Int { paddedCount(visible.keys) }

  /// context = softmax(scale · Q·Kᵀ) · V for each head.
  func forward() {
    forEachBlock { block in
      let p = scores(block)
      let n = block.keys.count
      for row in 0..<block.queries.count {
        let weights = p.base + row * stride
        let visible = visibleRow(block, row)
        let (largest, inverse) = softmaxNumerators(weights, n, visible, scale: scale)
        let saved = result.statistics.base + statisticsIndex(block, row)
        (saved[0], saved[1]) = (largest, inverse)
        if let dropout { drop(weights, block, row, dropout) }
        let vectors = visibleVectors(visible)
        for i in Swift.stride(from: vectors.lowerBound, to: vectors.upperBound, by: 16) {
          store(load(weights, i) * inverse, weights, i)
        }
      }
      gemm(p, values(x, block), into: contextBlock(result.context, block))
    }
  }

  /// With P the weights, D = Σ dout·out of a row: dV = Pᵀ·dout, dS = P ⊙ (dout·Vᵀ - D) · scale, dQ = dS·K, dK = dSᵀ·Q.
  ///
  /// Gradients of keys and values add over blocks of queries in rising order.
  func backward(_ dout: TensorView, into dx: QueryKeyValue) {
    dx.kv.fill(0)
    forEachBlock { block in
      let (upstream, context) = (contextBlock(dout, block), contextBlock(result.context, block))
      let p = scores(block)
      let g = weights(block, at: scratch.base + attentionBlockRows * stride)
      let n = block.keys.count
      gemm(upstream, values(x, block), transposeB: true, into: g)
      for row in 0..<block.queries.count {
        let (weights, gradients) = (p.base + row * stride, g.base + row * stride)
        let saved = result.statistics.base + statisticsIndex(block, row)
        let visible = visibleRow(block, row)
        softmaxWeights(weights, n, visible, scale: scale, largest: saved[0], inverse: saved[1])
        if let dropout { drop(gradients, block, row, dropout) }
        let total = dot(upstream.base + row * c, context.base + row * c, d)
        let vectors = clearHidden(gradients, n, visible)
        for i in Swift.stride(from: vectors.lowerBound, to: vectors.upperBound, by: 16) {
          store(load(weights, i) * (load(gradients, i) - total) * scale, gradients, i)
        }
        if let dropout { drop(weights, block, row, dropout) }
      }
      gemm(p, upstream, transposeA: true, into: values(dx, block), beta: 1)
      gemm(g, keys(x, block), into: queries(dx, block))
      gemm(g, queries(x, block), transposeA: true, into: keys(dx, block), beta: 1)
    }
  }

  // MARK: - Blocks

  private func forEachBlock(_ body: (Block) -> Void) {
    for sample in 0..<visible.samples {
      let all = visible.queries(of: sample)
      for start in Swift.stride(from: all.lowerBound, to: all.upperBound, by: attentionBlockRows) {
        let queries = start..<min(start + attentionBlockRows, all.upperBound)
        let keys = visible.keys(of: queries, sample: sample)
        for head in 0..<heads { body(Block(sample: sample, head: head, queries: queries, keys: keys)) }
      }
    }
  }

  /// Q·Kᵀ [queries, keys] of a block, at the start of the scratch.
  private func scores(_ block: Block) -> Submatrix {
    let p = weights(block, at: scratch.base)
    gemm(queries(x, block), keys(x, block), transposeB: true, into: p)
    return p
  }

  private func weights(_ block: Block, at base: UnsafeMutablePointer<Float>) -> Submatrix {
    Submatrix(base: base, rows: block.queries.count, columns: block.keys.count, stride: stride)
  }

  private func queries(_ x: QueryKeyValue, _ block: Block) -> Submatrix {
    Submatrix(of: x.q, rows: block.queries, column: block.head * d, columns: d)
  }

  private func keys(_ x: QueryKeyValue, _ block: Block) -> Submatrix {
    Submatrix(
      of: x.kv, rows: keyRows(block), column: x.firstKeyColumn + block.head * d,
      columns: d)
  }

  private func values(_ x: QueryKeyValue, _ block: Block) -> Submatrix {
    Submatrix(
      of: x.kv, rows: keyRows(block), column: x.firstKeyColumn + c + block.head * d,
      columns: d)
  }

  private func contextBlock(_ context: TensorView, _ block: Block) -> Submatrix {
    Submatrix(of: context, rows: block.queries, column: block.head * d, columns: d)
  }

  private func keyRows(_ block: Block) -> Range<Int> {
    let first = block.sample * visible.keys
    return first + block.keys.lowerBound..<first + block.keys.upperBound
  }

  // MARK: - Rows

  @inline(always) private func visibleRow(_ block: Block, _ row: Int) -> Keys.Row {
    visible.row(block.queries.lowerBound + row, sample: block.sample, keys: block.keys)
  }

  @inline(always) private func statisticsIndex(_ block: Block, _ row: Int) -> Int {
    2 * ((block.queries.lowerBound + row) * heads + block.head)
  }

  /// Applies the dropout mask of a row: element (head, query, key) of a sample, each row of keys padded to whole
  /// groups.
  @inline(always) private func drop(
    _ p: UnsafeMutablePointer<Float>, _ block: Block, _ row: Int, _ dropout: AttentionDropout
  ) {
    let groups = (visible.keys + maskGroup - 1) / maskGroup
    let position = visible.position(of: block.queries.lowerBound + row, sample: block.sample)
    let group = (block.head * visible.positions + position) * groups + block.keys.lowerBound / maskGroup
    applyMask(
      p, block.keys.count, rate: dropout.rate, firstGroup: group,
      dropout.random.at(position: dropout.sampleIDs[block.sample], site: dropout.site))
  }
}

@inline(always) private func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ n: Int) -> Float {
  var total = Lanes.zero
  for i in stride(from: 0, to: n, by: 16) { total = total.addingProduct(load(a, i, n), load(b, i, n)) }
  return sum(total)
}
