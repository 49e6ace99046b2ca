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
///   - gradient: whether the logits become their gradient; otherwise they are left as they are.
///   - rowLosses: n places for the weighted loss of each row, the very numbers that are added.
/// - Returns: the weighted sum of losses, unscaled, added in row order in double precision.
/// - Complexity: three passes over V floats a row.
public func softmaxCrossEntropy(
  logits: TensorView, targets: ArraySlice<Int32>, weights: ArraySlice<Float>, scale: Float, gradient: Bool = true,
  rowLosses: UnsafeMutablePointer<Double>? = nil
) -> Double {
  let v = logits.columns
  precondition(targets.count == logits.rows && weights.count == logits.rows, "one target and one weight a row of logits")
  var loss = 0.0
  for row in 0..<logits.rows {
    let z = logits.base + row * v
    let target = Int(targets[targets.startIndex + row])
    let weight = weights[weights.startIndex + row]
    precondition(target >= 0 && target < v, "target \(target) is not in 0..<\(v)")
    var peak = Lanes(repeating: -.infinity)
    for i in stride(from: 0, to: v, by: 16) { peak = maximum(peak, load(z, i, v, fill: -.infinity)) }
    let top = maximum(peak)
    let targetLogit = z[target]
    var total = Lanes.zero
    for i in stride(from: 0, to: v, by: 16) {
      let e = exp(load(z, i, v, fill: -.infinity) - top)
      total += e
      if gradient { store(e, z, i, v) }
    }
    let denominator = sum(total)
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
  var peak = Lanes(repeating: -.infinity)
  for i in stride(from: 0, to: v, by: 16) { peak = maximum(peak, load(logits.base, i, v, fill: -.infinity)) }
  let top = maximum(peak)
  var total = Lanes.zero
  for i in stride(from: 0, to: v, by: 16) { total += exp(load(logits.base, i, v, fill: -.infinity) - top) }
  return Double(logits[Int(target)] - top) - naturalLogarithm(Double(sum(total)))
}
