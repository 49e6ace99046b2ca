import Foundation
import Measures
import Storage

/// The report as one HTML file that needs nothing else: tables, figures, the file that made it.
struct ReportHTML {
  let text: ReportText
  private var results: ComparisonResults { text.results }
  private var armNames: [String] { results.plans.map(\.arm) }

  init(_ results: ComparisonResults) { text = ReportText(results: results) }

  private func color(_ arm: String) -> Int { armNames.firstIndex(of: arm) ?? 0 }

  var document: String {
    var body = ["<h1>\(escaped(results.name))</h1>", "<p class=\"lead\">\(escaped(text.subtitle))</p>"]
    body += verdicts
    body += [table(text.plans, class: "numbers")]
    body += figures
    for section in text.sections {
      body.append("<h2>\(escaped(section.title))</h2>")
      body.append(table(section.arms, class: "numbers"))
      body.append(table(section.pairs, class: "numbers"))
    }
    for described in text.descriptions { body += ["<h2>\(escaped(described.title))</h2>", table(described, class: "numbers")] }
    if !results.gaps.isEmpty { body += ["<h2>Not measured</h2>", table(text.gaps, class: "")] }
    if !results.notes.isEmpty { body += ["<h2>Notes</h2><ul>"] + results.notes.map { "<li>\(escaped($0))</li>" } + ["</ul>"] }
    body += ["<h2>How to read this</h2>", "<p>\(escaped(ReportText.explanation))</p>"]
    body += ["<h2>The comparison's file</h2>", "<pre>\(escaped(results.file))</pre>", "<p>Lockstep \(escaped(results.version))</p>"]
    return """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(results.name))</title>
      <style>\(Self.style)</style></head><body><main>
      \(body.joined(separator: "\n"))
      </main></body></html>

      """
  }

  private static let style = """
    body{font:15px/1.5 Helvetica,Arial,sans-serif;color:#222;background:#fff;margin:0}main{max-width:1280px;margin:0 auto;padding:24px}
    h1{font-size:26px;margin:0 0 4px}h2{font-size:18px;margin:32px 0 8px}.lead{color:#555;margin:0 0 16px}
    table{border-collapse:collapse;margin:8px 0 16px;font-size:13px}th,td{padding:4px 10px;border-bottom:1px solid #e2e2e2;text-align:left}
    th{border-bottom:2px solid #888}table.numbers td:not(:first-child){font-variant-numeric:tabular-nums}
    .figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:16px}.figures figure{margin:0;border:1px solid #e2e2e2}
    .better{color:#00644a;font-weight:bold}.worse{color:#a33c00;font-weight:bold}.unresolved{color:#666}
    pre{background:#f6f6f6;padding:12px;overflow:auto;font-size:12px}svg{display:block;width:100%;height:auto}
    """

  // MARK: - Tables

  private func table(_ table: ReportText.Table, class name: String) -> String {
    guard !table.rows.isEmpty else { return "" }
    let head = table.columns.map { "<th>\(escaped($0))</th>" }.joined()
    let rows = table.rows.map { row in "<tr>" + row.map { "<td\(mark($0))>\(escaped($0))</td>" }.joined() + "</tr>" }
    return "<table class=\"\(name)\"><thead><tr>\(head)</tr></thead><tbody>\n\(rows.joined(separator: "\n"))\n</tbody></table>"
  }

  private func mark(_ cell: String) -> String {
    switch Verdict(rawValue: cell) {
    case .better?: " class=\"better\""
    case .worse?: " class=\"worse\""
    case .notResolved?: " class=\"unresolved\""
    default: ""
    }
  }

  /// What was found, before any table.
  private var verdicts: [String] {
    let found = results.differences.filter { $0.verdict == .better || $0.verdict == .worse }
    let open = results.differences.count - found.count
    guard !results.differences.isEmpty else { return [] }
    let items = found.map { d in
      let mean = d.differences.reduce(0, +) / Double(max(d.differences.count, 1))
      return "<li><b>\(escaped(d.arm))</b> is <span class=\"\(d.verdict.rawValue)\">\(d.verdict.rawValue)</span> than <b>\(escaped(d.reference))</b> in \(escaped(d.measure)), \(escaped(d.value)): \(number(mean)) \(d.interval.map { "[\(number($0.low)), \(number($0.high))]" } ?? ""), \(d.sameSign) of \(d.differences.count) seeds</li>"
    }
    return ["<h2>Verdicts</h2><ul>"] + items + ["<li class=\"unresolved\">\(open) of \(results.differences.count) differences are not resolved at this size</li></ul>"]
  }

  // MARK: - Figures

  private var figures: [String] {
    let charts = [scatter].compactMap { $0 } + curves + results.overlays.flatMap(overlay)
    let drawn = charts.compactMap(\.svg).map { "<figure>\($0)</figure>" }
    return drawn.isEmpty ? [] : ["<h2>Figures</h2>", "<div class=\"figures\">"] + drawn + ["</div>"]
  }

  /// Classification against generation: how the arms trade one for the other.
  private var scatter: Chart? {
    let labelled = ["probe", "finetune", "knn"].compactMap { name in results.summaries.first { $0.measure == name && $0.better == .higher } }
    guard let across = labelled.first else { return nil }
    let upwards = results.summaries.filter { $0.measure == "left-to-right" }
    guard let up = upwards.first(where: { $0.value.hasSuffix("bitsPerByte") }) ?? upwards.first else { return nil }
    func of(_ arm: String, _ like: ComparisonResults.Summary) -> ComparisonResults.Summary? {
      results.summaries.first { $0.arm == arm && $0.measure == like.measure && $0.value == like.value }
    }
    func half(_ s: ComparisonResults.Summary) -> Double { s.interval.map { $0.high - $0.mean } ?? 0 }
    let series = armNames.compactMap { arm in
      of(arm, across).flatMap { x in
        of(arm, up).map { y in
          Chart.Series(name: arm, points: [(x.mean, y.mean)], bars: [(half(x), half(y))], color: color(arm), isLine: false)
        }
      }
    }
    guard series.count >= 2 else { return nil }
    return Chart(
      title: "Classification against generation", xLabel: "\(across.measure): \(across.value) (higher is better)",
      yLabel: "\(up.value) (lower is better)", series: series)
  }

  /// Validation losses of each arm: its own objective, so one figure an arm.
  private var curves: [Chart] {
    armNames.map { arm in
      let own = results.curves.filter { $0.arm == arm && !$0.points.isEmpty }
      return Chart(
        title: "\(arm): validation loss of its own objective", xLabel: "step", yLabel: "nats a target",
        series: own.map { curve in
          Chart.Series(name: arm, points: curve.points.map { ($0[0], $0[1]) }, color: color(arm))
        })
    }
  }

  /// The second column over the first.
  private func overlay(_ overlay: ComparisonResults.Overlay) -> [Chart] {
    [1].map { column in
      Chart(
        title: "\(overlay.measure): \(overlay.table)", xLabel: overlay.columns[0], yLabel: overlay.columns[column],
        series: armNames.compactMap { arm in
          overlay.arms[arm].map { rows in Chart.Series(name: arm, points: rows.map { ($0[0], $0[column]) }, color: color(arm)) }
        })
    }
  }
}

extension ComparisonResults {
  /// report.html, report.md and report.json in `folder`. - Throws: `FileError`.
  public func write(to folder: String) throws {
    try makeFolders(folder)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    try AtomicFile.write(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: folder + "/report.json")
    try AtomicFile.write(ReportText(results: self).markdown, to: folder + "/report.md")
    try AtomicFile.write(ReportHTML(self).document, to: folder + "/report.html")
  }
}
