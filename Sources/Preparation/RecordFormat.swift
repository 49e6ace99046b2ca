import Core
import Storage

/// How documents are taken out of the records of one file.
final class RecordFormat: Sendable {
  let path: String
  private let format: InputFormat
  /// Places of the wanted columns in a row, from 0.
  private let columns: [Int]
  /// Columns of the header row; nil without one.
  private let width: Int?

  /// The header row, for a note, where every column was selected by its number.
  let unusedHeader: String?

  /// - Parameter reader: stands after the header row, when there is one, on return.
  /// - Throws: `DataError` for a table without a wanted column; what reading throws.
  init(_ path: String, _ format: InputFormat, _ reader: inout RecordReader) throws {
    (self.path, self.format) = (path, format)
    guard case .table(let layout, let separator) = format else {
      (columns, width, unusedHeader) = ([], nil, nil)
      return
    }
    var header: [String]?
    var isEmpty = false
    if layout.hasHeader {
      var text: [UInt8] = []
      if let first = try reader.next(into: &text) {
        header = try Self.fields(of: first, in: text, separator, path: path).map { String(decoding: $0, as: UTF8.self) }
      } else {
        isEmpty = true
      }
    }
    var places: [Int] = []
    for column in layout.columns {
      places.append(try Self.place(of: column, header, separator, path: path, isEmpty: isEmpty))
    }
    (columns, width) = (places, header?.count)
    let isNamed = layout.columns.contains { if case .name = $0 { true } else { false } }
    unusedHeader = isNamed ? nil : header.map { printableName($0.joined(separator: ", "), atMost: 80) }
  }

  private static func place(
    of column: TableColumn, _ header: [String]?, _ separator: TableSeparator, path: String, isEmpty: Bool
  ) throws(DataError) -> Int {
    switch column {
    case .number(let number):
      guard number >= 1 else {
        throw DataError(path, "has no column \(number).", remedy: "Columns are counted from 1.")
      }
      return number - 1
    case .name(let name):
      if isEmpty { return 0 }
      guard let header else {
        throw DataError(
          path, "is read without a header row, so there is no column named \(name).",
          remedy: "Give the column's number, from 1.")
      }
      guard header.count(where: { $0 == name }) <= 1 else {
        throw DataError(path, "has several columns named \(name).", remedy: "Give the column's number, from 1.")
      }
      guard let place = header.firstIndex(of: name) else {
        if header.count == 1 { throw noSeparator("\(path), line 1", separator, "no column \(name)") }
        throw DataError(
          path, "has no column \(name); its columns are \(header.joined(separator: ", ")).",
          remedy:
            "Name one of these, or give its number, from 1. Where the first row names no columns: --no-header, or header = false of a measure. A file that belongs to no corpus: prepare --exclude."
        )
      }
      return place
    }
  }

  private static func fields(of record: Record, in text: [UInt8], _ separator: TableSeparator, path: String) throws
    -> [[UInt8]]
  {
    try text.withUnsafeBytes { bytes in
      try TableRow.fields(
        UnsafeRawBufferPointer(rebasing: bytes[record.range]), separator, place: "\(path), line \(record.line)")
    }
  }

  /// A row in which nothing parts columns: most often a table of another kind.
  private static func noSeparator(_ place: String, _ separator: TableSeparator, _ consequence: String) -> DataError {
    DataError(
      place, "has no \(separator.readable), which parts the columns, and so \(consequence).",
      remedy: "Mend the row, or name the character that parts the columns: separator = \(TableSeparator.choices).")
  }

  /// Calls `body` with the text of a document; not at all for a blank line between JSON objects or rows.
  ///
  /// - Parameter text: that of the batch.
  /// - Throws: `DataError` for a line that is not what its format says; what `body` throws.
  func withText(of record: Record, in text: UnsafeRawBufferPointer, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void)
    throws
  {
    let bytes = text[record.range]
    if case .text = format {
      return try UnsafeRawBufferPointer(rebasing: bytes).withMemoryRebound(to: UInt8.self) { try body($0) }
    }
    if bytes.allSatisfy(isSpace) { return }
    try taken(from: bytes, of: record).withUnsafeBufferPointer { try body($0) }
  }

  private func taken(from bytes: Slice<UnsafeRawBufferPointer>, of record: Record) throws(DataError) -> [UInt8] {
    if case .jsonLines(let field) = format {
      return try Self.jsonText(bytes, field: field, place: "\(path), line \(record.line)")
    }
    return Array(
      try wantedFields(UnsafeRawBufferPointer(rebasing: bytes), line: record.line).joined(separator: [
        UInt8(ascii: "\n")
      ]))
  }

  /// The wanted columns of a row, in the order in which they were selected.
  func wantedFields(_ row: UnsafeRawBufferPointer, line: Int) throws(DataError) -> [[UInt8]] {
    guard case .table(_, let separator) = format else { return [] }
    let place = "\(path), line \(line)"
    let fields = try TableRow.fields(row, separator, place: place)
    if let missing = columns.first(where: { $0 >= fields.count }) {
      if fields.count == 1 { throw Self.noSeparator(place, separator, "no column \(missing + 1)") }
      throw DataError(
        place, "has \(fields.count) columns; column \(missing + 1) is wanted.",
        remedy: "Mend the row, or name another column.")
    }
    if let width, fields.count > width {
      throw DataError(
        place, "has \(fields.count) columns, and the header row has \(width).",
        remedy: separator.isQuoted
          ? "Put fields that hold the separator or quotes into quotes, or mend the row."
          : "Mend the row, or use CSV, whose fields may be quoted.")
    }
    return columns.map { fields[$0] }
  }

  private static func jsonText(_ bytes: Slice<UnsafeRawBufferPointer>, field: String, place: String) throws(DataError)
    -> [UInt8]
  {
    var line = JSONObjectLine(bytes)
    let found: JSONObjectLine.Found
    do {
      found = try line.string(Array(field.utf8))
    } catch  where error.isTooDeep {
      throw DataError(
        place, "nests values deeper than \(JSONObjectLine.deepest), at byte \(error.column) of the line.",
        remedy: "Flatten or remove the line.")
    } catch {
      throw DataError(
        place, "is not one JSON object: it breaks at byte \(error.column) of the line.", remedy: remedy(bytes))
    }
    switch found {
    case .text(let text): return text
    case .missing:
      throw DataError(
        place, "has no field \"\(field)\".", remedy: "Name the field that holds the text, or remove the line.")
    case .notText:
      throw DataError(
        place, "has a field \"\(field)\" that is not a string.",
        remedy: "Name the field that holds the text, or remove the line.")
    }
  }

  /// What other shapes of JSON begin with has a remedy of its own.
  private static func remedy(_ line: Slice<UnsafeRawBufferPointer>) -> String {
    let text = line.drop(while: isSpace)
    if text.first == UInt8(ascii: "[") {
      return "Write an array as one object per line: jq -c '.[]' FILE.json >FILE.jsonl."
    }
    let isOpen = text.first == UInt8(ascii: "{") && text.drop { isSpace($0) || $0 == UInt8(ascii: "{") }.isEmpty
    return isOpen ? "Write each object on one line: jq -c . FILE.json >FILE.jsonl." : "Mend or remove the line."
  }
}
