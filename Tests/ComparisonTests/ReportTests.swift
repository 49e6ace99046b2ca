@testable import Comparison
@testable import Evaluation
import Foundation
import FoundationXML
import Testing

@Suite struct ReportTests {
  private func isXML(_ text: String) -> Bool { XMLParser(data: Data(text.utf8)).parse() }

  // MARK: - The first table

  @Test func theFirstTableIsArmsByFacts() {
    let table = ReportFixture().text.outcomeTable
    // Perplexity restates bits per byte, and the effective rank has no direction.
    #expect(table.columns.map(\.text) == ["", "Left to right", "Linear probe"])
    #expect(table.columns[1].note == "bits per byte ↓" && table.columns[2].note == "accuracy, mean state ↑")
    #expect(table.rows.map(\.[0].text) == ["ar", "mlm", "other", "bag of words"])
    #expect(table.rows[0][1].text == "2.01" && table.rows[0][1].note == "[1.985, 2.035]")
  }

  @Test func theBestAndWhatTiesWithItAreMarked() {
    func marks(_ fixture: ReportFixture) -> [[Bool]] {
      fixture.text.outcomeTable.rows.map { $0.dropFirst().map(\.isBest) }
    }
    // Lower bits are better: ar alone. Higher accuracy is better: ar, and mlm whose difference holds 0.
    #expect(marks(ReportFixture()) == [[true, true], [false, true], [false, false], [false, false]])
    // A baseline that no arm is better than is marked too, and the arms keep their own.
    #expect(marks(ReportFixture(wordsAccuracy: 0.95))[3] == [false, true])
    #expect(marks(ReportFixture(wordsAccuracy: 0.95))[0] == [true, true])
    // Without intervals the mean alone is marked, and said to be so.
    let two = ReportFixture(seeds: 2)
    #expect(marks(two) == [[true, false], [false, true], [false, false], [false, false]])
    #expect(two.text.tableKey.contains("by the mean alone"))
  }

  @Test func anArmThatLostSeedsDoesNotLead() {
    var results = ReportFixture().results
    for i in results.summaries.indices where results.summaries[i].arm == "ar" {
      results.summaries[i].values.removeLast()
    }
    let table = ReportText(results, starts: []).outcomeTable
    #expect(!table.rows[0][1].isBest && table.rows[2][1].isBest && table.rows[0][1].note.contains("2 of 3 seeds"))
  }

  @Test func valuesPerTokenDoNotCompareBetweenTokenizers() {
    var results = ReportFixture().results
    results.summaries = results.summaries.filter { $0.value == "left_to_right.perplexity" }
    for i in results.summaries.indices { results.summaries[i].restates = nil }
    #expect(ReportText(results, starts: []).outcomeTable.rows[0][1].isBest)
    results.plans[1].tokenizer = "another"
    let text = ReportText(results, starts: [])
    #expect(text.outcomeTable.rows.allSatisfy { !$0[1].isBest })
    #expect(text.verdicts[0].sentence == "Values per token do not compare between tokenisers.")
  }

  // MARK: - Sentences

