import Glibc

/// Student's t distribution, as far as intervals of means need it.
enum StudentT {
  /// P(T ≤ t) with `freedom` degrees of freedom: 1 − ½ I_{ν/(ν+t²)}(ν/2, ½) for t ≥ 0.
  static func cumulative(_ t: Double, freedom: Double) -> Double {
    let tail = 0.5 * incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5)
    return t >= 0 ? 1 - tail : tail
  }

  /// The t with P(T ≤ t) = `probability`, by bisection. - Precondition: 0.5 ≤ probability < 1.
  static func quantile(_ probability: Double, freedom: Double) -> Double {
    precondition(
      probability >= 0.5 && probability < 1 && freedom > 0,
      "a quantile of \(probability) with \(freedom) degrees of freedom")
    var (low, high) = (0.0, 1.0)
    while cumulative(high, freedom: freedom) < probability, high < 1e9 { high *= 2 }
    for _ in 0..<200 {
      let middle = (low + high) / 2
      if cumulative(middle, freedom: freedom) < probability { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }

  /// The regularised incomplete beta function I_x(a, b), by Lentz's continued fraction.
  /// Reference: NIST Digital Library of Mathematical Functions, 8.17(v).
  static func incompleteBeta(_ x: Double, _ a: Double, _ b: Double) -> Double {
    if x <= 0 { return 0 }
    if x >= 1 { return 1 }
    // The fraction converges fast below the mean; above it the symmetry I_x(a, b) = 1 − I_{1−x}(b, a) helps.
    if x > (a + 1) / (a + b + 2) { return 1 - incompleteBeta(1 - x, b, a) }
    let logarithm: Double = lgamma(a + b) - lgamma(a) - lgamma(b)
    let front = exp(logarithm + a * log(x) + b * log(1 - x)) / a
    let tiny = 1e-300
    var (c, d) = (1.0, 1 / guarded(1 - (a + b) * x / (a + 1), tiny))
    var fraction = d
    for m in 1...500 {
      let k = Double(m)
      let top = a + 2 * k
      let even: Double = k * (b - k) * x / ((top - 1) * top)
      let odd: Double = -(a + k) * (a + b + k) * x / (top * (top + 1))
      for numerator in [even, odd] {
        d = 1 / guarded(1 + numerator * d, tiny)
        c = guarded(1 + numerator / c, tiny)
        fraction *= c * d
      }
      if abs(c * d - 1) < 1e-15 { break }
    }
    return front * fraction
  }

  private static func guarded(_ value: Double, _ tiny: Double) -> Double { abs(value) < tiny ? tiny : value }
}
