import Core
import Foundation

extension ReportText {
  /// The report for a terminal, a repository or a paper's draft.
  var markdown: String {
    var lines = ["# \(Self.plain(results.name))", "", subtitle] + (seedWarning.map { ["", $0] } ?? []) + [""]
    lines += Self.lines(outcomeTable) + [tableKey, ""]
    lines += ["## Verdicts", ""] + verdicts.map { "- **\(Self.plain($0.title))**: \(Self.plain($0.sentence))" } + [""]
    if !results.gaps.isEmpty { lines += ["## Not measured", ""] + Self.lines(gaps) }
    lines += ["## How it was made", ""] + box.map { "- \($0.name): \(Self.plain($0.text))" } + [""]
    lines += ["## \(plans.title)", ""] + Self.lines(plans)
    for outcome in outcomes {
      lines += ["## \(Self.plain(outcome.title))", ""] + Self.lines(seeds(outcome)) + Self.lines(pairs(outcome))
    }
    for table in descriptions { lines += ["## \(Self.plain(table.title))", ""] + Self.lines(table) }
    if !results.notes.isEmpty { lines += ["## Notes", ""] + notes.map { "- \(Self.plain($0))" } + [""] }
    lines += ["## How to read this", "", Self.explanation, ""]
    let fence = Self.fence(results.file)
    let file = Self.withoutControls(results.file.trimmingCharacters(in: .newlines))
    lines += ["## The comparison's file", "", fence + "toml", file, fence, "", "Lockstep \(results.version)."]
    return lines.joined(separator: "\n") + "\n"
  }

  private static func lines(_ table: Table) -> [String] {
    guard !table.rows.isEmpty, table.columns.count > 1 else { return [] }
    func text(_ cell: Cell) -> String {
      let main = plain(cell.text)
      return (cell.isBest ? "**\(main)**" : main) + (cell.note.isEmpty ? "" : " \(plain(cell.note))")
    }
    func row(_ cells: [Cell]) -> String { "| " + cells.map(text).joined(separator: " | ") + " |" }
    return [row(table.columns), "|" + table.columns.map { _ in "---|" }.joined()] + table.rows.map(row) + [""]
  }

  /// Text that Markdown shows as it is: no table, emphasis, link, code or HTML begins in it.
  static func plain(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "|", "*", "`", "\\", "_": result += "\\\(scalar)"
      case "<": result += "&lt;"
      case "&": result += "&amp;"
      case "\n", "\r": result += " "
      case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value): result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result.replacing("](", with: "]\\(")
  }

  /// A terminal would obey control characters; line ends and tabs are none of these.
  private static func withoutControls(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      let isControl = scalar.value < 0x20 && scalar != "\n" && scalar != "\t" || (0x7F...0x9F).contains(scalar.value)
      result.append(isControl ? "\u{FFFD}" : scalar)
    }
    return String(result)
  }

  /// Longer than any run of backticks in the text.
  private static func fence(_ text: String) -> String {
    var (longest, run) = (0, 0)
    for character in text {
      run = character == "`" ? run + 1 : 0
      longest = max(longest, run)
    }
    return String(repeating: "`", count: max(3, longest + 1))
  }
}

extension ComparisonResults {
  /// The paired differences as lines for a terminal.
  public var verdictLines: [String] {
    let rows = differences.map { d in
      let few = d.differences.count == 1 ? "(one seed)" : "(\(d.differences.count) seeds)"
      return [
        "\(d.arm) - \(d.reference)", ValueNames.full(d.measure, d.value), signed(d.mean), d.interval.map(range) ?? few,
        "\(d.sameSign)/\(d.differences.count)", d.verdict.rawValue,
      ]
    }
    let widths = (0..<6).map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(row, widths).map { $0.padding(toLength: max($1, 1), withPad: " ", startingAt: 0) }
      return cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces)
    }
  }

  /// Why there are no verdicts; nil where there are enough seeds.
  public var seedWarning: String? { ReportText(self, starts: []).seedWarning }
}
