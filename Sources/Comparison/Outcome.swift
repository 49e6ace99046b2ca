import Evaluation

/// One fact that distinguishes arms: a value of a measure with a better direction, of every arm and baseline that has
/// it.
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
    /// The arm with the best mean, and every arm that is not resolved from it: indices of contestants.
    var arms: [Int]
    /// The arm with the best mean.
    var first: Int
    /// Baselines that are better than that arm, or not resolved from it.
    var baselines: [Int]
    /// Whether there are too few seeds for intervals, so that the mean alone decides and only the best of them is
    /// named.
    var isByMeanAlone: Bool
  }

  var arms: [Contestant] { contestants.filter { !$0.isBaseline } }

  /// nil where there is nothing to compare: one arm, other tokenisers, or none with all seeds.
  var lead: Lead? {
    // What has lost seeds may have lost those that went wrong.
    let complete = contestants.indices.filter {
      !contestants[$0].isBaseline && contestants[$0].values.count == seeds && contestants[$0].mean.isFinite
    }
    guard !isIncomparable, arms.count > 1,
      let best = complete.max(by: { better.isBetter(contestants[$1].mean, than: contestants[$0].mean) })
    else { return nil }
    let (first, isByMeanAlone) = (contestants[best], seeds < Interval.fewestValues)
    let members = complete.filter { index in
      let other = contestants[index]
      if index == best { return true }
      // Without intervals the means are all there is.
      if isByMeanAlone { return other.mean == first.mean }
      return verdict(zip(other.values, first.values).map { $0 - $1 }) == .notResolved
    }
    let baselines = contestants.indices.filter { index in
      let baseline = contestants[index]
      guard baseline.isBaseline else { return false }
      if isByMeanAlone { return !better.isBetter(first.mean, than: baseline.mean) }
      return verdict(first.values.map { $0 - baseline.mean }) != .better
    }
    return Lead(arms: members, first: best, baselines: baselines, isByMeanAlone: isByMeanAlone)
  }

  private func verdict(_ differences: [Double]) -> Verdict {
    PairedDifference(
      measure: measure, value: value, arm: "", reference: "", differences: differences, seeds: [], better: better
    ).verdict
  }
}

extension ComparisonResults {
  /// Facts that have a better direction, in the order of measures; a fact that another one restates is left out.
  var outcomes: [Outcome] {
    var keys: [(measure: String, value: String)] = []
    for s in summaries where s.isFact && !keys.contains(where: { $0 == (s.measure, s.value) }) {
      keys.append((s.measure, s.value))
    }
    let hasOneTokenizer = Set(plans.map(\.tokenizer)).count <= 1
    return keys.compactMap { key in
      let own = summaries.filter { $0.measure == key.measure && $0.value == key.value }
      guard let first = own.first else { return nil }
      let arms = own.map {
        Outcome.Contestant(
          name: $0.arm, isBaseline: false, mean: $0.mean, interval: $0.interval, seeds: $0.seeds, values: $0.values)
      }
      let held = baselines.filter { $0.measure == key.measure && $0.value == key.value }.map {
        Outcome.Contestant(name: $0.name, isBaseline: true, mean: $0.number, interval: nil, seeds: [], values: [])
      }
      return Outcome(
        measure: key.measure, value: key.value, unit: first.unit, better: first.better, contestants: arms + held,
        seeds: seeds.count,
        isIncomparable: !hasOneTokenizer && first.isPerToken)
    }
  }
}
