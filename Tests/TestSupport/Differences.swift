import Core
import Glibc

/// Which differences link one takes.
public enum Differences: Sendable {
  /// Every element of every parameter and of the input.
  case everyElement
  /// This many random directions in the space of each tensor: for shapes too large for every element.
  case directions(Int)
}

/// The derivative of f at 0 by five points: exact for polynomials of degree 4, error h⁴·f⁽⁵⁾/30.
public func fivePointDerivative(step h: Double, _ f: (Double) -> Double) -> Double {
  (f(-2 * h) - 8 * f(-h) + 8 * f(h) - f(2 * h)) / (12 * h)
}

/// Link one for one tensor: where `gradient` differs from five-point differences of `f` around `point`.
public func differenceFaults(
  _ name: String, _ point: [Double], gradient: [Double], _ differences: Differences, seed: UInt64,
  _ f: ([Double]) -> Double
) -> [String] {
  let largest = gradient.reduce(0) { max($0, abs($1)) }
  // A reference may not feel a parameter at all, such as an unused row; then both sides are rounding noise of f.
  let noise = abs(f(point)) * 0x1p-52 / 1e-3 * 4
  func fault(_ what: String, _ analytic: Double, _ numeric: Double, scale: Double) -> String? {
    let allowed = Tolerance.difference * abs(analytic) + Tolerance.differenceFloor * scale + noise
    return abs(analytic - numeric) <= allowed
      ? nil : "\(name)\(what): the tape says \(analytic), differences say \(numeric)"
  }
  switch differences {
  case .everyElement:
    return point.indices.compactMap { i in
      var moved = point
      let numeric = fivePointDerivative(step: 1e-3) { offset in
        moved[i] = point[i] + offset
        return f(moved)
      }
      return fault("[\(i)]", gradient[i], numeric, scale: largest)
    }
  case .directions(let count):
    return (0..<count).compactMap { index in
      var numbers = SeededNumbers(seed &+ UInt64(index) &* 7919)
      let direction = numbers.normal(point.count).map { Double($0) / Double(point.count).squareRoot() }
      let numeric = fivePointDerivative(step: 1e-3) { offset in f(zip(point, direction).map { $0 + offset * $1 }) }
      let analytic = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
      return fault(" along direction \(index)", analytic, numeric, scale: largest)
    }
  }
}
