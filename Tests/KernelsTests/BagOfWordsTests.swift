import Core
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct BagOfWordsTests {
  /// Loss and gradients of a bag over features in slices, against the same formula on a tape, at widths around those of
  /// vectors.
  @Test(arguments: [1, 15, 16, 17, 40], [1, 5])
  func againstFormulas(v: Int, n: Int) {
    let c = 7
    let m = Matrices(seed: UInt64(v + n))
    let (x, w) = (m.normal(n, c), m.normal(v, c))
    let (z, largest, places, dx, dw) = (m.empty(n, v), m.empty(1, v), m.empty(1, v), m.empty(n, c), m.empty(v, c))
    let ids = [0, v / 2, v - 1, v / 2].map(Int32.init)
    let weights: [Float] = [0.25, 0.5, 0.125, 1]
    gemm(x, w, transposeB: true, into: z)
    largest.fill(-.infinity)
    places.fill(0)
    // Two slices of rows, as the head cuts them.
    raiseMaxima(z.rows(0..<n / 2), firstRow: 0, largest: largest, places: places)
    raiseMaxima(z.rows(n / 2..<n), firstRow: n / 2, largest: largest, places: places)
    let alone = bagCrossEntropy(
      logits: m.with(largest.array, 1, v), targets: ids[...], weights: weights[...], scale: 0, gradient: false)
    var parts = [Double](repeating: 0, count: 4)
    let loss = bagCrossEntropy(logits: largest, targets: ids[...], weights: weights[...], scale: 0.5, losses: &parts)
    dx.fill(0)
    dw.fill(0)
    scatterMaxima(largest, places: places, x: x, w: w, into: dx, dw)

    let scope = Scope(Tape(), ParameterLayout(), [])
    let (xs, ws) = (scope.tape.leaf(n, c, x.doubles), scope.tape.leaf(v, c, w.doubles))
    let u = scope.columnMaxima(xs.times(ws, transposed: true))
    let reference = scope.crossEntropy(u.taking(rows: [0, 0, 0, 0]), targets: ids, weights: weights) * 0.5
    scope.tape.backward(from: reference)
    #expect(mismatch("loss", [loss], [2 * reference.data[0]], tolerance: Tolerance.float(sum: v)) == nil)
    #expect(alone == loss && parts.reduce(0, +) == loss)
    #expect(mismatch("dx", dx.array, xs.gradient, tolerance: Tolerance.float(sum: v)) == nil)
    #expect(mismatch("dw", dw.array, ws.gradient, tolerance: Tolerance.float(sum: v)) == nil)
  }

  /// Of equal logits the lowest row has the place, also across slices.
  @Test func tiesGoToTheLowestRow() {
    let m = Matrices()
    let z = m.with([1, 2, 3, 1, 2, 4, 1, 2, 4], 3, 3)
    let (largest, places) = (m.empty(1, 3), m.empty(1, 3))
    largest.fill(-.infinity)
    places.fill(0)
    raiseMaxima(z.rows(0..<2), firstRow: 10, largest: largest, places: places)
    raiseMaxima(z.rows(2..<3), firstRow: 12, largest: largest, places: places)
    #expect(largest.array == [1, 2, 4] && places.array == [10, 10, 11])
  }
}
