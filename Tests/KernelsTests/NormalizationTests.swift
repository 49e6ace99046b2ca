import Core
import Kernels
import Tensors
import TestSupport
import Testing

/// The kernels against the references of the layers, at every length of a row; five-point differences of those are in
/// LayersTests.
@Suite struct NormalizationTests {
  @Test(arguments: ModelConfiguration.Norm.allCases, lengths.filter { $0 > 1 })
  func norms(kind: ModelConfiguration.Norm, c: Int) {
    let (n, epsilon) = (5, Float(1e-5))
    let m = Matrices(seed: UInt64(c))
    // Rows that do not have mean zero: a mean that is forgotten shows.
    let x = m.normal(n, c)
    for i in 0..<x.count { x[i] = 2 * x[i] + 3 }
    let (w, b, dy) = (m.normal(1, c), m.normal(1, c), m.normal(n, c))
    let (y, dx, dw, db, statistics) = (m.empty(n, c), m.empty(n, c), m.empty(1, c), m.empty(1, c), m.empty(n, 2))

    var layout = ParameterLayout()
    layout.append(ParameterSpec("n.weight", [c], decay: false, .ones))
    if kind == .layer { layout.append(ParameterSpec("n.bias", [c], decay: false, .zeros)) }
    var parameters = [Double](repeating: 0, count: layout.count)
    parameters.replaceSubrange(layout.entries[0].range, with: w.doubles)
    if kind == .layer { parameters.replaceSubrange(layout.entries[1].range, with: b.doubles) }
    let scope = Scope(Tape(), layout, parameters)
    let input = scope.tape.leaf(n, c, x.doubles)
    let reference = scope.norm("n", input, kind, epsilon: epsilon)
    scope.tape.backward(from: reference, seed: dy.doubles)

    switch kind {
    case .layer:
      layerNorm(x, weight: w, bias: b, epsilon: epsilon, into: y, statistics: statistics)
      layerNormBackward(x: x, dy: dy, weight: w, statistics: statistics, into: dx, dweight: dw, dbias: db)
    case .rms:
      rmsNorm(x, weight: w, epsilon: epsilon, into: y, statistics: statistics)
      rmsNormBackward(x: x, dy: dy, weight: w, statistics: statistics, into: dx, dweight: dw)
    }
    let tolerance = Tolerance.float(sum: c)
    #expect(mismatch("y", y.array, reference.data, tolerance: tolerance) == nil)
    #expect(mismatch("dx", dx.array, input.gradient, tolerance: tolerance) == nil)
    #expect(mismatch("dweight", dw.array, scope.parameter("n.weight").gradient, tolerance: tolerance) == nil)
    if kind == .layer {
      #expect(mismatch("dbias", db.array, scope.parameter("n.bias").gradient, tolerance: tolerance) == nil)
    }

    // Adding to what stands, and in place of dy.
    let base = m.normal(n, c)
    let expected = zip(base.array, dx.array).map { $0 + $1 }
    let inPlace = m.with(dy.array, n, c)
    switch kind {
    case .layer:
      layerNormBackward(
        x: x, dy: dy, weight: w, statistics: statistics, into: base, accumulate: true, dweight: dw, dbias: db)
      layerNormBackward(x: x, dy: inPlace, weight: w, statistics: statistics, into: inPlace, dweight: dw, dbias: nil)
    case .rms:
      rmsNormBackward(x: x, dy: dy, weight: w, statistics: statistics, into: base, accumulate: true, dweight: dw)
      rmsNormBackward(x: x, dy: inPlace, weight: w, statistics: statistics, into: inPlace, dweight: dw)
    }
    #expect(base.array == expected && inPlace.array == dx.array)
  }

  /// Rows are independent: a row alone has the same bits as among others.
  @Test func rowsAreIndependent() {
    let m = Matrices()
    let (x, w) = (m.normal(4, 65), m.normal(1, 65))
    let (all, one, statistics) = (m.empty(4, 65), m.empty(1, 65), m.empty(4, 2))
    layerNorm(x, weight: w, bias: nil, epsilon: 1e-5, into: all, statistics: statistics)
    layerNorm(x.rows(2..<3), weight: w, bias: nil, epsilon: 1e-5, into: one, statistics: statistics)
    #expect(all.rows(2..<3).array == one.array)
  }
}
