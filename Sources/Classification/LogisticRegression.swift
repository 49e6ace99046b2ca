import Evaluation
import Kernels
import Objectives

/// Multinomial logistic regression with an L2 penalty.
///
/// *Concretely:* minimises mean over examples of −ln softmax(W·x + b)[label] + λ/2 · Σ W², the biases b unpenalised,
/// from zero, by L-BFGS (twenty pairs, backtracking to sufficient decrease) over all examples in double precision and
/// in one fixed order, until no component of the gradient exceeds `tolerance`.
/// Reference: Liu, Nocedal, "On the limited memory BFGS method for large scale optimization", Math. Program. 45 (1989),
/// doi:10.1007/BF01589116.
struct LogisticRegression: Sendable {
  let classes: Int
  let columns: Int
  /// Weights [classes, columns], then one bias a class.
  let parameters: [Double]
  /// Largest component of the gradient where it stopped.
  let gradient: Double
  let iterations: Int

  static let tolerance = 1e-7
  static let mostIterations = 2_000

  /// No component of the gradient is above the tolerance.
  var hasConverged: Bool { gradient <= Self.tolerance }

  /// - Parameters:
  ///   - rows: the examples to fit, as rows of `x`.
  ///   - labels: a class for every row of `x`.
  ///   - strength: λ, above zero.
  /// - Complexity: about 4 · examples · columns · classes flops an iteration for a full matrix.
  init(_ x: some ExampleMatrix, rows: [Int], labels: [Int], classes: Int, strength: Double) {
    precondition(
      !rows.isEmpty && classes >= 2 && strength > 0, "logistic regression needs examples, two classes and a penalty")
    (self.classes, columns) = (classes, x.columns)
    let problem = LogisticProblem(x: x, rows: rows, labels: labels, classes: classes, strength: strength)
    var search = BFGSSearch(
      start: [Double](repeating: 0, count: classes * x.columns + classes), problem.valueAndGradient)
    while search.largest > Self.tolerance, search.iterations < Self.mostIterations,
      search.step(problem.valueAndGradient)
    {}
    (parameters, gradient, iterations) = (search.point, search.largest, search.iterations)
  }

  /// W·x + b of a row.
  func scores(_ x: some ExampleMatrix, _ row: Int) -> [Double] {
    var scores = Array(parameters[(classes * columns)...])
    parameters.withUnsafeBufferPointer { weights in
      scores.withUnsafeMutableBufferPointer { scores in
        guard let weights = weights.baseAddress, let scores = scores.baseAddress else { return }
        x.addScores(of: row, weights, classes: classes, into: scores)
      }
    }
    return scores
  }

  /// The class with the highest score, the first of equals.
  func prediction(_ x: some ExampleMatrix, _ row: Int) -> Int { indexOfLargest(scores(x, row)) }
}

/// The first of the largest.
func indexOfLargest(_ values: [Double]) -> Int { values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 } }

/// The function that is minimised.
struct LogisticProblem<Matrix: ExampleMatrix> {
  let x: Matrix
  let rows: [Int]
  let labels: [Int]
  let classes: Int
  let strength: Double

  func valueAndGradient(_ point: [Double]) -> (value: Double, gradient: [Double]) {
    let (count, share) = (classes * x.columns, 1 / Double(rows.count))
    var gradient = [Double](repeating: 0, count: point.count)
    var residuals = [Double](repeating: 0, count: classes)
    var loss = 0.0
    point.withUnsafeBufferPointer { point in
      gradient.withUnsafeMutableBufferPointer { gradient in
        residuals.withUnsafeMutableBufferPointer { residuals in
          guard let point = point.baseAddress, let gradient = gradient.baseAddress,
            let residuals = residuals.baseAddress
          else { return }
          for row in rows {
            residuals.update(from: point + count, count: classes)
            x.addScores(of: row, point, classes: classes, into: residuals)
            loss += crossEntropy(residuals, label: labels[row])
            for k in 0..<classes {
              residuals[k] *= share
              gradient[count + k] += residuals[k]
            }
            x.addGradient(of: row, residuals, classes: classes, into: gradient)
          }
        }
      }
    }
    var penalty = 0.0
    for i in 0..<count {
      penalty += point[i] * point[i]
      gradient[i] += strength * point[i]
    }
    return (loss * share + 0.5 * strength * penalty, gradient)
  }

