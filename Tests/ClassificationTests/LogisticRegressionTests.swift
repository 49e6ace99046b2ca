@testable import Classification
import Foundation
import Testing

/// The solver against optima that are known, and against differences of its own objective written a second time.
@Suite struct LogisticRegressionTests {
  /// Without features only the biases are left: the probabilities are the frequencies.
  @Test func biasesGiveTheFrequencies() {
    let labels = [0, 0, 0, 1, 2, 2]
    let x = DenseExamples(rows: 6, columns: 0)
    let model = LogisticRegression(x, rows: Array(0..<6), labels: labels, classes: 3, strength: 1)
    let e = model.scores(x, 0).map(exp)
    let probabilities = e.map { $0 / e.reduce(0, +) }
    let frequencies: [Double] = [0.5, 1.0 / 6, 1.0 / 3]
    for (p, wanted) in zip(probabilities, frequencies) { #expect(abs(p - wanted) < 1e-5) }
    #expect(model.hasConverged)
  }

  /// Separable on one axis: without the penalty there is no optimum; with it, weights ±w with 2·λ·w = 2·σ(−2w).
  @Test(arguments: [1e-4, 0.01, 1])
  func penaltyBoundsTheSeparableCase(strength: Double) {
    let x = DenseExamples([[1], [-1], [1], [-1]])
    let model = LogisticRegression(x, rows: [0, 1, 2, 3], labels: [1, 0, 1, 0], classes: 2, strength: strength)
    // Bisection on w: d/dw of ln(1 + e^(−2w)) + λ·w² is −2·σ(−2w) + 2·λ·w.
    var (low, high) = (0.0, 1e6)
    for _ in 0..<200 {
      let w = (low + high) / 2
      if -2 / (1 + exp(2 * w)) + 2 * strength * w < 0 { low = w } else { high = w }
    }
    // The function curves by λ at least: a gradient below the tolerance leaves a distance below its length / λ.
    let distance = 2 * LogisticRegression.tolerance / strength
    #expect(abs(model.parameters[1] - low) < distance, "\(model.parameters) and \(low)")
    #expect(abs(model.parameters[0] + low) < distance)
    #expect(abs(model.parameters[2]) < 1e-6 && model.hasConverged)
  }

  /// Numbers without a pattern, eleven features and three classes.
  private func example() -> (x: DenseExamples, labels: [Int]) {
    let rows: [[Double]] = (0..<40).map { (i: Int) -> [Double] in
      (0..<11).map { (j: Int) -> Double in sin(Double(7 * i + 3 * j * j + i * j)) }
    }
    return (DenseExamples(rows), (0..<40).map { ($0 * $0 + $0 / 3) % 3 })
  }

  private func objective(_ p: [Double], _ x: DenseExamples, _ rows: [Int], _ labels: [Int], _ strength: Double)
    -> Double
  {
    var loss = 0.0
    for i in rows {
      let z = (0..<3).map { (k: Int) -> Double in
        (0..<11).reduce(p[33 + k]) { (sum: Double, j: Int) -> Double in sum + p[11 * k + j] * x.values[11 * i + j] }
      }
      let total: Double = z.reduce(0) { $0 + exp($1) }
      loss += log(total) - z[labels[i]]
    }
    let squares: Double = p[..<33].reduce(0) { $0 + $1 * $1 }
    return loss / Double(rows.count) + 0.5 * strength * squares
  }

  @Test func gradientIsZeroAtTheSolution() {
    let (x, labels) = example()
    let rows = (0..<40).filter { $0 % 5 != 2 }
    let model = LogisticRegression(x, rows: rows, labels: labels, classes: 3, strength: 0.01)
    #expect(model.hasConverged)
    for i in model.parameters.indices {
      var (up, down) = (model.parameters, model.parameters)
      (up[i], down[i]) = (up[i] + 1e-4, down[i] - 1e-4)
      let (above, below) = (objective(up, x, rows, labels, 0.01), objective(down, x, rows, labels, 0.01))
      let slope: Double = (above - below) / 2e-4
      #expect(abs(slope) < 2e-6, "component \(i)")
    }
  }

  @Test func gradientIsThatOfTheValue() {
    let (x, labels) = example()
    let problem = LogisticProblem(x: x, rows: Array(0..<40), labels: labels, classes: 3, strength: 0.3)
    let point = (0..<36).map { cos(Double(5 * $0)) }
    let (value, gradient) = problem.valueAndGradient(point)
    #expect(abs(value - objective(point, x, Array(0..<40), labels, 0.3)) < 1e-12)
    for i in point.indices {
      var (up, down) = (point, point)
      (up[i], down[i]) = (up[i] + 1e-5, down[i] - 1e-5)
      let slope: Double = (problem.valueAndGradient(up).value - problem.valueAndGradient(down).value) / 2e-5
      #expect(abs(slope - gradient[i]) < 1e-8, "component \(i)")
    }
  }

  /// The same numbers kept sparsely are the same problem.
  @Test func sparseIsDense() {
    let rows: [[Double]] = (0..<30).map { (i: Int) -> [Double] in
      (0..<6).map { (j: Int) -> Double in (i + j) % 3 == 0 ? Double(i % 4) + 1 : 0 }
    }
    var sparse = SparseExamples(columns: 6)
    for row in rows { sparse.append(row.indices.filter { row[$0] != 0 }.map { (column: $0, value: row[$0]) }) }
    let labels = (0..<30).map { ($0 / 2) % 2 }
    let all = Array(0..<30)
    let a = LogisticRegression(DenseExamples(rows), rows: all, labels: labels, classes: 2, strength: 0.1)
    let b = LogisticRegression(sparse, rows: all, labels: labels, classes: 2, strength: 0.1)
    for (p, q) in zip(a.parameters, b.parameters) { #expect(abs(p - q) < 1e-6) }
  }

  @Test func standardisationSeesItsOwnRowsOnly() {
    let x = DenseExamples([[1, 5, 0], [3, 5, 2], [1000, -7, 1]])
    let y = Standardization(x, rows: [0, 1])(x)
    #expect(Array(y[0]) == [-1, 0, -1])
    #expect(Array(y[1]) == [1, 0, 1])
    // Column 1 does not vary where it was fitted, so it says nothing anywhere.
    #expect(Array(y[2]) == [998, 0, 0])
  }
}
