import Core
@testable import Evaluation
import Glibc
import Kernels
import Testing

@Suite struct FeatureSpectrumTests {
  // LAPACK's bits depend on the number of threads.
  init() { BLAS.useOneThread() }

  /// Standard deviations 3, 4 and 0 along the axes, and a shift that must not count.
  private let axes: [Float] = [3, 0, 7, -3, 0, 7, 0, 4, 7, 0, -4, 7].map { $0 + 100 }

  @Test func byHand() {
    let spectrum = FeatureSpectrum(axes, rows: 4, columns: 3)
    for (value, expected) in zip(spectrum.singularValues, [sqrt(8), sqrt(4.5), 0]) {
      #expect(abs(value - expected) < 1e-6)
    }
    let p = [4.0 / 7, 3.0 / 7]
    #expect(abs(spectrum.effectiveRank - exp(-p[0] * log(p[0]) - p[1] * log(p[1]))) < 1e-6)
  }

  @Test func degenerateCases() {
    #expect(FeatureSpectrum([1, 2, 1, 2, 1, 2], rows: 3, columns: 2).effectiveRank == 0)
    #expect(abs(FeatureSpectrum([1, 2, 2, 4, 5, 10], rows: 3, columns: 2).effectiveRank - 1) < 1e-6)
    #expect(FeatureSpectrum([1, 2, 3], rows: 1, columns: 3).singularValues == [0])
  }

  private func features(_ rows: Int, _ columns: Int, scale: Float = 1) -> [Float] {
    let r = CounterGenerator(seed: 2, purpose: .evaluation)
    return (0..<rows * columns).map { scale * (r.uniform($0) - 0.5) * Float(1 + $0 % columns) }
  }

  /// Fewer rows than columns go by the other Gram matrix; σ² add up to the variance either way.
  @Test(arguments: [(50, 8), (8, 50), (20, 20)]) func variances(rows: Int, columns: Int) {
    let x = features(rows, columns)
    let spectrum = FeatureSpectrum(x, rows: rows, columns: columns)
    #expect(
      spectrum.singularValues.count == min(rows, columns)
        && spectrum.singularValues == spectrum.singularValues.sorted(by: >))
    let variance = (0..<columns).reduce(0.0) { sum, k in
      let column = (0..<rows).map { Double(x[$0 * columns + k]) }
      let mean = column.reduce(0, +) / Double(rows)
      return sum + column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rows)
    }
    #expect(abs(spectrum.singularValues.reduce(0) { $0 + $1 * $1 } - variance) < 1e-12 * variance)
    // Rows twice as often change nothing, and a scale nothing but the values.
    let twice = FeatureSpectrum(x + x, rows: 2 * rows, columns: columns)
    #expect(abs(twice.effectiveRank - spectrum.effectiveRank) < 1e-5)
    let scaled = FeatureSpectrum(features(rows, columns, scale: 8), rows: rows, columns: columns)
    #expect(abs(scaled.effectiveRank - spectrum.effectiveRank) < 1e-9)
    #expect(abs(scaled.singularValues[0] - 8 * spectrum.singularValues[0]) < 1e-12 * scaled.singularValues[0])
  }
}
