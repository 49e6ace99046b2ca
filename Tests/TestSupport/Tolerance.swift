import Glibc

/// The tolerances of all comparisons, in one place.
public enum Tolerance {
  /// One unit in the last place of a float near 1.
  public static let ulp = 0x1p-23

  /// Link one: a tape's gradient against five-point differences, relative to the element …
  public static let difference = 1e-6
  /// … plus this share of the largest element of its tensor, for elements that vanish.
  public static let differenceFloor = 1e-9

  /// Link two: a float tensor against its double reference, relative to the tensor's largest element: c · √n · ulp,
  /// where n is the longest sum an element goes through.
  ///
  /// A rounding error of half a unit at each of n steps, of random sign, gives √n / 2 units; c = 4 leaves room for the
  /// tail over a thousand elements and for the errors of exp and the norms (2 units each). `depth` multiplies: layers
  /// in a row add their errors.
  public static func float(sum n: Int, depth: Int = 1) -> Double {
    4 * Double(max(n, 1)).squareRoot() * Double(depth) * ulp
  }
}

/// What is wrong with `values` against `expected`; nil when every element lies within `tolerance` · max |expected|.
public func mismatch(_ what: String, _ values: [Double], _ expected: [Double], tolerance: Double) -> String? {
  guard values.count == expected.count else { return "\(what): \(values.count) values, \(expected.count) expected" }
  let largest = expected.reduce(0) { max($0, abs($1)) }
  var worst: (index: Int, error: Double)?
  for i in values.indices {
    // A NaN is never within any bound.
    let error = abs(values[i] - expected[i])
    if !(error <= tolerance * largest), !(error <= worst?.error ?? -1) { worst = (i, error) }
  }
  guard let worst else { return nil }
  return "\(what)[\(worst.index)] is \(values[worst.index]), expected \(expected[worst.index]): "
    + "an error of \(worst.error / (largest * Tolerance.ulp)) ulp of the largest element, \(tolerance / Tolerance.ulp) are allowed"
}

public func mismatch(_ what: String, _ values: [Float], _ expected: [Double], tolerance: Double) -> String? {
  mismatch(what, values.map(Double.init), expected, tolerance: tolerance)
}
