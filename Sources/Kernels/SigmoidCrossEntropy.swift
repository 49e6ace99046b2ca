import Tensors

/// Binary cross-entropy with logits, in place: loss = Σ wᵢ · (ln(1 + exp zᵢ) - yᵢ·zᵢ) with zᵢ = logitᵢ + offsetᵢ, and
/// the logits become their gradient scale · wᵢ · (σ(zᵢ) - yᵢ).
///
/// - Parameters:
///   - logits: n numbers; overwritten by the gradient.
///   - targets: n labels in 0 ... 1.
///   - offsets: n constants added to the logits; none when empty.
///   - weights: n loss weights.
///   - gradient: whether the logits become their gradient; otherwise they do not change.
///   - rowLosses: receives the n weighted losses of the rows, as they are added.
/// - Returns: the weighted sum of losses, unscaled, added in row order in double precision.
public func sigmoidCrossEntropy(
  logits: TensorView, targets: [Float], offsets: [Float] = [], weights: [Float], scale: Float, gradient: Bool = true,
  rowLosses: UnsafeMutablePointer<Double>? = nil
) -> Double {
  let n = logits.count
  precondition(
    targets.count == n && weights.count == n && (offsets.isEmpty || offsets.count == n),
    "one target and one weight a logit")
  var loss = 0.0
  for row in 0..<n {
    let z = logits[row] + (offsets.isEmpty ? 0 : offsets[row])
    // The exponential of -|z| cannot overflow.
    let e = exp(Lanes(repeating: -abs(z)))[0]
    let softplus = Double(max(z, 0)) + naturalLogarithm(1 + Double(e))
    let rowLoss = Double(weights[row]) * (softplus - Double(targets[row]) * Double(z))
    loss += rowLoss
    rowLosses?[row] = rowLoss
    if gradient { logits[row] = scale * weights[row] * ((z >= 0 ? 1 : e) / (1 + e) - targets[row]) }
  }
  return loss
}
