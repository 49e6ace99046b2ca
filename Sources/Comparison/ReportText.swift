import Evaluation
import Foundation
import Metrics

/// A number for a person: four significant digits, whole numbers as such, large ones with k, M, G.
func number(_ value: Double) -> String {
  if value.isNaN { return "NaN" }
  if value.isInfinite { return value > 0 ? "∞" : "−∞" }
  let size = abs(value)
  if size >= 9995 {
    for (scale, unit) in [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")]
    where size >= 0.9995 * scale {
      return String(format: "%.3g %@", value / scale, unit)
    }
  }
  if value == value.rounded() { return String(Int(value)) }
  return String(format: "%.4g", value)
}

/// A difference with its sign.
func signed(_ value: Double) -> String { (value > 0 ? "+" : "") + number(value) }

func range(_ interval: Interval) -> String { "[\(number(interval.low)), \(number(interval.high))]" }
func number(_ interval: Interval) -> String { "\(number(interval.mean)) \(range(interval))" }

/// "a", "a and b", "a, b and c".
func list(_ names: [String]) -> String {
  guard let last = names.last, names.count > 1 else { return names.first ?? "" }
  return names.dropLast().joined(separator: ", ") + " and " + last
}

/// The sentences and tables that all forms of the report share.
struct ReportText {
  struct Cell: Equatable {
    var text: String
    /// In smaller type, such as an interval.
    var note = ""
    var isBest = false
    var verdict: Verdict?
  }

  struct Table {
    var title: String
    var columns: [Cell]
    var rows: [[Cell]]

    init(_ title: String, _ columns: [Cell], _ rows: [[Cell]]) {
      (self.title, self.columns, self.rows) = (title, columns, rows)
    }
    init(_ title: String, _ columns: [String], _ rows: [[String]]) {
      self.init(title, columns.map { Cell(text: $0) }, rows.map { $0.map { Cell(text: $0) } })
    }
  }

  let results: ComparisonResults
  let starts: [ComparisonStart]
  let outcomes: [Outcome]

  init(_ results: ComparisonResults, starts: [ComparisonStart]) {
    (self.results, self.starts, outcomes) = (results, starts, results.outcomes)
  }

  var hasIntervals: Bool { results.seeds.count >= Interval.fewestValues }

  /// "one seed", "two seeds", "5 seeds".
  private var seedCount: String {
    switch results.seeds.count {
    case 1: "one seed"
    case 2: "two seeds"
    default: "\(results.seeds.count) seeds"
    }
  }

  var subtitle: String {
    "\(results.plans.count) arms, \(number(results.budgetAmount)) \(results.budgetUnit) each, \(seedCount)"
      + (results.seeds.count > 1 ? ", the same for every arm." : ".")
  }

  /// What is wrong with too few seeds; nil where there are enough.
  var seedWarning: String? {
    hasIntervals
      ? nil
      : "\(results.seeds.count == 1 ? "One seed is" : "Two seeds are") too few for an interval: means are shown, and no verdict is given. "
        + "Three seeds or more give both."
  }

  /// How the first table marks the best.
  var tableKey: String {
    let arrows = "↑ higher is better, ↓ lower is better."
    let baselines =
      results.baselines.isEmpty ? "" : " Italic: baselines, which no training changes, in bold where no arm is better."
    guard hasIntervals else {
      return "Bold: the arm with the best mean of a column, by the mean alone. \(arrows)\(baselines)"
    }
    return
      "Bold: the arm with the best mean of a column, and every arm that is not resolved from it, so that one bold arm leads alone. "
      + "Brackets: 95 % over \(seedCount). \(arrows)\(baselines)"
  }

  static let explanation = """
    An arm's value is the mean over seeds with its 95 % interval (Student's t, from three seeds on, cut at what the value can be: an accuracy stays in \
    0 … 1). A difference is arm minus reference, paired by seed: equal seeds share the order of the data and the masks' random numbers. The verdict \
    is the interval's: better or worse when it excludes 0, otherwise not resolved at this size, which is not the same as no difference. A baseline is one \
    number for all seeds. The interval over texts is a paired bootstrap over the measured texts with the seeds' mean, so it describes these trained \
    models, not of new seeds. No correction is made for the number of comparisons: of twenty true ties, one is expected to look resolved. A fact is \
    counted once: perplexity restates bits per byte and has no verdict of its own.
    """

  // MARK: - The first table

  /// Arms and baselines in rows, facts in columns.
  var outcomeTable: Table {
    let columns = [Cell(text: "")] + outcomes.map(heading)
    let baselines = results.baselines.reduce(into: [String]()) { if !$0.contains($1.name) { $0.append($1.name) } }
    func row(_ name: String, isBaseline: Bool) -> [Cell] {
      [Cell(text: name)]
        + outcomes.map { outcome in
          guard let index = outcome.contestants.firstIndex(where: { $0.name == name && $0.isBaseline == isBaseline })
          else {
            return Cell(text: "–")
          }
          let contestant = outcome.contestants[index]
          let (own, all) = (contestant.values.count, results.seeds.count)
          let lost = isBaseline || own == all ? "" : " \(own) of \(all) seeds"
          let isBest = outcome.lead.map { $0.arms.contains(index) || $0.baselines.contains(index) } ?? false
          return Cell(
            text: number(contestant.mean), note: (contestant.interval.map(range) ?? "") + lost, isBest: isBest)
        }
    }
    return Table(
      "Results", columns,
      results.plans.map { row($0.arm, isBaseline: false) } + baselines.map { row($0, isBaseline: true) })
  }

  private func heading(_ outcome: Outcome) -> Cell {
    let unit = ValueNames.unit(outcome.unit, of: outcome.value)
    let value = ValueNames.value(outcome.value) + (unit.isEmpty ? "" : ", \(unit)")
    return Cell(text: ValueNames.measure(outcome.measure), note: "\(value) \(outcome.better.arrow)")
  }

  // MARK: - Verdicts

  /// For each fact: who leads, and how the arms stand to the baselines.
  var verdicts: [(title: String, sentence: String)] {
    outcomes.map { outcome in
      (
        "\(outcome.title) (\(outcome.better.sentence))",
        ([leadSentence(outcome)] + baselineSentences(outcome)).joined(separator: " ")
      )
    }
  }

  private func leadSentence(_ outcome: Outcome) -> String {
    if outcome.isIncomparable { return "Values per token do not compare between tokenisers." }
    guard let lead = outcome.lead else {
      guard let only = outcome.arms.first, outcome.arms.count < 2 else {
        return "No arm has all seeds, so nothing is concluded."
      }
      return "Only \(only.name) has it, so no arms are compared."
    }
    let best = outcome.contestants[lead.first]
    let others = lead.arms.filter { $0 != lead.first }.map { outcome.contestants[$0].name }
    if lead.isByMeanAlone {
      return
        "\(best.name) has the best mean, \(number(best.mean)); \(seedCount) \(results.seeds.count == 1 ? "is" : "are") too few for an interval."
    }
    let interval = best.interval.map { " " + range($0) } ?? ""
    if others.isEmpty {
      return "\(best.name) is best, \(number(best.mean))\(interval), and resolved from every other arm."
    }
    return "\(best.name) has the best mean, \(number(best.mean)), and is not resolved from \(list(others))."
  }

  /// The arms by their verdict against each baseline.
  private func baselineSentences(_ outcome: Outcome) -> [String] {
    outcome.contestants.filter(\.isBaseline).map { baseline in
      let own = results.differences.filter {
        $0.isAgainstBaseline && $0.reference == baseline.name && $0.measure == outcome.measure
          && $0.value == outcome.value
      }
      let parts = [Verdict.better, .worse, .notResolved, .tooFewSeeds].compactMap { verdict -> String? in
        let arms = own.filter { $0.verdict == verdict }.map(\.arm)
        return arms.isEmpty
          ? nil : verdict == .tooFewSeeds ? "no verdict on \(list(arms))" : "\(list(arms)) \(verdict.rawValue)"
      }
      return "Against \(baseline.name), \(number(baseline.mean)): \(parts.joined(separator: "; "))."
    }
  }

  // MARK: - Details

  var plans: Table {
    Table(
      "Arms and budget",
      [
        "arm", "objective", "steps", "\(results.plans.first?.unit ?? "tokens") read", "predictions", "flops",
        "parameters", "epochs",
      ],
      results.plans.map {
        [$0.arm, $0.objective, String($0.steps)]
          + [$0.tokens, $0.predictions, $0.flops, Double($0.parameters)].map { number($0) }
          + [String(format: "%.2f", $0.epochs)]
      })
  }

  /// Every pair of a fact.
  func pairs(_ outcome: Outcome) -> Table {
    let own = results.differences.filter { $0.measure == outcome.measure && $0.value == outcome.value }
    return Table(
      outcome.title,
      ["arm", "against", "difference", "95 % interval", "same sign", "over texts", "verdict"].map { Cell(text: $0) },
      own.map { p in
        let plain = [
          p.arm, p.reference + (p.isAgainstBaseline ? " (baseline)" : ""), signed(p.mean), p.interval.map(range) ?? "–",
          "\(p.sameSign) of \(p.differences.count)", p.overItems.map(range) ?? "–",
        ]
        return plain.map { Cell(text: $0) } + [Cell(text: p.verdict.rawValue, verdict: p.verdict)]
      })
  }

  /// Every value of an outcome, seed by seed.
  func seeds(_ outcome: Outcome) -> Table {
    Table(
      outcome.title, ["arm", "mean", "95 % interval", "seeds"],
      outcome.contestants.filter { !$0.isBaseline }.map {
        [
          $0.name, number($0.mean), $0.interval.map(range) ?? "–",
          zip($0.seeds, $0.values).map { "\($0): \(number($1))" }.joined(separator: ", "),
        ]
      })
  }

  /// What is not a fact of its own, one table per measure: its values by arm, mean ± half the 95 % interval over seeds.
  var descriptions: [Table] {
    let known = results.summaries.filter { !$0.isFact }
    func unique(_ names: [String]) -> [String] { names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
    let described = unique(known.map(\.measure)).map { measure -> Table in
      let own = known.filter { $0.measure == measure }
      let arms = unique(own.map(\.arm))
      return Table(
        ValueNames.measure(measure), [""] + arms,
        unique(own.map(\.value)).map { value in
          let unit = own.first { $0.value == value }.map { ValueNames.unit($0.unit, of: value) } ?? ""
          return [ValueNames.value(value) + (unit.isEmpty ? "" : ", \(unit)")]
            + arms.map { arm in own.first { $0.arm == arm && $0.value == value }.map(spread) ?? "–" }
        })
    }
    return described
      + results.withoutModel.map { found in
        Table(
          "\(ValueNames.measure(found.measure)): without any model, once for all arms", ["", "value"],
          found.result.values.map { [ValueNames.value($0.name), number($0.value)] })
      }
  }

  private func spread(_ s: ComparisonResults.Summary) -> String {
    let half = s.interval.map { ($0.high - $0.low) / 2 } ?? 0
    // Equal values leave a last digit of their mean.
    return number(s.mean) + (half > 1e-9 * abs(s.mean) ? " ± \(number(half))" : "")
  }

  var gaps: Table {
    Table(
      "Not measured", ["arm", "what", "why"], results.gaps.map { [$0.arm, ValueNames.measure($0.measure), $0.reason] })
  }

  var notes: [String] {
    results.notes.map { note in
      let who =
        note.arms.isEmpty
        ? "" : note.arms.count == results.plans.count && note.arms.count > 1 ? "all arms, " : list(note.arms) + ", "
      return
        "\(who)\(who.isEmpty ? ValueNames.measure(note.measure) : ValueNames.measure(note.measure).lowercased()): \(note.text)"
    }
  }
}
