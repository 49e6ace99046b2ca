import Measures

/// One fact by which arms are told apart: a value of a measure with a better direction, of every arm and baseline that has it.
struct Outcome {
  struct Contestant: Equatable {
    var name: String
    var isBaseline: Bool
    var mean: Double
    var interval: Interval?
    var seeds: [Int]
    var values: [Double]
  }

  let measure: String
  let value: String
  let unit: String
  let better: MeasuredValue.Better
  /// Arms in the comparison's order, then baselines.
  let contestants: [Contestant]
  /// How many seeds each arm should have.
  let seeds: Int
  /// Whether some arms differ in their tokeniser and the value is one per token, so that it compares nothing.
  let isIncomparable: Bool

  var title: String { ValueNames.full(measure, value) }

  /// Which contestants lead.
  struct Lead: Equatable {
    /// The best mean, and every contestant that is not resolved from it: indices of contestants.
    var members: [Int]
    /// The best mean.
    var first: Int
    /// Whether there are too few seeds for intervals, so that the mean alone decides and only the best of them is named.
    var isByMeanAlone: Bool
    /// Whether everyone else has been told apart from the leader.
    var isResolved: Bool
  }

  /// nil where there is nothing to compare: one contestant, other tokenisers, or none with all seeds.
  var lead: Lead? {
    // What has lost seeds may have lost those that went wrong.
    let complete = contestants.indices.filter { (contestants[$0].isBaseline || contestants[$0].values.count == seeds) && contestants[$0].mean.isFinite }
    guard !isIncomparable, contestants.count > 1, complete.contains(where: { !contestants[$0].isBaseline }),
      let best = complete.max(by: { better.isBetter(contestants[$1].mean, than: contestants[$0].mean) })
    else { return nil }
    let (first, isByMeanAlone) = (contestants[best], seeds < Interval.fewestValues)
    let members = complete.filter { index in
      let other = contestants[index]
      if index == best { return true }
      // Two numbers without seeds, or means without intervals, are told apart by their value.
      if isByMeanAlone || other.isBaseline && first.isBaseline { return other.mean == first.mean }
      return PairedDifference(
        measure: measure, value: value, arm: other.name, reference: first.name, differences: Self.differences(other, first), seeds: [],
        better: better
      ).verdict == .notResolved
    }
    return Lead(members: members, first: best, isByMeanAlone: isByMeanAlone, isResolved: !isByMeanAlone && members.count == 1)
  }

  private static func differences(_ a: Contestant, _ b: Contestant) -> [Double] {
    if a.isBaseline { return b.values.map { a.mean - $0 } }
    if b.isBaseline { return a.values.map { $0 - b.mean } }
    return zip(a.values, b.values).map { $0 - $1 }
  }
}

extension ComparisonResults {
  /// Facts that have a better direction, in the order of measures; a fact that another one restates is left out.
  var outcomes: [Outcome] {
    var keys: [(measure: String, value: String)] = []
    for s in summaries where s.isFact && !keys.contains(where: { $0 == (s.measure, s.value) }) { keys.append((s.measure, s.value)) }
    let hasOneTokenizer = Set(plans.map(\.tokenizer)).count <= 1
    return keys.compactMap { key in
      let own = summaries.filter { $0.measure == key.measure && $0.value == key.value }
      guard let first = own.first else { return nil }
      let arms = own.map {
        Outcome.Contestant(name: $0.arm, isBaseline: false, mean: $0.mean, interval: $0.interval, seeds: $0.seeds, values: $0.values)
      }
      let held = baselines.filter { $0.measure == key.measure && $0.value == key.value }.map {
        Outcome.Contestant(name: $0.name, isBaseline: true, mean: $0.number, interval: nil, seeds: [], values: [])
      }
      return Outcome(
        measure: key.measure, value: key.value, unit: first.unit, better: first.better, contestants: arms + held, seeds: seeds.count,
        isIncomparable: !hasOneTokenizer && first.isPerToken)
    }
  }
}
