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
    let slice = AdamWSlice(
      parameters: p.base, firstMoment: first.base, secondMoment: second.base, count: n, decay: Float(decay))
    for step in 1...5 {
      let g = m.normal(1, n)
      var factors = AdamWFactors(
        learningRate: Float(rate), beta1: beta1, beta2: beta2, epsilon: Float(epsilon),
        correction1: Float(1 - pow(beta1, Double(step))), correction2: Float(1 - pow(beta2, Double(step))),
        gradientFactor: Float(clip))
      factors.learningRate = Float(rate)
      if exact {
        let sums = g.array.map { Int64((Double($0) * 0x1p40).rounded()) }
        sums.withUnsafeBufferPointer { buffer in
          guard let base = buffer.baseAddress else { return }
          adamWUpdate(slice, exactSum: base, inverse: 0x1p-40, factors)
        }
      } else {
        let copy = m.with(g.array, 1, n)
        adamWUpdate(slice, gradient: copy.base, factors)
      }
      for i in 0..<n {
        let gradient = clip * Double(g[i])
        reference.m[i] = beta1 * reference.m[i] + (1 - beta1) * gradient
        reference.v[i] = beta2 * reference.v[i] + (1 - beta2) * gradient * gradient
        let (mean, variance) = (
          reference.m[i] / (1 - pow(beta1, Double(step))), reference.v[i] / (1 - pow(beta2, Double(step)))
        )
        reference.p[i] += -rate * decay * reference.p[i] - rate * mean / (variance.squareRoot() + epsilon)
      }
    }
    guard n > 0 else { return }
    #expect(mismatch("p", p.array, reference.p, tolerance: 8 * Tolerance.ulp) == nil)
    #expect(mismatch("m", first.array, reference.m, tolerance: 8 * Tolerance.ulp) == nil)
    #expect(mismatch("v", second.array, reference.v, tolerance: 8 * Tolerance.ulp) == nil)
  }

  /// Twenty steps at a β near 1, and twenty thousand: torch.optim.AdamW's formula in double precision. A float β made 1
  /// - β wrong by
  /// 1.7e-4 of itself at 0.9999 and by 19 % at the largest that is allowed, and the step with it.
  @Test(arguments: [(0.9, 0.9999), (0.9999, 0.9999999), (0.9999999, 0.9999999), (0, 0)], [20, 20_000])
  func betasNearOne(betas: (first: Double, second: Double), steps: Int) {
    let (n, m) = (9, Matrices(seed: 3))
    let (p, first, second) = (m.empty(1, n), m.empty(1, n), m.empty(1, n))
    for view in [p, first, second] { view.fill(0) }
    var reference = (
      p: [Double](repeating: 0, count: n), m: [Double](repeating: 0, count: n), v: [Double](repeating: 0, count: n)
    )
    let (rate, epsilon, g) = (0x1p-10, 1e-8, m.normal(64, n))
    let slice = AdamWSlice(parameters: p.base, firstMoment: first.base, secondMoment: second.base, count: n, decay: 0)
    for step in 1...steps {
      let row = g.rows(step % 64..<step % 64 + 1)
      let (c1, c2) = (1 - pow(betas.first, Double(step)), 1 - pow(betas.second, Double(step)))
      adamWUpdate(
        slice, gradient: row.base,
        AdamWFactors(
          learningRate: Float(rate), beta1: betas.first, beta2: betas.second, epsilon: Float(epsilon),
          correction1: Float(c1),
          correction2: Float(c2), gradientFactor: 1))
      for i in 0..<n {
        let gradient = Double(row[0, i])
        reference.m[i] = betas.first * reference.m[i] + (1 - betas.first) * gradient
        reference.v[i] = betas.second * reference.v[i] + (1 - betas.second) * gradient * gradient
        reference.p[i] -= rate * (reference.m[i] / c1) / ((reference.v[i] / c2).squareRoot() + epsilon)
      }
    }
    // A float moment is rounded at every step, which 1 / (1 - β) steps add up; far below what a rounded β did.
    let tolerance = steps > 20 ? 5e-5 : 2e-6
    #expect(mismatch("v", second.array, reference.v, tolerance: tolerance) == nil)
    #expect(mismatch("m", first.array, reference.m, tolerance: tolerance) == nil)
    #expect(mismatch("p", p.array, reference.p, tolerance: tolerance) == nil)
  }

  /// Weights without a gradient fade as the rate and the decay say, however small their product beside 1.
  @Test func smallDecaysAreNotLost() {
    let (n, m) = (8, Matrices(seed: 4))
    let (p, first, second, g) = (m.empty(1, n), m.empty(1, n), m.empty(1, n), m.empty(1, n))
    p.fill(1.5)
    for view in [first, second, g] { view.fill(0) }
    let factors = AdamWFactors(
      learningRate: 1e-5, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, correction1: 1, correction2: 1, gradientFactor: 1)
    let slice = AdamWSlice(
      parameters: p.base, firstMoment: first.base, secondMoment: second.base, count: n, decay: 0.0125)
    adamWUpdate(slice, gradient: g.base, factors)
    // 1.25e-7 of 1.5 is more than half a unit of it, and 1 - 1.25e-7 is not a float.
    #expect(
      mismatch("p", p.array, [Double](repeating: 1.5 - 1.5 * 1.25e-7, count: n), tolerance: 0.5 * Tolerance.ulp) == nil)
  }
}
