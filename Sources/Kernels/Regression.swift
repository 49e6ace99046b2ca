import Tensors

// Legend: m rows, k numbers per row.

/// The loss of a predicted row y against its target t.
public enum RegressionLoss: String, Codable, Sendable, CaseIterable {
  /// (y - t)².
  case l2
  /// |y - t|.
  case l1
  /// ½(y - t)²/β where |y - t| < β, else |y - t| - ½β, as PyTorch's `SmoothL1Loss`.
  case smoothL1 = "smooth-l1"
  /// 1 - y·t / (‖y‖·‖t‖), of the row as a whole.
  case cosine
}

/// Targets of predicted rows.
public struct RegressionTargets: Sendable {
  /// [m, k].
  public var values: [Float]
  /// A loss weight per row.
  public var weights: [Float]
  /// A weight per number, [m, k], in place of 1/k each; empty for these. The cosine has none.
  public var elementWeights: [Float]

  public init(values: [Float], weights: [Float], elementWeights: [Float] = []) {
    (self.values, self.weights, self.elementWeights) = (values, weights, elementWeights)
  }

  /// No targets at all.
  public static let none = RegressionTargets(values: [], weights: [])
}

/// The weighted regression loss of rows, in place: loss = Σᵢ wᵢ · Σⱼ eᵢⱼ · ℓ(yᵢⱼ, tᵢⱼ) with eᵢⱼ = 1/k unless given, or
/// Σᵢ wᵢ · (1 - cos(yᵢ, tᵢ)); `y` becomes its gradient times scale.
///
/// - Parameters:
///   - y: [m, k]; overwritten where `gradient`.
///   - beta: of smooth-l1, above 0.
///   - rowLosses: receives the m weighted losses of the rows, as they are added.
/// - Returns: the sum, unscaled, added in order in double precision.
/// - Complexity: m·k operations in double precision.
public func regressionLoss(
  _ kind: RegressionLoss, _ y: TensorView, _ targets: RegressionTargets, beta: Double = 1, scale: Float,
  gradient: Bool = true,
  rowLosses: UnsafeMutablePointer<Double>? = nil
) -> Double {
  let (m, k) = (y.rows, y.columns)
  precondition(
    targets.values.count == m * k && targets.weights.count == m, "\(targets.values.count) values for [\(m), \(k)]")
  precondition(
    targets.elementWeights.isEmpty || targets.elementWeights.count == m * k && kind != .cosine,
    "weights of elements for [\(m), \(k)]")
  precondition(beta > 0, "a smooth-l1 loss with beta \(beta)")
  var total = 0.0
  for row in 0..<m {
    let place = row * k..<(row + 1) * k
    let factor = Double(scale) * Double(targets.weights[row])
    let loss =
      kind == .cosine
      ? cosineLoss(y.base + row * k, targets.values[place], factor: gradient ? factor : nil)
      : elementLosses(
        kind, y.base + row * k, targets.values[place],
        targets.elementWeights.isEmpty ? nil : targets.elementWeights[place], beta, factor: gradient ? factor : nil)
    let weighted = Double(targets.weights[row]) * loss
    rowLosses?[row] = weighted
    total += weighted
  }
  return total
}

/// Σⱼ eⱼ · ℓ of one row, whose numbers become factor · eⱼ · ℓ'.
private func elementLosses(
  _ kind: RegressionLoss, _ y: UnsafeMutablePointer<Float>, _ target: ArraySlice<Float>, _ weights: ArraySlice<Float>?,
  _ beta: Double, factor: Double?
) -> Double {
  let even = 1 / Double(max(target.count, 1))
  var sum = 0.0
  for j in 0..<target.count {
    let weight = weights.map { Double($0[$0.startIndex + j]) } ?? even
    // A number without weight may be anything, also NaN.
    guard weight != 0 else {
      if factor != nil { y[j] = 0 }
      continue
    }
    let difference = Double(y[j]) - Double(target[target.startIndex + j])
    let (loss, slope): (Double, Double) =
      switch kind {
      case .l2: (difference * difference, 2 * difference)
      case .l1: (abs(difference), sign(difference))
      case .smoothL1, .cosine:
        abs(difference) < beta
          ? (0.5 * difference * difference / beta, difference / beta) : (abs(difference) - 0.5 * beta, sign(difference))
      }
    sum += weight * loss
    if let factor { y[j] = Float(factor * weight * slope) }
  }
  return sum
}

private func sign(_ x: Double) -> Double { x > 0 ? 1 : x < 0 ? -1 : 0 }

/// 1 - cos of one row, which becomes factor times its gradient. A row of zeros has the loss 1 and no gradient.
private func cosineLoss(_ y: UnsafeMutablePointer<Float>, _ target: ArraySlice<Float>, factor: Double?) -> Double {
  var (dot, own, other) = (0.0, 0.0, 0.0)
  for j in 0..<target.count {
    let (a, b) = (Double(y[j]), Double(target[target.startIndex + j]))
    dot += a * b
    own += a * a
    other += b * b
  }
  let norms = (own * other).squareRoot()
  let cosine = norms > 0 ? dot / norms : 0
  if let factor {
    for j in 0..<target.count {
      let slope = norms > 0 ? cosine * Double(y[j]) / own - Double(target[target.startIndex + j]) / norms : 0
      y[j] = Float(factor * slope)
    }
  }
  return 1 - cosine
}
