import Core
import Evaluation
import Foundation
import Storage

/// The files of a report, and how they are written.
enum ReportFiles {
  static let figures = "figures"
  /// What names of measures' pictures begin with.
  static let picture = "picture"
  static let tables = ["values.csv", "summary.csv", "differences.csv"]
  static let names = ["report.html", "report.md", "report.json", "starts.json"] + tables

  /// A name for the files of each figure: its number, and its title in letters that need no quoting anywhere.
  static func named(_ figures: [any Figure]) -> [(figure: any Figure, name: String)] {
    figures.enumerated().map { index, figure in
      let plain = figure.title.lowercased().unicodeScalars.map {
        ("a"..."z").contains($0) || ("0"..."9").contains($0) ? Character($0) : "-"
      }
      let words = String(plain).split(separator: "-").joined(separator: "-").prefix(60)
      return (figure, (index < 9 ? "0" : "") + "\(index + 1)-\(words)")
    }
  }

  /// Whether a name is one that `named` or `ArmPictures` gives.
  static func isFigure(_ name: String) -> Bool {
    if name.hasPrefix(picture) {
      let number = name.dropFirst(picture.count).prefix(while: { $0 != "-" })
      return !number.isEmpty && number.allSatisfy(\.isWholeNumber) && (name.hasSuffix(".png") || name.hasSuffix(".svg"))
    }
    guard name.hasSuffix(".svg") || name.hasSuffix(".csv"), let dash = name.firstIndex(of: "-") else { return false }
    return name[..<dash].count >= 2 && name[..<dash].allSatisfy(\.isWholeNumber)
  }
}

extension ComparisonResults {
  /// Every number of every seed.
  var valuesCSV: [[String]] {
    [["measure", "value", "name", "unit", "better", "arm", "seed", "number"]]
      + summaries.flatMap { s in
        let name = ValueNames.full(s.measure, s.value)
        return zip(s.seeds, s.values).map {
          [s.measure, s.value, name, s.unit, s.better.rawValue, s.arm, String($0), CSV.number($1)]
        }
      }
  }

  /// Means with their intervals, and baselines.
  var summaryCSV: [[String]] {
    [["measure", "value", "name", "unit", "better", "kind", "arm", "seeds", "mean", "low", "high"]]
      + summaries.map { s in
        [
          s.measure, s.value, ValueNames.full(s.measure, s.value), s.unit, s.better.rawValue, "arm", s.arm,
          String(s.values.count),
        ]
          + [CSV.number(s.mean)] + CSV.ends(s.interval)
      }
      + baselines.map { b in
        let like = summaries.first { $0.measure == b.measure && $0.value == b.value }
        return [
          b.measure, b.value, ValueNames.full(b.measure, b.value), like?.unit ?? "", like?.better.rawValue ?? "",
          "baseline", b.name, "",
        ]
          + [CSV.number(b.number)] + CSV.ends(nil)
      }
  }

  var differencesCSV: [[String]] {
    let heading = [
      "measure", "value", "name", "arm", "against", "kind", "difference", "low", "high", "low over texts",
      "high over texts", "same sign", "seeds",
      "verdict",
    ]
    return [heading]
      + differences.map { d in
        let kind = d.isAgainstBaseline ? "baseline" : "arm"
        return [d.measure, d.value, ValueNames.full(d.measure, d.value), d.arm, d.reference, kind, CSV.number(d.mean)]
          + CSV.ends(d.interval) + CSV.ends(d.overItems) + [
            String(d.sameSign), String(d.differences.count), d.verdict.rawValue,
          ]
      }
  }

  /// The report in `folder`: report.html, report.md, report.json, tables as CSV, each figure as SVG and CSV, and
  /// pictures of measures.
  /// - Throws: `FileError`.
  public func write(to folder: String, starts: [ComparisonStart]) throws {
    try makeFolders(folder + "/" + ReportFiles.figures)
    let text = ReportText(self, starts: starts)
    let page = ReportHTML(text)
    var written: Set<String> = []
    for (figure, name) in page.figures {
      guard let svg = figure.svg(.file) else { continue }
      for (ending, content) in [("svg", svg + "\n"), ("csv", CSV.text(figure.numbers))] {
        try AtomicFile.write(content, to: "\(folder)/\(ReportFiles.figures)/\(name).\(ending)")
        written.insert("\(name).\(ending)")
      }
    }
    for (file, _) in pictures.enumerated().flatMap({ $1.files($0) }) {
      try AtomicFile.write(file.bytes, to: "\(folder)/\(ReportFiles.figures)/\(file.name)")
      written.insert(file.name)
    }
    try removeFigures(in: folder + "/" + ReportFiles.figures, except: written)
    for (name, rows) in zip(ReportFiles.tables, [valuesCSV, summaryCSV, differencesCSV]) {
      try AtomicFile.write(CSV.text(rows), to: folder + "/" + name)
    }
    try AtomicFile.write(try comparisonJSON(self), to: folder + "/report.json")
    try AtomicFile.write(text.markdown, to: folder + "/report.md")
    try AtomicFile.write(page.document, to: folder + "/report.html")
  }

  /// Figures of an earlier report that this one does not have.
  private func removeFigures(in folder: String, except written: Set<String>) throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: folder)
    where ReportFiles.isFigure(name) && !written.contains(name) {
      guard unlink(folder + "/" + name) == 0 else {
        throw FileError("remove", folder + "/" + name, reason: systemReason())
      }
    }
  }
}
