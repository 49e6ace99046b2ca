import Glibc
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct AdamWUpdateTests {
  /// Five steps against the published formula in double precision, from integers and from floats, at every length.
  @Test(arguments: lengths, [true, false])
  func steps(n: Int, exact: Bool) {
    let m = Matrices(seed: UInt64(n) + 1)
    let (p, first, second) = (m.normal(1, n), m.empty(1, n), m.empty(1, n))
    first.fill(0)
    second.fill(0)
    var reference = (p: p.doubles, m: [Double](repeating: 0, count: n), v: [Double](repeating: 0, count: n))
    let (rate, beta1, beta2, epsilon, decay, clip) = (0.01, 0.9, 0.95, 1e-8, 0.1, 0.5)
    for step in 1...5 {
      let g = m.normal(1, n)
      var factors = AdamWFactors(
        learningRate: Float(rate), beta1: Float(beta1), beta2: Float(beta2), epsilon: Float(epsilon),
        correction1: Float(1 - pow(beta1, Double(step))), correction2: Float(1 - pow(beta2, Double(step))), gradientFactor: Float(clip))
      factors.learningRate = Float(rate)
      if exact {
        var sums = g.array.map { Int64((Double($0) * 0x1p40).rounded()) }
        sums.withUnsafeMutableBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          adamWUpdate(
            parameters: p.base, firstMoment: first.base, secondMoment: second.base, exactSum: base, count: n, inverse: 0x1p-40,
            decay: Float(decay), factors)
        }
        #expect(sums.allSatisfy { $0 == 0 })
      } else {
        let copy = m.with(g.array, 1, n)
        adamWUpdate(
          parameters: p.base, firstMoment: first.base, secondMoment: second.base, gradient: copy.base, count: n, decay: Float(decay), factors)
      }
      for i in 0..<n {
        let gradient = clip * Double(g[i])
        reference.m[i] = beta1 * reference.m[i] + (1 - beta1) * gradient
        reference.v[i] = beta2 * reference.v[i] + (1 - beta2) * gradient * gradient
        let (mean, variance) = (reference.m[i] / (1 - pow(beta1, Double(step))), reference.v[i] / (1 - pow(beta2, Double(step))))
        reference.p[i] += -rate * decay * reference.p[i] - rate * mean / (variance.squareRoot() + epsilon)
      }
    }
    guard n > 0 else { return }
    // beta as a float is off by half a unit, which 1 - beta magnifies tenfold or twentyfold.
    #expect(mismatch("p", p.array, reference.p, tolerance: 16 * Tolerance.ulp) == nil)
    #expect(mismatch("m", first.array, reference.m, tolerance: 32 * Tolerance.ulp) == nil)
    #expect(mismatch("v", second.array, reference.v, tolerance: 64 * Tolerance.ulp) == nil)
  }
}
