import Tensors

// Legend: n rows, V vocabulary.

/// Softmax cross-entropy of rows of logits, in place: loss = Σ wᵢ · (log Σⱼ exp zᵢⱼ - zᵢ,tᵢ), and the logits
/// become their gradient scale · wᵢ · (softmax(zᵢ) - onehot(tᵢ)).
///
/// - Parameters:
///   - logits: [n, V]; overwritten by the gradient.
///   - targets: n ids in 0 ..< V.
///   - weights: n loss weights; a row of weight 0 gets a zero gradient.
///   - scale: usually 1 / (count over the whole batch).
///   - gradient: whether the logits become their gradient; otherwise they do not change.
///   - rowLosses: receives the n weighted losses of the rows, as they are added.
/// - Returns: the weighted sum of losses, unscaled, added in row order in double precision.
/// - Complexity: three passes over V floats per row.
public func softmaxCrossEntropy(
  logits: TensorView, targets: ArraySlice<Int32>, weights: ArraySlice<Float>, scale: Float, gradient: Bool = true,
  rowLosses: UnsafeMutablePointer<Double>? = nil
) -> Double {
  let v = logits.columns
  precondition(
    targets.count == logits.rows && weights.count == logits.rows, "one target and one weight per row of logits")
  var loss = 0.0
  for row in 0..<logits.rows {
    let z = logits.base + row * v
    let target = Int(targets[targets.startIndex + row])
    let weight = weights[weights.startIndex + row]
    precondition(target >= 0 && target < v, "target \(target) is not in 0..<\(v)")
    let targetLogit = z[target]
    let (top, denominator) = softmaxSum(z, v, replacing: gradient)
    let rowLoss = Double(weight) * (naturalLogarithm(Double(denominator)) - Double(targetLogit - top))
    loss += rowLoss
    rowLosses?[row] = rowLoss
    guard gradient else { continue }
    let factor = scale * weight / denominator
    for i in stride(from: 0, to: v, by: 16) { store(load(z, i, v) * factor, z, i, v) }
    z[target] -= scale * weight
  }
  return loss
}

/// ln softmax(z)ₜ of one row of logits.
///
/// - Complexity: two passes over V floats.
public func logSoftmax(_ logits: TensorView, at target: Int32) -> Double {
  let v = logits.count
  precondition(target >= 0 && Int(target) < v, "target \(target) is not in 0..<\(v)")
  let (top, denominator) = softmaxSum(logits.base, v, replacing: false)
  return Double(logits[Int(target)] - top) - naturalLogarithm(Double(denominator))
}
