import Core
import Foundation
import Storage

/// A row of a CSV or TSV file: the fields that were asked for, and the line it begins on.
public struct TableEntry: Sendable, Equatable {
  public let fields: [[UInt8]]
  /// From 1.
  public let line: Int
}

/// CSV and TSV files read whole, for tables that are small beside a corpus: labelled examples.
public enum TableFile {
  /// Whether the file's ending, `.gz` set aside, is one of a table.
  public static func isTable(_ path: String) -> Bool { format(path, TableLayout(columns: [.number(1)])) != nil }

  /// The wanted columns of every row, in file order; blank lines are left out.
  ///
  /// - Parameter path: ends in `.csv` (RFC 4180) or `.tsv` (tabs, no quoting), either with `.gz` behind it.
  /// - Throws: `DataError` or `FileError` naming the file and the line.
  public static func rows(of path: String, _ layout: TableLayout) throws -> [TableEntry] {
    guard let format = format(path, layout) else {
      throw DataError(path, "is neither CSV nor TSV by its name.", remedy: "Let it end in .csv or .tsv, or one of these and .gz.")
    }
    guard FileManager.default.fileExists(atPath: path) else { throw DataError(path, "does not exist.", remedy: "Check the path.") }
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("lockstep-\(UUID().uuidString)").path
    let file = SourceFile(path: path, name: path, bytes: try MappedFile(path).count)
    let (source, opened) = try OpenSource.open(file, format: format, scratch: scratch)
    var (cutter, entries) = (opened, [TableEntry]())
    while let record = try cutter.next() {
      if source.text.bytes[record.range].allSatisfy(isSpace) { continue }
      entries.append(TableEntry(fields: try source.wantedFields(of: record), line: record.line))
    }
    return entries
  }

  private static func format(_ path: String, _ layout: TableLayout) -> InputFormat? {
    let lower = path.lowercased()
    let plain = lower.hasSuffix(".gz") ? String(lower.dropLast(3)) : lower
    return plain.hasSuffix(".csv") ? .csv(layout) : plain.hasSuffix(".tsv") ? .tsv(layout) : nil
  }
}
