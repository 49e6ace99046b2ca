import Glibc
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct CrossEntropyTests {
  @Test(arguments: lengths.filter { $0 > 0 })
  func lossAndGradient(v: Int) {
    let n = 7
    let m = Matrices(seed: UInt64(v))
    let z = m.normal(n, v, deviation: 4)
    var numbers = SeededNumbers(UInt64(v))
    let (targets, scale) = (numbers.below(v, count: n), Float(0.125))
    let weights: [Float] = [1, 0, 2, 0.5, 1, 0, 3]
    var (loss, gradient) = (0.0, [Double](repeating: 0, count: n * v))
    for row in 0..<n {
      let x = (0..<v).map { Double(z[row, $0]) }
      let top = x.max() ?? 0
      let total = x.reduce(0) { $0 + Glibc.exp($1 - top) }
      loss += Double(weights[row]) * (log(total) + top - x[Int(targets[row])])
      for i in 0..<v {
        let p = Glibc.exp(x[i] - top) / total - (i == Int(targets[row]) ? 1 : 0)
        gradient[row * v + i] = Double(scale * weights[row]) * p
      }
    }
    let plain = softmaxCrossEntropy(
      logits: m.with(z.array, n, v), targets: targets[...], weights: weights[...], scale: 0, gradient: false)
    let returned = softmaxCrossEntropy(logits: z, targets: targets[...], weights: weights[...], scale: scale)
    #expect(returned == plain && (v > 1 || returned == 0))
    #expect(mismatch("loss", [returned], [loss], tolerance: 4 * Tolerance.ulp) == nil || v == 1)
    #expect(mismatch("gradient", z.array, gradient, tolerance: Tolerance.float(sum: 4)) == nil)
    #expect((0..<v).allSatisfy { z[1, $0] == 0 && z[5, $0] == 0 })
  }

  /// The exponential itself: probabilities of two logits, relative to 2 ulp down to e⁻⁸⁰, and 0 beyond.
  @Test func exponential() {
    let m = Matrices()
    let z = m.empty(1, 2)
    for step in 0...8000 {
      let x = -Float(step) / 100
      z.copy(from: [0, x])
      // The gradient at target 0 is (p₀ - 1, p₁) and the denominator is 1 + eˣ.
      _ = softmaxCrossEntropy(logits: z, targets: [0], weights: [1], scale: 1)
      let e = Glibc.exp(Double(x))
      #expect(abs(Double(z[1]) / (e / (1 + e)) - 1) < 4 * Tolerance.ulp)
    }
  }

  @Test func farLogits() {
    let m = Matrices()
    let z = m.with([0, -200, -88, -86, 1e30, -1e30], 1, 6)
    _ = softmaxCrossEntropy(logits: z, targets: [4], weights: [1], scale: 1)
    #expect(z.array == [0, 0, 0, 0, 0, 0])
    let broken = m.with([0, .nan, 1], 1, 3)
    #expect(softmaxCrossEntropy(logits: broken, targets: [0], weights: [1], scale: 1).isNaN)
  }

  /// What a row adds to the loss, to the bit, and zero for a row without weight.
  @Test func rowLosses() {
    let m = Matrices()
    let z = m.normal(4, 9)
    let (targets, weights): ([Int32], [Float]) = ([8, 7, 6, 5], [1, 0, 3, 0.5])
    var rows = [Double](repeating: -1, count: 4)
    let whole = softmaxCrossEntropy(
      logits: m.with(z.array, 4, 9), targets: targets[...], weights: weights[...], scale: 1, rowLosses: &rows)
    #expect(whole == rows.reduce(0, +) && rows[1] == 0)
    for row in 0..<4 {
      let alone = softmaxCrossEntropy(
        logits: m.with(z.rows(row..<row + 1).array, 1, 9), targets: targets[row...row], weights: weights[row...row],
        scale: 1)
      #expect(alone == rows[row])
    }
  }

  /// Slices of targets and weights are read from their own start.
  @Test func slices() {
    let m = Matrices()
    let z = m.normal(4, 9)
    let (targets, weights): ([Int32], [Float]) = ([8, 7, 6, 5], [1, 2, 3, 4])
    let whole = softmaxCrossEntropy(
      logits: m.with(z.array, 4, 9), targets: targets[...], weights: weights[...], scale: 1)
    let first = softmaxCrossEntropy(logits: z.rows(0..<2), targets: targets[0..<2], weights: weights[0..<2], scale: 1)
    let second = softmaxCrossEntropy(logits: z.rows(2..<4), targets: targets[2..<4], weights: weights[2..<4], scale: 1)
    #expect(abs(whole - first - second) < 1e-12)
  }
}
