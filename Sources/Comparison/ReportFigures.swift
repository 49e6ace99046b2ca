import Evaluation
import Objectives

/// Which figures a report has. Those of what was found stand in the page; the others fold away.
struct ReportFigures {
  private let results: ComparisonResults
  private let outcomes: [Outcome]
  private var armNames: [String] { results.plans.map(\.arm) }

  init(_ text: ReportText) { (results, outcomes) = (text.results, text.outcomes) }

  private func color(_ arm: String) -> Int { armNames.firstIndex(of: arm) ?? 0 }
  private var seeds: Int { results.seeds.count }
  private var hasIntervals: Bool { seeds >= Interval.fewestValues }

  /// Values of all arms, what they trade for one another, and how they learned.
  var main: [any Figure] {
    outcomes.filter { !$0.isIncomparable && $0.arms.count > 1 }.map(dots) + [tradeOff].compactMap { $0 } + curves
  }

  /// Tables of measures, drawn.
  var further: [any Figure] { results.overlays.map(overlay) }

  private static func label(_ outcome: Outcome) -> String {
    let unit = ValueNames.unit(outcome.unit, of: outcome.value)
    let arrow = outcome.better == .higher ? "→" : "←"
    return "\(ValueNames.value(outcome.value))\(unit.isEmpty ? "" : ", \(unit)") (\(outcome.better.sentence) \(arrow))"
  }

  private func dots(_ outcome: Outcome) -> any Figure {
    let hasBaseline = outcome.contestants.contains(where: \.isBaseline)
    let caption =
      switch seeds {
      case 1: "One seed."
      case 2: "Dots are means, ticks below them the two seeds, which are too few for an interval."
      default: "Dots are means over \(seeds) seeds, bars 95 % intervals, ticks below them the seeds."
      }
    return DotPlot(
      title: outcome.title, caption: caption + (hasBaseline ? " Dashed: baselines." : ""),
      label: Self.label(outcome),
      rows: outcome.contestants.map {
        DotPlot.Row(
          name: $0.name, mean: $0.mean, interval: $0.interval, seeds: $0.values,
          color: $0.isBaseline ? nil : color($0.name))
      })
  }

  /// Classification against generation: how the arms trade one for the other.
  private var tradeOff: (any Figure)? {
    let labelled = ["probe", "finetune", "knn"].compactMap { name in
      outcomes.first { $0.measure == name && $0.better == .higher }
    }
    guard let across = labelled.first,
      let up = outcomes.first(where: { $0.measure == "left-to-right" && !$0.isIncomparable })
    else { return nil }
    let series = armNames.compactMap { arm -> Chart.Series? in
      func of(_ outcome: Outcome) -> Outcome.Contestant? {
        outcome.contestants.first { $0.name == arm && !$0.isBaseline }
      }
      guard let x = of(across), let y = of(up) else { return nil }
      let point = Chart.Point(x: x.mean, y: y.mean, xInterval: x.interval, yInterval: y.interval)
      return Chart.Series(name: arm, points: [point], color: color(arm), isLine: false)
    }
    guard series.count >= 2 else { return nil }
    let unit = ValueNames.unit(up.unit, of: up.value)
    return Chart(
      title: "Classification against generation",
      caption: "Best is the lower right." + (hasIntervals ? " Bars are 95 % intervals over \(seeds) seeds." : "")
        + (across.contestants.contains(where: \.isBaseline) ? " Dashed: baselines." : ""),
      xLabel: "\(across.title) (\(across.better.sentence) →)",
      yLabel: "\(up.title)\(unit.isEmpty ? "" : ", \(unit)") (← \(up.better.sentence))", series: series,
      guides: across.contestants.filter(\.isBaseline).map { Chart.Guide(name: $0.name, x: $0.mean) })
  }

  // MARK: - Learning curves

  /// One figure for all arms whose losses are of the same objective on the same text.
  private var curves: [any Figure] {
    let losses = results.plans.map(\.lossIdentity).reduce(into: [String]()) {
      if !$1.isEmpty, !$0.contains($1) { $0.append($1) }
    }
    let objectives = losses.compactMap { loss in results.plans.first { $0.lossIdentity == loss }?.objective }
    return losses.compactMap { loss -> (any Figure)? in
      let arms = results.plans.filter { $0.lossIdentity == loss }
      let series = arms.compactMap { plan in
        curve(plan.arm).map { Chart.Series(name: plan.arm, points: $0, color: color(plan.arm)) }
      }
      guard let objective = arms.first?.objective, !series.isEmpty else { return nil }
      // Several figures of one objective differ in its options.
      let whose =
        objectives.filter { $0 == objective }.count > 1 || arms.count == 1
        ? list(arms.map(\.arm)) : "objective \(objective)"
      return Chart(
        title: "Validation loss: \(shortened(whose, to: 60))",
        caption: (seeds == 1
          ? "One seed."
          : "Means over \(seeds) seeds; bands are \(hasIntervals ? "95 % intervals" : "the span of the two").")
          + (losses.count > 1 ? " Losses of other figures are of other objectives and do not compare." : ""),
        xLabel: "optimiser step", yLabel: "\(lossUnit(objective)) (← lower is better)", series: series)
    }
  }

  /// Of an objective on tokens the loss is a cross-entropy.
  private func lossUnit(_ objective: String) -> String {
    ObjectiveRegistry.entry(named: objective)?.defaultRequirements.input == .values
      ? "loss per target" : "nats per target"
  }

  /// The mean over seeds at every step that all seeds of the arm have; nil without a point.
  private func curve(_ arm: String) -> [Chart.Point]? {
    let own = results.curves.filter { $0.arm == arm && !$0.points.isEmpty }
    let bySteps = Dictionary(grouping: own.flatMap(\.points).filter { $0.count == 2 }, by: { $0[0] })
    let points = bySteps.keys.sorted().compactMap { step -> Chart.Point? in
      let values = (bySteps[step] ?? []).map { $0[1] }.filter(\.isFinite)
      guard values.count == own.count, let low = values.min(), let high = values.max() else { return nil }
      let mean = values.reduce(0, +) / Double(values.count)
      let span = values.count > 1 ? Interval(mean: mean, low: low, high: high) : nil
      return Chart.Point(x: step, y: mean, yInterval: Interval.ofMean(values, least: 0) ?? span)
    }
    return points.isEmpty ? nil : points
  }

  /// The second column of a table over its first.
  private func overlay(_ overlay: ComparisonResults.Overlay) -> any Figure {
    let table = overlay.table.split(separator: ".").map { ValueNames.column(String($0)) }.joined(separator: ", ")
    return Chart(
      title: "\(ValueNames.measure(overlay.measure)): \(table)",
      caption: seeds == 1 ? "One seed." : "Means over \(seeds) seeds.",
      xLabel: ValueNames.column(overlay.columns[0]), yLabel: ValueNames.column(overlay.columns[1]),
      series: armNames.compactMap { arm in
        overlay.arms[arm].map { rows in
          Chart.Series(name: arm, points: rows.map { Chart.Point(x: $0[0], y: $0[1]) }, color: color(arm))
        }
      })
  }
}