  /// −ln softmax(z)[label]; z becomes softmax(z) − onehot(label).
  private func crossEntropy(_ z: UnsafeMutablePointer<Double>, label: Int) -> Double {
    var peak = z[0]
    for k in 1..<classes { peak = max(peak, z[k]) }
    let wanted = z[label] - peak
    var total = 0.0
    for k in 0..<classes {
      z[k] = exponential(z[k] - peak)
      total += z[k]
    }
    for k in 0..<classes { z[k] /= total }
    z[label] -= 1
    return naturalLogarithm(total) - wanted
  }
}

/// Minimises a smooth convex function by L-BFGS.
struct BFGSSearch {
  private(set) var point: [Double]
  private(set) var iterations = 0
  private var value: Double
  private var gradient: [Double]
  /// Changes of point and gradient, the oldest first, with 1 / (s·y).
  private var pairs: [(s: [Double], y: [Double], inverse: Double)] = []

  init(start: [Double], _ f: ([Double]) -> (value: Double, gradient: [Double])) {
    point = start
    (value, gradient) = f(start)
  }

  /// Largest component of the gradient.
  var largest: Double { gradient.reduce(0) { max($0, abs($1)) } }

  /// - Returns: false when rounding leaves nothing to gain.
  mutating func step(_ f: ([Double]) -> (value: Double, gradient: [Double])) -> Bool {
    var direction = self.direction()
    var slope = product(direction, gradient)
    if slope >= 0 {
      // Rounding has spoilt the pairs: begin again with the gradient.
      pairs = []
      direction = self.direction()
      slope = product(direction, gradient)
    }
    var length = pairs.isEmpty ? min(1, 1 / (-slope).squareRoot()) : 1
    for _ in 0..<50 {
      let next = zip(point, direction).map { $0 + length * $1 }
      let (nextValue, nextGradient) = f(next)
      // Close to the minimum a step gains less than rounding takes.
      if nextValue <= value + 1e-4 * length * slope + 1e-15 * abs(value) {
        iterations += 1
        remember(zip(next, point).map { $0 - $1 }, zip(nextGradient, gradient).map { $0 - $1 })
        (point, value, gradient) = (next, nextValue, nextGradient)
        return true
      }
      length *= 0.5
    }
    return false
  }

  private mutating func remember(_ s: [Double], _ y: [Double]) {
    let curvature = product(s, y)
    guard curvature > 1e-300 else { return }
    pairs.append((s, y, 1 / curvature))
    if pairs.count > 20 { pairs.removeFirst() }
  }

  /// −H·gradient by the two loops.
  private func direction() -> [Double] {
    var q = gradient
    var factors: [Double] = []
    for pair in pairs.reversed() {
      let factor = pair.inverse * product(pair.s, q)
      factors.append(factor)
      add(-factor, pair.y, to: &q)
    }
    if let last = pairs.last {
      let scale = 1 / (last.inverse * product(last.y, last.y))
      for i in q.indices { q[i] *= scale }
    }
    for (pair, factor) in zip(pairs, factors.reversed()) {
      add(factor - pair.inverse * product(pair.y, q), pair.s, to: &q)
    }
    return q.map { -$0 }
  }

  private func product(_ a: [Double], _ b: [Double]) -> Double {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        guard let x = a.baseAddress, let y = b.baseAddress else { return 0 }
        return dot(x, y, a.count)
      }
    }
  }

  private func add(_ factor: Double, _ x: [Double], to y: inout [Double]) {
    for i in y.indices { y[i] += factor * x[i] }
  }
}
