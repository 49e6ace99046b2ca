import Tensors

/// The softmax of cosines between two sets of rows, and its gradient: p_ij = exp(cos(qᵢ, kⱼ)/τ) / Σⱼ exp(cos(qᵢ,
/// kⱼ)/τ).
///
/// Shapes: queries [m, d], keys [n, d], p [m, n]. A row of zeros has the cosine 0 with every row.
public struct CosineSoftmax {
  private let queries: TensorView, keys: TensorView, queryNorms: TensorView, keyNorms: TensorView
  private let probabilities: TensorView, dqueries: TensorView, dkeys: TensorView

  /// Memory for up to so many queries and keys of a size.
  public init(queries: Int, keys: Int, size: Int, _ arena: Arena) {
    (self.queries, self.keys) = (arena.matrix(queries, size), arena.matrix(keys, size))
    (queryNorms, keyNorms) = (arena.matrix(queries, 1), arena.matrix(keys, 1))
    probabilities = arena.matrix(queries, keys)
    (dqueries, dkeys) = (arena.matrix(queries, size), arena.matrix(keys, size))
  }

  /// p, in the memory of this value.
  /// - Parameters:
  ///   - temperature: τ, above 0.
  ///   - skipsSelf: queries and keys are the same rows, and the sum leaves out j = i; there are two rows at least.
  /// - Complexity: 2·m·n·d flops and m·n exponentials.
  public func forward(_ q: TensorView, _ k: TensorView, temperature: Float, skipsSelf: Bool = false) -> TensorView {
    let (m, n) = (q.rows, k.rows)
    precondition(temperature > 0, "a temperature of \(temperature)")
    precondition(!skipsSelf || m == n && n >= 2, "\(m) queries and \(n) keys without themselves")
    let (unitQ, unitK, p) = (queries.first(m), keys.first(n), probabilities.shaped(m, n))
    normalizeRows(q, into: unitQ, norms: queryNorms)
    normalizeRows(k, into: unitK, norms: keyNorms)
    gemm(unitQ, unitK, transposeB: true, into: p, alpha: 1 / temperature)
    for row in 0..<m {
      if skipsSelf { p[row, row] = -.infinity }
      let z = p.base + row * n
      let (_, total) = softmaxSum(z, n, replacing: true)
      for j in 0..<n { z[j] /= total }
    }
    return p
  }

  /// Adds what the gradient [m, n] of the logits cos(qᵢ, kⱼ)/τ gives for queries and keys, after `forward`.
  /// - Complexity: 4·m·n·d flops.
  public func backward(dlogits: TensorView, temperature: Float, to dq: TensorView, _ dk: TensorView) {
    let (m, n) = (dq.rows, dk.rows)
    let (unitQ, unitK, gq, gk) = (queries.first(m), keys.first(n), dqueries.first(m), dkeys.first(n))
    gemm(dlogits, unitK, into: gq, alpha: 1 / temperature)
    gemm(dlogits, unitQ, transposeA: true, into: gk, alpha: 1 / temperature)
    normalizeRowsBackward(y: unitQ, dy: gq, norms: queryNorms, into: gq)
    normalizeRowsBackward(y: unitK, dy: gk, norms: keyNorms, into: gk)
    addInPlace(dq, gq)
    addInPlace(dk, gk)
  }
}

/// The entropy -Σⱼ p_ij · ln p_ij of each row of probabilities, in units of `unit`; where `factor` is given, the row
/// becomes factor · d(entropy / unit)/d(logits).
///
/// - Complexity: O(m·n).
public func rowEntropies(_ p: TensorView, unit: Double, factor: Double? = nil) -> [Double] {
  (0..<p.rows).map { row in
    let z = p.base + row * p.columns
    var entropy = 0.0
    for j in 0..<p.columns where z[j] > 0 { entropy -= Double(z[j]) * naturalLogarithm(Double(z[j])) }
    if let factor {
      for j in 0..<p.columns {
        let own = Double(z[j])
        z[j] = own > 0 ? Float(-factor * own * (naturalLogarithm(own) + entropy) / unit) : 0
      }
    }
    return entropy / unit
  }
}

/// The divergence Σⱼ t_ij · ln(t_ij / p_ij) of each row of probabilities from its target; where `factor` is given, the
/// row becomes factor · d(divergence)/d(logits) = factor · (p - t).
///
/// - Complexity: O(m·n).
public func rowDivergences(_ p: TensorView, from t: TensorView, factor: Double? = nil) -> [Double] {
  precondition(
    p.rows == t.rows && p.columns == t.columns, "[\(p.rows), \(p.columns)] against [\(t.rows), \(t.columns)]")
  return (0..<p.rows).map { row in
    let (own, target) = (p.base + row * p.columns, t.base + row * t.columns)
    var divergence = 0.0
    for j in 0..<p.columns {
      let (a, b) = (Double(own[j]), Double(target[j]))
      if b > 0 { divergence += b * (naturalLogarithm(b) - naturalLogarithm(a)) }
      if let factor { own[j] = Float(factor * (a - b)) }
    }
    return divergence
  }
}