  @Test func verdictsSayWhoLeadsAndWhereTheBaselineStands() {
    let verdicts = ReportFixture().text.verdicts
    #expect(
      verdicts.map(\.title) == [
        "Left to right: bits per byte (lower is better)", "Linear probe: accuracy, mean state (higher is better)",
      ])
    #expect(verdicts[0].sentence == "ar is best, 2.01 [1.985, 2.035], and resolved from every other arm.")
    #expect(
      verdicts[1].sentence.hasPrefix(
        "ar has the best mean, 0.91, and is not resolved from mlm. Against bag of words, 0.8:"))
  }

  @Test func twoSeedsAreTooFew() throws {
    let sentence = "Two seeds are too few for an interval: means are shown, and no verdict is given."
    let text = ReportFixture(seeds: 2).text
    #expect(text.seedWarning?.hasPrefix(sentence) == true)
    #expect(
      ReportFixture(seeds: 1).text.seedWarning?.hasPrefix("One seed is too few") == true
        && ReportFixture().text.seedWarning == nil)
    #expect(text.markdown.contains(sentence) && ReportHTML(text).document.contains(sentence))
    #expect(text.verdicts[0].sentence == "ar has the best mean, 2.005; two seeds are too few for an interval.")
    #expect(text.results.differences.allSatisfy { $0.verdict == .tooFewSeeds && $0.interval == nil })
    #expect(text.results.verdictLines.first?.contains("(2 seeds)") == true)
    #expect(text.outcomeTable.rows.allSatisfy { $0.allSatisfy { $0.note.isEmpty } })
  }

  @Test func notesSayWhichArmTheyAreAbout() {
    var results = ReportFixture().results
    results.notes += [
      .init(arms: results.plans.map(\.arm), measure: "knn", text: "x"),
      .init(arms: [], measure: "bag-of-words", text: "y"),
    ]
    #expect(
      ReportText(results, starts: []).notes == [
        "mlm, linear probe: Cut at the context.", "all arms, nearest neighbours: x", "Bag of words: y",
      ])
  }

  @Test func namesForReaders() {
    #expect(ValueNames.value("probe.cls.macro_f1") == "macro F1, state of [CLS]")
    #expect(ValueNames.full("left-to-right", "left_to_right.bits_per_byte") == "Left to right: bits per byte")
    #expect(ValueNames.value("mask_variance.passes.fresh_texts") == "passes, fresh texts")
    #expect(ValueNames.full("loss", "loss") == "Loss" && ValueNames.value("something_new") == "something new")
    #expect(ValueNames.unit("bits per byte", of: "left_to_right.bits_per_byte") == "")
  }

  // MARK: - Figures

  @Test func armsOfOneLossShareAFigure() throws {
    let figures = ReportFigures(ReportFixture().text).main
    let curves = figures.compactMap { $0 as? Chart }.filter { $0.title.hasPrefix("Validation loss") }
    #expect(curves.map { $0.series.map(\.name) } == [["ar", "mlm"], ["other"]])
    // Bands over three seeds are intervals, over two the span.
    let band = try #require(curves[0].series[0].points[0].yInterval)
    #expect(abs(band.mean - 4.81) < 1e-9 && abs((band.high - band.low) / 2 - 4.30265 * 0.01 / 3.0.squareRoot()) < 1e-6)
    let span = try #require(
      (ReportFigures(ReportFixture(seeds: 2).text).main.last as? Chart)?.series[0].points[0].yInterval)
    #expect(abs(span.high - span.low - 0.01) < 1e-9)
    let dots = figures.compactMap { $0 as? DotPlot }
    #expect(dots.count == 2 && dots[1].rows.last?.name == "bag of words" && dots[1].rows.last?.color == nil)
    #expect(dots[0].label.contains("lower is better") && curves[0].yLabel.contains("lower is better"))
  }

  @Test func picturesAreXMLAndCarryTheirNumbers() throws {
    for figure in ReportFigures(ReportFixture().text).main {
      let svg = try #require(figure.svg(.file))
      #expect(isXML(svg), "\(figure.title)")
      #expect(svg.contains("width=") && !svg.contains("var(--"))
      #expect(figure.svg(.page)?.contains("var(--ink)") == true)
      #expect(Set(figure.numbers.map(\.count)).count == 1 && figure.numbers.count > 1)
    }
    let curve = try #require(ReportFigures(ReportFixture().text).main.last)
    #expect(
      CSV.text(curve.numbers).hasPrefix("series,optimiser step,nats per target (← lower is better),low,high\nother,50,")
    )
  }

  @Test func numbersThatAreNoneAreNotDrawn() {
    let chart = Chart(
      title: "t", caption: "", xLabel: "x", yLabel: "y",
      series: [
        .init(name: "a", points: [.init(x: 1, y: .nan), .init(x: 2, y: .infinity), .init(x: 3, y: 1e300)], color: 0)
      ])
    #expect(chart.svg(.file) == nil)
    #expect(CSV.text(chart.numbers) == "series,x,y,low,high\na,1,NaN,,\na,2,Infinity,,\na,3,1e+300,,\n")
    #expect(number(.nan) == "NaN" && number(.infinity) == "∞" && number(-.infinity) == "−∞")
  }

  // MARK: - Names from elsewhere

  private static let needsEscaping = "<script>alert('x')</script>\"],|`*\u{1B}[31m\u{202E}"

  @Test func namesBreakNothing() throws {
    let text = ReportFixture(name: Self.needsEscaping, arms: [Self.needsEscaping, "=1+1", "a,\"b\"\nc"]).text
    let page = ReportHTML(text)
    #expect(
      !page.document.contains("<script") && !page.document.contains("\u{1B}") && !page.document.contains("\u{202E}"))
    for (figure, name) in page.figures {
      let svg = try #require(figure.svg(.file))
      #expect(isXML(svg))
      #expect(name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
    }
    #expect(!text.markdown.contains("\u{1B}"))
    // The file itself stands between fences longer than any in it.
    let fenced = try #require(text.markdown.range(of: "## The comparison's file"))
    #expect(!text.markdown[..<fenced.lowerBound].contains("<script"))
    // Every line of a table has as many cells as its heading.
    for row in text.markdown.split(separator: "\n") where row.hasPrefix("| ") {
      #expect(row.replacing("\\|", with: "").filter { $0 == "|" }.count >= 3)
    }
    #expect(CSV.cell("=1+1") == "'=1+1" && CSV.cell("-0.5") == "-0.5" && CSV.cell("a,\"b\"\nc") == "\"a,\"\"b\"\"\nc\"")
    #expect(
      text.results.valuesCSV.allSatisfy { $0.count == 8 } && text.results.summaryCSV.allSatisfy { $0.count == 11 })
    #expect(text.results.differencesCSV.allSatisfy { $0.count == 14 })
  }

  @Test func thePageNeedsNothingElse() {
    let page = ReportHTML(ReportFixture().text).document
    for loading in ["src=", "@import", "url(", "<link", "<script", "http://", "https://"] {
      #expect(!page.replacing("xmlns=\"http://www.w3.org/2000/svg\"", with: "").contains(loading), "\(loading)")
    }
    // The outcome stands before every fold.
    let (table, fold) = (page.range(of: "class=\"results\""), page.range(of: "<details>"))
    #expect(table != nil && fold != nil && (table?.lowerBound ?? page.endIndex) < (fold?.lowerBound ?? page.startIndex))
    #expect(page.contains("prefers-color-scheme:dark") && page.contains("@media print"))
    // Well-formed but for the names of void elements.
    let body = page.replacing("<!DOCTYPE html>", with: "").replacing("<meta charset=\"utf-8\">", with: "")
      .replacing("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">", with: "")
    #expect(isXML(body))
  }

  // MARK: - Files

  @Test func aReportLeavesItsFiles() throws {
    let folder = NSTemporaryDirectory() + "report-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let results = ReportFixture().results
    try FileManager.default.createDirectory(atPath: folder + "/figures", withIntermediateDirectories: true)
    for name in ["99-old.svg", "mine.svg"] { try Data().write(to: URL(fileURLWithPath: "\(folder)/figures/\(name)")) }
    let start = ComparisonStart(
      began: 0, seconds: 90, ranks: 2, threads: 1, hosts: 1, processors: ["A CPU"], kernel: "Haswell",
      blas: "OpenBLAS 0", version: "0")
    try results.write(to: folder, starts: [start])
    for name in ReportFiles.names where name != "starts.json" {
      #expect(FileManager.default.fileExists(atPath: folder + "/" + name), "\(name)")
    }
    let figures = try FileManager.default.contentsOfDirectory(atPath: folder + "/figures")
    #expect(
      figures.contains("01-left-to-right-bits-per-byte.svg") && figures.contains("01-left-to-right-bits-per-byte.csv"))
    // Only a figure of an earlier report is removed.
    #expect(!figures.contains("99-old.svg") && figures.contains("mine.svg"))
    let page = try String(contentsOfFile: folder + "/report.html", encoding: .utf8)
    #expect(page.contains("Haswell") && page.contains("1970-01-01 00:00 UTC") && page.contains("1 min 30 s"))
    for name in figures where name.hasPrefix("0") { #expect(page.contains("href=\"figures/\(name)\""), "\(name)") }
  }

  @Test func numbersThatAreNoneHaveAFormInJSON() throws {
    let result = MeasureResult([MeasuredValue("a", .nan), MeasuredValue("b", .infinity)])
    let path = NSTemporaryDirectory() + "result-\(UUID().uuidString)/x.json"
    try StoredResult(key: "k", unsupportedReason: nil, result: result).write(path)
    let read = try #require(try StoredResult.read(path)?.result)
    #expect(read.values[0].value.isNaN && read.values[1].value == .infinity)
    #expect(try StoredResult.read(path + ".none") == nil)
  }
}
