import Tensors

/// The relative loss of scores against known values, in place: over the pairs i < j of each group the binary
/// cross-entropy of the logit pᵢ - pⱼ against the label 1 where vᵢ > vⱼ, 0 where vᵢ < vⱼ, and ½ where they are equal.
///
/// A pair (j, i) has the loss of (i, j), so the mean over pairs in either order is the same.
///
/// - Parameters:
///   - scores: p, [n, 1]; where `gradient`, it becomes scale · d(loss)/dp.
///   - values: v, n numbers.
///   - groups: adjacent rows whose pairs are compared; they do not overlap, and together they are all rows.
///   - scratch: as many floats as a group has pairs.
///   - rowLosses: receives half of the loss of each pair in both its rows.
/// - Returns: the sum over pairs, unscaled, added in order in double precision.
/// - Complexity: O(n²) for a group of n.
///
/// Reference: Wang et al., "Hard patches mining for masked image modeling", 2023, arXiv 2304.05919.
public func pairRankingLoss(
  scores: TensorView, values: [Double], groups: [Range<Int>], scale: Float, scratch: TensorView, gradient: Bool = true,
  rowLosses: UnsafeMutablePointer<Double>? = nil
) -> Double {
  precondition(values.count == scores.rows && scores.columns == 1, "one value for each of \(scores.rows) scores")
  if let rowLosses { rowLosses.update(repeating: 0, count: values.count) }
  return groups.reduce(0) { total, group in
    total
      + groupLoss(
        scores.rows(group), Array(values[group]), scale, scratch, gradient, rowLosses.map { $0 + group.lowerBound })
  }
}

private func groupLoss(
  _ p: TensorView, _ v: [Double], _ scale: Float, _ scratch: TensorView, _ gradient: Bool,
  _ rowLosses: UnsafeMutablePointer<Double>?
) -> Double {
  let pairs = (0..<v.count).flatMap { i in (i + 1..<max(v.count, i + 1)).map { (i, $0) } }
  let logits = scratch.shaped(pairs.count, 1)
  for (k, (i, j)) in pairs.enumerated() { logits[k] = p[i] - p[j] }
  var losses = [Double](repeating: 0, count: pairs.count)
  let sum = losses.withUnsafeMutableBufferPointer {
    sigmoidCrossEntropy(
      logits: logits, targets: pairs.map { v[$0] > v[$1] ? 1 : v[$0] < v[$1] ? 0 : 0.5 },
      weights: [Float](repeating: 1, count: pairs.count), scale: scale, gradient: gradient, rowLosses: $0.baseAddress)
  }
  if gradient { p.fill(0) }
  for (k, (i, j)) in pairs.enumerated() {
    if gradient {
      p[i] += logits[k]
      p[j] -= logits[k]
    }
    rowLosses?[i] += losses[k] / 2
    rowLosses?[j] += losses[k] / 2
  }
  return sum
}
