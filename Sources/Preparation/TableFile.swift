import Core
import Storage

/// A row of a table: the selected fields, and the line it begins on.
public struct TableEntry: Sendable, Equatable {
  public let fields: [[UInt8]]
  /// From 1.
  public let line: Int
}

/// Tables read whole, for those that are small beside a corpus: labelled examples.
public struct TableFile: Sendable {
  /// In file order; blank lines are left out.
  public let rows: [TableEntry]
  /// Columns of the first row that is not the header; 0 where there is none.
  public let width: Int
  /// Sentences about what was odd in the file: other encodings, other line ends.
  public let notes: [String]

  /// Whether the file's ending, that of a compressed file set aside, is one of a table.
  public static func isTable(_ path: String) -> Bool { separator(path) != nil }

  /// Reads the wanted columns of every row.
  ///
  /// - Parameters:
  ///   - path: a file, compressed or not.
  ///   - separator: nil for what the name says: `.csv` (RFC 4180) or `.tsv` (tabs, no quoting).
  /// - Throws: `DataError` or `FileError` naming the file and the line.
  public init(_ path: String, _ layout: TableLayout, separator: TableSeparator? = nil) throws {
    guard let separator = separator ?? Self.separator(path) else {
      throw DataError(
        path, "is neither CSV nor TSV by its name.",
        remedy: "Let it end in .csv or .tsv (.gz, .zst or .xz may follow), or name the separator.")
    }
    let file = try SourceSearch.file(path)
    let reader = DocumentReader([file], choice: .all(.table(layout, separator)))
    var (rows, findings, width) = ([TableEntry](), TextFindings(), 0)
    while let batch = try reader.next() {
      findings.add(batch.lineFindings())
      try batch.text.withUnsafeBytes { text in
        for record in batch.records {
          let row = UnsafeRawBufferPointer(rebasing: text[record.range])
          if row.allSatisfy(isSpace) { continue }
          if rows.isEmpty { width = try TableRow.fields(row, separator, place: path).count }
          rows.append(TableEntry(fields: try batch.format.wantedFields(row, line: record.line), line: record.line))
        }
      }
    }
    (self.rows, self.width, notes) = (rows, width, findings.sentences(path))
  }

  private static func separator(_ path: String) -> TableSeparator? {
    let plain = Compression.plainName(path)
    return plain.hasSuffix(".csv") ? .comma : plain.hasSuffix(".tsv") ? .tab : nil
  }
}
