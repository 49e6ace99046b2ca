/// A table for a terminal: columns as wide as their widest cell, two spaces between them, a line under the heads.
public struct TextTable {
  private var rows: [[String]]

  /// A table without rows under these heads.
  public init(_ heads: [String]) { rows = [heads] }

  /// - Precondition: as many cells as heads.
  public mutating func add(_ cells: [String]) {
    precondition(cells.count == rows[0].count, "\(cells.count) cells under \(rows[0].count) heads")
    rows.append(cells)
  }

  /// Its lines without trailing spaces.
  public var lines: [String] {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    func line(_ cells: [String]) -> String {
      var line = zip(cells, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
      while line.last == " " { line.removeLast() }
      return line
    }
    return [line(rows[0]), widths.map { String(repeating: "─", count: $0) }.joined(separator: "  ")]
      + rows.dropFirst().map(line)
  }
}
