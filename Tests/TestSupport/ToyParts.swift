import Core
import Kernels
import Objectives
import Tensors

/// `count` of the positions, in rising order: those with the smallest random words.
func chosen(_ count: Int, of positions: [Int], _ random: CounterGenerator) -> [Int] {
  positions.sorted { (random.word($0), $0) < (random.word($1), $1) }.prefix(count).sorted()
}

/// Positions of a sample that are real and ordinary.
func ordinaryPositions(_ batch: SampleBatch, _ sample: Int, _ vocabulary: Vocabulary) -> [Int] {
  (0..<batch.length).filter {
    let index = sample * batch.stride + $0
    return batch.documentIDs[index] >= 0 && !vocabulary.special.contains(batch.tokens[index])
  }
}

/// Σᵢ wᵢ · Σⱼ (yᵢⱼ - tᵢⱼ)² / k over rows i of `y` [n, k]; `y` becomes scale times the gradient, zero in rows without a
/// target.
func squaredError(_ y: TensorView, _ targets: TermTargets, scale: Float) -> Double {
  let k = y.columns
  var (loss, gradient) = (0.0, [Float](repeating: 0, count: y.count))
  for (i, row) in targets.rows.enumerated() {
    for j in 0..<k {
      let difference = y[row, j] - targets.values[i * k + j]
      loss += Double(targets.weights[i]) * Double(difference) * Double(difference) / Double(k)
      gradient[row * k + j] = 2 * scale * targets.weights[i] * difference / Float(k)
    }
  }
  y.copy(from: gradient)
  return loss
}

extension Scope {
  /// The same as a formula.
  func squaredError(_ y: Value, rows: [Int], values: Value, weights: [Float]) -> Value {
    guard !rows.isEmpty else { return tape.scalar(0) }
    let difference = y.taking(rows: rows) - values
    return (difference * difference * tape.leaf(rows.count, 1, weights.map(Double.init))).total()
      * (1 / Double(y.columns))
  }

  func squaredError(_ y: Value, _ targets: TermTargets) -> Value {
    squaredError(
      y, rows: targets.rows, values: tape.leaf(targets.rows.count, y.columns, targets.values.map(Double.init)),
      weights: targets.weights)
  }
}

/// A rule for an option: inside a range, or an error that names the key.
func requireOption(_ key: String, _ value: Double, in range: ClosedRange<Double>) throws(ConfigurationError) {
  guard range.contains(value) else {
    throw ConfigurationError(
      "objective.\(key)", is: value, rule: "it must lie in \(range.lowerBound)...\(range.upperBound).")
  }
}
