import Core
import Storage

/// A source whose text is mapped, with all that is needed to take documents out of its records.
final class OpenSource: Sendable {
  let source: SourceFile
  let text: MappedFile
  private let format: InputFormat
  /// Places of the wanted columns in a row, from 0.
  private let columns: [Int]

  /// - Parameter cutter: stands after the header row, when there is one, on return.
  /// - Throws: `DataError` for a table without a wanted column.
  static func open(_ source: SourceFile, format: InputFormat, scratch: String) throws -> (OpenSource, RecordCutter) {
    let text = try source.open(scratch: scratch)
    var cutter = RecordCutter(text.bytes, format: format, path: source.path)
    let columns = try findColumns(source, text, format, &cutter)
    return (OpenSource(source: source, text: text, format: format, columns: columns), cutter)
  }

  private init(source: SourceFile, text: MappedFile, format: InputFormat, columns: [Int]) {
    (self.source, self.text, self.format, self.columns) = (source, text, format, columns)
  }

  private static func findColumns(
    _ source: SourceFile, _ text: MappedFile, _ format: InputFormat, _ cutter: inout RecordCutter
  ) throws(DataError) -> [Int] {
    let layout: TableLayout
    switch format {
    case .csv(let table), .tsv(let table): layout = table
    case .text, .jsonLines: return []
    }
    var header: [String]?
    if layout.hasHeader, let first = try cutter.next() {
      header = try fields(of: first, in: text, format: format, path: source.path).map { String(decoding: $0, as: UTF8.self) }
    }
    var places: [Int] = []
    for column in layout.columns { places.append(try place(of: column, header: header, source: source, isEmpty: text.count == 0)) }
    return places
  }

  private static func place(of column: TableColumn, header: [String]?, source: SourceFile, isEmpty: Bool) throws(DataError) -> Int {
    switch column {
    case .number(let number):
      guard number >= 1 else { throw DataError(source.path, "has no column \(number).", remedy: "Columns are counted from 1.") }
      return number - 1
    case .name(let name):
      if isEmpty { return 0 }
      guard let header else {
        throw DataError(source.path, "is read without a header row, so there is no column named \(name).", remedy: "Give the column's number, from 1.")
      }
      guard let place = header.firstIndex(of: name) else {
        throw DataError(source.path, "has no column \(name); its columns are \(header.joined(separator: ", ")).", remedy: "Name one of these, or give its number, from 1.")
      }
      return place
    }
  }

  private static func fields(of record: Record, in text: MappedFile, format: InputFormat, path: String) throws(DataError) -> [[UInt8]] {
    let row = text.bytes[record.range]
    if case .csv = format { return try TableRow.commaSeparated(row, place: "\(path), line \(record.line)") }
    return TableRow.tabSeparated(row)
  }

  /// Calls `body` with the text of a document; not at all for a blank line between JSON objects or rows.
  ///
  /// - Throws: `DataError` for a line that is not what its format says; what `body` throws.
  func withText(of record: Record, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws {
    let bytes = text.bytes[record.range]
    if case .text = format {
      return try UnsafeRawBufferPointer(rebasing: bytes).withMemoryRebound(to: UInt8.self) { try body($0) }
    }
    if bytes.allSatisfy(isSpace) { return }
    try taken(from: bytes, of: record).withUnsafeBufferPointer { try body($0) }
  }

  private func taken(from bytes: Slice<UnsafeRawBufferPointer>, of record: Record) throws(DataError) -> [UInt8] {
    if case .jsonLines(let field) = format { return try Self.jsonText(bytes, field: field, place: "\(source.path), line \(record.line)") }
    return Array(try wantedFields(of: record).joined(separator: [UInt8(ascii: "\n")]))
  }

  /// The wanted columns of a row, in the order in which they were asked for.
  func wantedFields(of record: Record) throws(DataError) -> [[UInt8]] {
    let fields = try Self.fields(of: record, in: text, format: format, path: source.path)
    if let missing = columns.first(where: { $0 >= fields.count }) {
      throw DataError(
        "\(source.path), line \(record.line)", "has \(fields.count) columns; column \(missing + 1) is wanted.",
        remedy: "Mend the row, or name another column.")
    }
    return columns.map { fields[$0] }
  }

  private static func jsonText(_ bytes: Slice<UnsafeRawBufferPointer>, field: String, place: String) throws(DataError) -> [UInt8] {
    var line = JSONObjectLine(bytes)
    let found: JSONObjectLine.Found
    do {
      found = try line.string(Array(field.utf8))
    } catch {
      throw DataError(place, "is not one JSON object: it breaks at byte \(error.column) of the line.", remedy: "Mend or remove the line.")
    }
    switch found {
    case .text(let text): return text
    case .missing: throw DataError(place, "has no field \"\(field)\".", remedy: "Name the field that holds the text, or remove the line.")
    case .notText: throw DataError(place, "has a field \"\(field)\" that is not a string.", remedy: "Name the field that holds the text, or remove the line.")
    }
  }
}
