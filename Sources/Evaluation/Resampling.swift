import Core

/// The interval between the 2.5 % and 97.5 % quantiles of a statistic over resamples of `count` items with replacement.
///
/// - Parameter statistic: of the chosen items, given as indices with repetition.
/// - Complexity: `resamples` statistics.
func bootstrapInterval(_ count: Int, resamples: Int = 2000, seed: UInt64, _ statistic: ([Int]) -> Double) -> (
  low: Double, high: Double
) {
  precondition(count > 0 && resamples >= 40, "\(resamples) resamples of \(count) items")
  let random = CounterGenerator(seed: seed, purpose: .evaluation, site: 0x626F_6F74)
  let values = (0..<resamples).map { resample in
    let generator = random.at(position: UInt64(resample), site: random.site)
    return statistic((0..<count).map { generator.below(count, $0) })
  }.sorted()
  let tail = resamples / 40
  return (values[tail], values[resamples - 1 - tail])
}

/// Standard error of a statistic of `count` items by leaving out one at a time; nil below three items.
/// Reference: Efron, Stein, "The jackknife estimate of variance", 1981.
func jackknifeError(_ count: Int, _ statistic: ([Int]) -> Double) -> Double? {
  guard count > 2 else { return nil }
  let values = (0..<count).map { left in statistic((0..<count).filter { $0 != left }) }
  let mean = values.reduce(0, +) / Double(count)
  return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } * Double(count - 1) / Double(count)).squareRoot()
}

/// Spearman's rank correlation; equal values share the mean of their ranks. 0 where one side has no two different
/// values.
func rankCorrelation(_ x: [Double], _ y: [Double]) -> Double {
  precondition(x.count == y.count, "\(x.count) and \(y.count) values")
  let (a, b) = (ranks(x), ranks(y))
  let middle = Double(x.count - 1) / 2
  func product(_ u: [Double], _ v: [Double]) -> Double {
    zip(u, v).reduce(0) { $0 + ($1.0 - middle) * ($1.1 - middle) }
  }
  let scale = (product(a, a) * product(b, b)).squareRoot()
  return scale > 0 ? product(a, b) / scale : 0
}

/// Ranks from 0.
private func ranks(_ values: [Double]) -> [Double] {
  values.map { value in
    let below = values.reduce(0) { $0 + ($1 < value ? 1 : 0) }
    let equal = values.reduce(0) { $0 + ($1 == value ? 1 : 0) }
    return Double(below) + Double(equal - 1) / 2
  }
}

/// Mean of values and its standard error; nil below two.
func meanAndError(_ values: [Double]) -> (mean: Double, error: Double?) {
  let n = Double(values.count)
  let mean = values.reduce(0, +) / n
  guard values.count > 1 else { return (mean, nil) }
  return (mean, (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n * (n - 1))).squareRoot())
}
