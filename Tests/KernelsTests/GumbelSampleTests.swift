import Core
import Glibc
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct GumbelSampleTests {
  private func draw(
    _ z: [Float], count: Int, temperature: Float = 1, isExcluded: [Bool]? = nil, excluding: Int32? = nil
  ) -> [Int] {
    let m = Matrices()
    defer { withExtendedLifetime(m) {} }
    let row = m.with(z, 1, z.count)
    var counts = [Int](repeating: 0, count: z.count)
    for position in 0..<count {
      let random = CounterGenerator(seed: 5, purpose: .corruption, position: UInt64(position), site: 3)
      let id = gumbelArgmax(
        row, temperature: temperature, isExcluded: isExcluded ?? z.map { _ in false }, excluding: excluding, random)
      counts[Int(id)] += 1
    }
    return counts
  }

  /// χ² of counts against probabilities.
  private func statistic(_ counts: [Int], _ weights: [Double]) -> Double {
    let (n, total) = (Double(counts.reduce(0, +)), weights.reduce(0, +))
    return zip(counts, weights).reduce(0) { sum, pair in
      let expected = n * pair.1 / total
      return expected > 0
        ? sum + (Double(pair.0) - expected) * (Double(pair.0) - expected) / expected : sum + Double(pair.0) * 1e9
    }
  }

  /// An embedding padded beyond the tokeniser has rows that stand for no token.
  @Test func rowsWithoutATokenAreNeverDrawn() {
    let counts = draw([0, 1, -1, 9, 9, 9, 9], count: 500, isExcluded: [false, true, false])
    #expect(counts[0] > 0 && counts[2] > 0 && counts[0] + counts[2] == 500)
  }

  /// Frequencies are those of the softmax: χ² with 10 degrees of freedom; 45 has probability 2e-6.
  @Test(arguments: [0.5, 1, 3] as [Float])
  func frequencies(temperature: Float) {
    let z: [Float] = [0, 1, -1, 2, 0.5, -2, 1.5, 0.1, -0.3, 0.7, 1.1]
    let weights = z.map { exp(Double($0) / Double(temperature)) }
    #expect(statistic(draw(z, count: 20_000, temperature: temperature), weights) < 45)
  }

  /// What may not be drawn never is, and the others keep their ratios.
  @Test func exclusions() {
    let z: [Float] = [3, 1, 0, 2, 1]
    let counts = draw(z, count: 20_000, isExcluded: [true, false, false, false, false], excluding: 3)
    #expect(statistic(counts, [0, exp(1), 1, 0, exp(1)]) < 30)
  }

  /// The logarithms left out never decide: the draw is the argmax over all ids, whatever the spread of the scores.
  @Test(arguments: [0.01, 1, 30] as [Float])
  func isTheArgmax(spread: Float) {
    let v = 1001
    var numbers = SeededNumbers(7)
    let m = Matrices()
    defer { withExtendedLifetime(m) {} }
    let row = m.with(numbers.normal(v, deviation: spread), 1, v)
    for position in 0..<300 {
      let random = CounterGenerator(seed: 9, purpose: .evaluation, position: UInt64(position), site: 1)
      let sums = (0..<v).map { Double(row[$0]) / 0.7 - log(-log((Double(random.word($0)) + 0.5) / 4_294_967_296)) }
      let best = sums.indices.max { sums[$0] < sums[$1] } ?? -1
      #expect(
        Int(gumbelArgmax(row, temperature: 0.7, isExcluded: [Bool](repeating: false, count: v), random)) == best
          || abs(sums[best]) > 1e5)
    }
  }

  /// A network that has gone wrong is found elsewhere; a draw from it must not end the process.
  @Test func notANumber() {
    #expect(draw([.nan, .nan, .nan], count: 5, isExcluded: [true, false, false]) == [0, 5, 0])
    #expect(draw([.nan, 0, -.infinity], count: 50) == [0, 50, 0])
  }
}

@Suite struct SigmoidCrossEntropyTests {
  @Test func lossAndGradient() {
    let z: [Float] = [0, 1, -1, 3.5, -20, 20, 100, -100, 0.25, -0.25]
    let targets: [Float] = [1, 0, 1, 1, 0, 0, 1, 1, 0, 1]
    let offsets: [Float] = [0.5, -2, 3, 0, 1, -1, 0, 0, 4, -4]
    let weights: [Float] = [1, 0, 2, 0.5, 1, 3, 1, 1, 0.25, 1]
    for withOffsets in [false, true] {
      var (loss, gradient) = (0.0, [Double]())
      for i in z.indices {
        let x = Double(z[i]) + (withOffsets ? Double(offsets[i]) : 0)
        loss += Double(weights[i]) * (max(x, 0) + log1p(exp(-abs(x))) - Double(targets[i]) * x)
        gradient.append(0.5 * Double(weights[i]) * (1 / (1 + exp(-x)) - Double(targets[i])))
      }
      let m = Matrices()
      defer { withExtendedLifetime(m) {} }
      let row = m.with(z, z.count, 1)
      func run(gradient: Bool) -> Double {
        sigmoidCrossEntropy(
          logits: row, targets: targets, offsets: withOffsets ? offsets : [], weights: weights, scale: 0.5,
          gradient: gradient)
      }
      let plain = run(gradient: false)
      #expect(row.array == z)
      #expect(run(gradient: true) == plain)
      #expect(mismatch("loss", [plain], [loss], tolerance: 4 * Tolerance.ulp) == nil)
      #expect(mismatch("gradient", row.array, gradient, tolerance: Tolerance.float(sum: 2)) == nil)
      #expect(row[1] == 0)
    }
  }

  /// ln softmax, also where the logits are far apart.
  @Test(arguments: [1, 3, 17, 100])
  func logarithmOfSoftmax(v: Int) {
    var numbers = SeededNumbers(UInt64(v))
    let z = numbers.normal(v, deviation: 8)
    let m = Matrices()
    defer { withExtendedLifetime(m) {} }
    let row = m.with(z, 1, v)
    let total = log(z.reduce(0) { $0 + exp(Double($1)) })
    for i in 0..<v { #expect(abs(logSoftmax(row, at: Int32(i)) - (Double(z[i]) - total)) < 1e-5) }
    #expect(row.array == z)
  }
}
