import Core
import Evaluation

/// What a comparison says of two arms: decided by an interval, never by the sign of a mean alone.
public enum Verdict: String, Codable, Sendable {
  case better
  case worse
  /// The interval holds 0.
  case notResolved = "not resolved at this size"
  /// There is no interval.
  case tooFewSeeds = "too few seeds for a verdict"
}

/// An estimate with its 95 % interval.
public struct Interval: Codable, Sendable, Equatable {
  public var mean: Double
  public var low: Double
  public var high: Double

  public init(mean: Double, low: Double, high: Double) { (self.mean, self.low, self.high) = (mean, low, high) }

  var holdsZero: Bool { low <= 0 && high >= 0 }

  /// Values that an interval takes at least. With two, Student's t is 12.7 and the interval is as wide as chance makes
  /// two numbers lie apart: it says nothing.
  public static let fewestValues = 3

  /// mean ± t · s / √n of the values, with n − 1 degrees of freedom, cut at the least and the most that a value can be,
  /// which costs no coverage; nil for fewer than three.
  public static func ofMean(_ values: [Double], least: Double? = nil, most: Double? = nil) -> Interval? {
    let n = Double(values.count)
    guard values.count >= fewestValues, values.allSatisfy(\.isFinite) else { return nil }
    let mean = values.reduce(0, +) / n
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    let half = StudentT.quantile(0.975, freedom: n - 1) * (variance / n).squareRoot()
    // A mean of equal values may be a last digit beyond what they can be.
    let low = max(mean - half, min(least ?? -.infinity, mean))
    return Interval(mean: mean, low: low, high: min(mean + half, max(most ?? .infinity, mean)))
  }
}

/// One arm against another, or against a baseline that is the same for every seed, on one value, seed by seed.
public struct PairedDifference: Codable, Sendable, Equatable {
  public var measure: String
  public var value: String
  public var arm: String
  /// The name of an arm, or of a baseline.
  public var reference: String
  public var isAgainstBaseline: Bool
  /// arm − reference of each seed that both have.
  public var differences: [Double]
  public var seeds: [Int]
  public var mean: Double { differences.reduce(0, +) / Double(max(differences.count, 1)) }
  /// Over seeds; nil for fewer than three.
  public var interval: Interval?
  /// Over texts, seeds averaged: the paired bootstrap; nil where there are no items.
  public var overItems: Interval?
  /// How many seeds lie on the side of the mean.
  public var sameSign: Int
  public var verdict: Verdict

  /// - Parameters:
  ///   - wanted: how many seeds there should be; with fewer nothing is concluded.
  ///   - span: how far apart two values can be, where there is such a limit.
  public init(
    measure: String, value: String, arm: String, reference: String, isAgainstBaseline: Bool = false,
    differences: [Double], seeds: [Int],
    overItems: Interval? = nil, better: MeasuredValue.Better, wanted: Int? = nil, span: Double? = nil
  ) {
    (self.measure, self.value, self.arm, self.reference) = (measure, value, arm, reference)
    self.isAgainstBaseline = isAgainstBaseline
    (self.differences, self.seeds, self.overItems) = (differences, seeds, overItems)
    let mean = differences.reduce(0, +) / Double(max(differences.count, 1))
    interval = Interval.ofMean(differences, least: span.map { -$0 }, most: span)
    sameSign = differences.filter { mean > 0 ? $0 > 0 : $0 < 0 }.count
    guard differences.count >= Interval.fewestValues else {
      verdict = .tooFewSeeds
      return
    }
    // Seeds that are missing may be those that went wrong, and equal differences leave an interval without width.
    guard let interval, !interval.holdsZero, interval.low < interval.high, differences.count >= wanted ?? 0 else {
      verdict = .notResolved
      return
    }
    switch better {
    case .neither: preconditionFailure("\(value) has no better direction: it is described, not compared")
    case .lower: verdict = mean < 0 ? .better : .worse
    case .higher: verdict = mean > 0 ? .better : .worse
    }
  }
}

/// The paired bootstrap over items: each seed's Σ sums / Σ counts is a mean over the same texts, so texts are drawn
/// with replacement, the same ones for both arms and all seeds.
///
/// - Parameters:
///   - pairs: for each seed the items of the arm and of the reference, on the same texts.
/// - Returns: nil when the texts are not the same everywhere.
public func bootstrapOverItems(
  _ pairs: [(arm: MeasuredValue.Items, reference: MeasuredValue.Items)], draws: Int = 2000, seed: UInt64 = 1
) -> Interval? {
  guard let first = pairs.first, first.arm.counts.count >= 2 else { return nil }
  let counts = first.arm.counts
  guard pairs.allSatisfy({ $0.arm.counts == counts && $0.reference.counts == counts }), counts.reduce(0, +) > 0 else {
    return nil
  }
  let n = counts.count
  let differences = (0..<n).map { i in
    pairs.reduce(0) { $0 + $1.arm.sums[i] - $1.reference.sums[i] } / Double(pairs.count)
  }
  let generator = CounterGenerator(seed: seed, purpose: .evaluation, site: 0x424F_4F54)
  let means = (0..<draws).map { draw -> Double in
    let random = generator.at(position: UInt64(draw), site: 0x424F_4F54)
    var (sum, count) = (0.0, 0.0)
    for k in 0..<n {
      let i = random.below(n, k)
      sum += differences[i]
      count += counts[i]
    }
    return count > 0 ? sum / count : 0
  }.sorted()
  return Interval(
    mean: differences.reduce(0, +) / counts.reduce(0, +), low: quantile(means, 0.025), high: quantile(means, 0.975))
}

/// Linear interpolation between order statistics. - Precondition: sorted, not empty.
func quantile(_ sorted: [Double], _ share: Double) -> Double {
  let place = share * Double(sorted.count - 1)
  let low = Int(place)
  let high = min(low + 1, sorted.count - 1)
  return sorted[low] + (place - Double(low)) * (sorted[high] - sorted[low])
}
