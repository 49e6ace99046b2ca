import Foundation
import Measures

/// A number for a person: four significant digits, whole numbers as such, large ones with k, M, G.
func number(_ value: Double) -> String {
  guard value.isFinite else { return "–" }
  let size = abs(value)
  if size >= 9995 {
    for (scale, unit) in [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] where size >= 0.9995 * scale {
      return String(format: "%.3g %@", value / scale, unit)
    }
  }
  if value == value.rounded() { return String(Int(value)) }
  return String(format: "%.4g", value)
}

func number(_ interval: Interval) -> String { "\(number(interval.mean)) [\(number(interval.low)), \(number(interval.high))]" }

/// The sentences and tables that all forms of the report share.
struct ReportText {
  struct Table {
    var title: String
    var columns: [String]
    var rows: [[String]]
  }

  let results: ComparisonResults

  var subtitle: String {
    let seeds = results.seeds.count == 1 ? "1 seed: no interval can be given" : "\(results.seeds.count) paired seeds"
    return "\(results.plans.count) arms, \(number(results.budgetAmount)) \(results.budgetUnit) each, \(seeds)."
  }

  static let explanation = """
    An arm's value is the mean over seeds with its 95 % interval (Student's t). A difference is arm minus reference, paired by seed: \
    equal seeds share the order of the data and the masks' random numbers. The verdict is the interval's: better or worse when it \
    excludes 0, otherwise not resolved at this size. The interval over texts is a paired bootstrap over the measured texts with the \
    seeds' mean, so it speaks of these trained models, not of new seeds. No correction is made for the number of comparisons: of twenty \
    true ties, one is expected to look resolved.
    """

  var plans: Table {
    Table(
      title: "Arms", columns: ["arm", "objective", "steps", "tokens read", "predictions", "flops", "parameters", "epochs"],
      rows: results.plans.map {
        [$0.arm, $0.objective, String($0.steps), number($0.tokens), number($0.predictions), number($0.flops), number(Double($0.parameters)), String(format: "%.2f", $0.epochs)]
      })
  }

  /// One value of a measure: the arms, and each pair of them.
  struct Section {
    var title: String
    var better: MeasuredValue.Better
    var arms: Table
    var pairs: Table
  }

  var sections: [Section] {
    var keys: [(measure: String, value: String)] = []
    for s in results.summaries where s.better != .neither && !keys.contains(where: { $0 == (s.measure, s.value) }) { keys.append((s.measure, s.value)) }
    return keys.compactMap { key in
      let arms = results.summaries.filter { $0.measure == key.measure && $0.value == key.value }
      guard let first = arms.first else { return nil }
      let pairs = results.differences.filter { $0.measure == key.measure && $0.value == key.value }
      let unit = first.unit.isEmpty ? "" : ", \(first.unit)"
      return Section(
        title: "\(key.measure): \(key.value)\(unit) (\(first.better.rawValue) is better)", better: first.better,
        arms: Table(
          title: "", columns: ["arm", "mean", "95 % interval", "seeds"],
          rows: arms.map { [$0.arm, number($0.mean), $0.interval.map { "\(number($0.low)) … \(number($0.high))" } ?? "–", $0.values.map(number).joined(separator: ", ")] }),
        pairs: Table(
          title: "", columns: ["arm", "against", "difference", "95 % interval", "same sign", "over texts", "verdict"],
          rows: pairs.map { p in
            let mean = p.differences.reduce(0, +) / Double(max(p.differences.count, 1))
            return [
              p.arm, p.reference, number(mean), p.interval.map { "\(number($0.low)) … \(number($0.high))" } ?? "–",
              "\(p.sameSign) of \(p.differences.count)", p.overItems.map { "\(number($0.low)) … \(number($0.high))" } ?? "–", p.verdict.rawValue,
            ]
          }))
    }
  }

  /// What describes without being better or worse, a table a measure: its values by arm, mean ± half the 95 % interval over seeds.
  var descriptions: [Table] {
    let known = results.summaries.filter { $0.better == .neither }
    func unique(_ names: [String]) -> [String] { names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
    return unique(known.map(\.measure)).map { measure in
      let own = known.filter { $0.measure == measure }
      let arms = unique(own.map(\.arm))
      return Table(
        title: "\(measure): what describes", columns: ["value"] + arms,
        rows: unique(own.map(\.value)).map { value in
          [value] + arms.map { arm in
            guard let s = own.first(where: { $0.arm == arm && $0.value == value }) else { return "–" }
            let half = s.interval.map { $0.high - $0.mean } ?? 0
            // Equal values leave a last digit of their mean.
            return number(s.mean) + (half > 1e-9 * abs(s.mean) ? " ± \(number(half))" : "")
          }
        })
    }
  }

  var gaps: Table { Table(title: "Not measured", columns: ["arm", "what", "why"], rows: results.gaps.map { [$0.arm, $0.measure, $0.reason] }) }

  // MARK: - Markdown

  var markdown: String {
    var lines = ["# \(results.name)", "", subtitle, "", Self.explanation, ""]
    func add(_ table: Table) {
      guard !table.rows.isEmpty else { return }
      func row(_ cells: [String]) -> String { "| " + cells.map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }.joined(separator: " | ") + " |" }
      lines += [row(table.columns), "|" + table.columns.map { _ in "---|" }.joined()] + table.rows.map(row) + [""]
    }
    lines += ["## Arms", ""]
    add(plans)
    for section in sections {
      lines += ["## \(section.title)", ""]
      add(section.arms)
      add(section.pairs)
    }
    for table in descriptions {
      lines += ["## \(table.title)", ""]
      add(table)
    }
    if !results.gaps.isEmpty {
      lines += ["## Not measured", ""]
      add(gaps)
    }
    if !results.notes.isEmpty { lines += ["## Notes", ""] + results.notes.map { "- \($0)" } + [""] }
    lines += ["## The comparison's file", "", "```toml", results.file.trimmingCharacters(in: .newlines), "```", "", "Lockstep \(results.version)."]
    return lines.joined(separator: "\n") + "\n"
  }
}

extension ComparisonResults {
  /// The paired differences as lines for a terminal.
  public var verdictLines: [String] {
    let rows = differences.map { d in
      let mean = d.differences.reduce(0, +) / Double(max(d.differences.count, 1))
      let interval = d.interval.map { "[\(number($0.low)), \(number($0.high))]" } ?? "(one seed)"
      return ["\(d.arm) - \(d.reference)", d.value, number(mean), interval, "\(d.sameSign)/\(d.differences.count)", d.verdict.rawValue]
    }
    let widths = (0..<6).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      zip(row, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ").trimmingCharacters(in: .whitespaces)
    }
  }
}
