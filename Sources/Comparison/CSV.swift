import Foundation

/// Comma-separated values as RFC 4180 has them, with line feeds.
enum CSV {
  static func text(_ rows: [[String]]) -> String { rows.map { $0.map(cell).joined(separator: ",") + "\n" }.joined() }

  /// Quoted where it must be. A text that a spreadsheet would take for a formula gets an apostrophe before it.
  static func cell(_ text: String) -> String {
    var text = text
    if let first = text.unicodeScalars.first, "=+-@\t\r".unicodeScalars.contains(first), Double(text) == nil {
      text = "'" + text
    }
    let needsQuotes = text.unicodeScalars.contains { ",\"\n\r".unicodeScalars.contains($0) }
    return needsQuotes ? "\"" + text.replacing("\"", with: "\"\"") + "\"" : text
  }

  /// Two cells, empty where there is no interval.
  static func ends(_ interval: Interval?) -> [String] {
    interval.map { [number($0.low), number($0.high)] } ?? ["", ""]
  }

  /// The shortest decimals that read back as the same number.
  static func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value > 0 ? "Infinity" : "-Infinity" }
    return value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : "\(value)"
  }
}
