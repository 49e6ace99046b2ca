import Tensors

/// Which key each query belongs to, and which keys it is compared with.
public struct ContrastiveTargets {
  /// For each of m queries the index of its key.
  public var positives: [Int32]
  /// A loss weight per query.
  public var weights: [Float]
  /// Which keys a query is compared with, [m, keys]; empty for all. A query's own key always is.
  public var isCandidate: [Bool]

  public init(positives: [Int32], weights: [Float], isCandidate: [Bool] = []) {
    (self.positives, self.weights, self.isCandidate) = (positives, weights, isCandidate)
  }
}

/// InfoNCE in place: loss = Σᵢ wᵢ · (log Σⱼ exp(sᵢⱼ) - sᵢ,pᵢ) with s = q·kᵀ / temperature, the sum running over the
/// candidates of query i.
///
/// It compares the rows it is given: a term that uses it is not additive over samples, and the micro-batch is a part of
/// its mathematics.
///
/// - Parameters:
///   - queries: [m, d]; where `gradient`, it becomes scale · d(loss)/d(queries).
///   - keys: [n, d]; where `gradient`, it becomes scale · d(loss)/d(keys).
///   - similarities: scratch [m, n]; `dqueries` and `dkeys` are scratch of the shapes of `queries` and `keys`.
/// - Returns: the sum, unscaled, added in the order of the queries in double precision.
/// - Complexity: 6·m·n·d flops with gradients, else 2·m·n·d.
///
/// Reference: van den Oord, Li, Vinyals, "Representation learning with contrastive predictive coding", 2018, arXiv
/// 1807.03748.
public func contrastiveLoss(
  queries: TensorView, keys: TensorView, _ targets: ContrastiveTargets, temperature: Float, scale: Float,
  scratch: ContrastiveScratch,
  gradient: Bool = true
) -> Double {
  let (m, n) = (queries.rows, keys.rows)
  precondition(targets.positives.count == m && targets.weights.count == m, "one key and one weight per query")
  precondition(targets.isCandidate.isEmpty || targets.isCandidate.count == m * n, "candidates must be [queries, keys]")
  precondition(temperature > 0, "a temperature of \(temperature)")
  let s = scratch.similarities.shaped(m, n)
  gemm(queries, keys, transposeB: true, into: s)
  for row in 0..<m {
    for j in 0..<n {
      let isOut = !targets.isCandidate.isEmpty && !targets.isCandidate[row * n + j] && j != Int(targets.positives[row])
      s[row, j] = isOut ? -.infinity : s[row, j] / temperature
    }
  }
  let loss = softmaxCrossEntropy(
    logits: s, targets: targets.positives[...], weights: targets.weights[...], scale: scale / temperature,
    gradient: gradient)
  guard gradient else { return loss }
  let (dq, dk) = (scratch.queries.first(m), scratch.keys.first(n))
  gemm(s, keys, into: dq)
  gemm(s, queries, transposeA: true, into: dk)
  queries.copy(from: dq)
  keys.copy(from: dk)
  return loss
}

/// Memory of `contrastiveLoss` for up to so many queries and keys of a size.
public struct ContrastiveScratch {
  let similarities: TensorView, queries: TensorView, keys: TensorView

  public init(queries: Int, keys: Int, size: Int, _ arena: Arena) {
    similarities = arena.matrix(queries, keys)
    (self.queries, self.keys) = (arena.matrix(queries, size), arena.matrix(keys, size))
  }
}

/// y ← x / ‖x‖ for each row; a row of zeros stays zero.
///
/// - Parameter norms: [n, 1], receives ‖x‖ for the backward pass.
public func normalizeRows(_ x: TensorView, into y: TensorView, norms: TensorView) {
  for row in 0..<x.rows {
    var sum = 0.0
    for j in 0..<x.columns { sum += Double(x[row, j]) * Double(x[row, j]) }
    let norm = Float(sum.squareRoot())
    norms[row, 0] = norm
    for j in 0..<x.columns { y[row, j] = norm > 0 ? x[row, j] / norm : 0 }
  }
}

/// dx ← (dy - y·(y·dy)) / ‖x‖: the backward pass of `normalizeRows`. `dx` may be `dy`.
public func normalizeRowsBackward(y: TensorView, dy: TensorView, norms: TensorView, into dx: TensorView) {
  for row in 0..<y.rows {
    var dot = 0.0
    for j in 0..<y.columns { dot += Double(y[row, j]) * Double(dy[row, j]) }
    let norm = norms[row, 0]
    for j in 0..<y.columns { dx[row, j] = norm > 0 ? (dy[row, j] - y[row, j] * Float(dot)) / norm : 0 }
  }
}
