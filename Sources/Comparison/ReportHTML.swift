import Foundation

/// The report as one HTML file that needs nothing else: the outcome, figures, how it was made, and behind these every
/// detail.
struct ReportHTML {
  let text: ReportText
  /// With the name of each one's files.
  let figures: [(figure: any Figure, name: String)]
  private var results: ComparisonResults { text.results }
  /// How many of the figures stand in the page.
  private let mainFigures: Int

  init(_ text: ReportText) {
    self.text = text
    let all = ReportFigures(text)
    (figures, mainFigures) = (ReportFiles.named(all.main + all.further), all.main.count)
  }

  var document: String {
    var body = ["<h1>\(escaped(results.name))</h1>", "<p class=\"lead\">\(escaped(text.subtitle))</p>"]
    if let warning = text.seedWarning { body.append("<p class=\"warning\">\(escaped(warning))</p>") }
    body += outcome + verdicts + notMeasured
    body += section("Figures", grid(figures.prefix(mainFigures), from: 1)) + pictures + box + details
    return """
      <!DOCTYPE html>
      <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(results.name))</title>
      <style>\(ReportStyle.css)</style></head><body><main>
      \(body.joined(separator: "\n"))
      </main></body></html>

      """
  }

  private func section(_ title: String, _ body: [String]) -> [String] {
    body.isEmpty ? [] : ["<section>", "<h2>\(escaped(title))</h2>"] + body + ["</section>"]
  }

  // MARK: - What was found

  private var outcome: [String] {
    let whole = text.outcomeTable
    guard whole.columns.count > 1 else { return [] }
    let arms = results.plans.count
    let rows = whole.rows.enumerated().map { index, cells in
      let kind = index < arms ? "" : " class=\"baseline\(index == arms ? " first-baseline" : "")\""
      return "<tr\(kind)>" + cells.map { "<td>\(html($0))</td>" }.joined() + "</tr>"
    }
    return [
      "<div class=\"scroll\"><table class=\"results\"><thead><tr>\(head(whole))</tr></thead><tbody>",
      rows.joined(separator: "\n"),
      "</tbody></table></div>",
      "<p class=\"key\">\(escaped(text.tableKey))</p>",
    ]
  }

  private var verdicts: [String] {
    let items = text.verdicts.map { "<li><b>\(escaped($0.title))</b>: \(escaped($0.sentence))</li>" }
    return section("Verdicts", items.isEmpty ? [] : ["<ul>"] + items + ["</ul>"])
  }

  private var notMeasured: [String] { section("Not measured", results.gaps.isEmpty ? [] : [table(text.gaps)]) }

  private func grid(_ shown: ArraySlice<(figure: any Figure, name: String)>, from first: Int) -> [String] {
    let drawn = shown.enumerated().compactMap { index, entry -> String? in
      guard let svg = entry.figure.svg(.page) else { return nil }
      let path = "\(ReportFiles.figures)/\(entry.name)"
      let links = "<a href=\"\(path).svg\">SVG</a>, <a href=\"\(path).csv\">CSV</a>"
      return
        "<figure>\(svg)<figcaption>Figure \(first + index). \(escaped(entry.figure.caption)) \(links)</figcaption></figure>"
    }
    return drawn.isEmpty ? [] : ["<div class=\"figures\">"] + drawn + ["</div>"]
  }

  /// What measures drew of each arm, its first seed.
  private var pictures: [String] {
    let drawn = results.pictures.enumerated().flatMap { place, own in
      own.files(place).map { file, caption in
        let title = "\(own.arm), seed \(own.seed), \(ValueNames.measure(own.measure)): "
        let link = "<a href=\"\(ReportFiles.figures)/\(file.name)\">file</a>"
        return "<figure>\(file.element)<figcaption>\(escaped(title + caption)) \(link)</figcaption></figure>"
      }
    }
    return section("Pictures", drawn.isEmpty ? [] : ["<div class=\"figures\">"] + drawn + ["</div>"])
  }

  /// One row per line, so that what differs between two starts can be left out of a comparison of two reports.
  private var box: [String] {
    let rows = text.box.map { "<tr><th>\(escaped($0.name))</th><td>\(escaped($0.text))</td></tr>" }
    return section("How it was made", ["<div class=\"box\"><table><tbody>"] + rows + ["</tbody></table></div>"])
  }

  // MARK: - Details

  private var details: [String] {
    var parts = [fold(text.plans.title, [table(text.plans)])]
    parts += text.outcomes.map {
      fold("\($0.title): every seed and pair", [table(text.seeds($0)), table(text.pairs($0))])
    }
    let described = text.descriptions.flatMap { ["<h3>\(escaped($0.title))</h3>", table($0)] }
    if !described.isEmpty { parts.append(fold("What describes without being better or worse", described)) }
    let further = grid(figures[mainFigures...], from: mainFigures + 1)
    if !further.isEmpty { parts.append(fold("Further figures", further)) }
    if !results.notes.isEmpty {
      parts.append(fold("Notes", ["<ul>"] + text.notes.map { "<li>\(escaped($0))</li>" } + ["</ul>"]))
    }
    parts.append(fold("How to read this", ["<p>\(escaped(ReportText.explanation))</p>"]))
    parts.append(fold("The comparison's file", ["<pre>\(escaped(results.file))</pre>"]))
    let links = ReportFiles.tables.map { "<a href=\"\($0)\">\($0)</a>" } + ["<a href=\"report.json\">report.json</a>"]
    return section("Details", ["<p class=\"key\">All numbers: \(links.joined(separator: ", ")).</p>"] + parts)
  }

  private func fold(_ title: String, _ body: [String]) -> String {
    "<details><summary>\(escaped(title))</summary>\n\(body.joined(separator: "\n"))\n</details>"
  }

  private func head(_ table: ReportText.Table) -> String { table.columns.map { "<th>\(html($0))</th>" }.joined() }

  private func table(_ table: ReportText.Table) -> String {
    guard !table.rows.isEmpty else { return "" }
    let rows = table.rows.map { row in "<tr>" + row.map { "<td\(mark($0.verdict))>\(html($0))</td>" }.joined() + "</tr>"
    }
    return
      "<div class=\"scroll\"><table><thead><tr>\(head(table))</tr></thead><tbody>\n\(rows.joined(separator: "\n"))\n</tbody></table></div>"
  }

  private func html(_ cell: ReportText.Cell) -> String {
    let main = cell.isBest ? "<b>\(escaped(cell.text))</b>" : escaped(cell.text)
    return main + (cell.note.isEmpty ? "" : "<small>\(escaped(cell.note))</small>")
  }

  private func mark(_ verdict: Verdict?) -> String {
    switch verdict {
    case .better?: " class=\"better\""
    case .worse?: " class=\"worse\""
    case .notResolved?, .tooFewSeeds?: " class=\"unresolved\""
    case nil: ""
    }
  }
}
