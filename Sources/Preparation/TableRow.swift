import Core

/// Cuts rows of tables into fields.
enum TableRow {
  /// - Parameter place: path and line, for errors.
  static func fields(_ row: UnsafeRawBufferPointer, _ separator: TableSeparator, place: String) throws(DataError)
    -> [[UInt8]]
  {
    let row = withoutCarriageReturn(row[...])
    if separator.isQuoted { return try quoted(row, separator.byte, place: place) }
    return row.split(
      separator: separator.byte, maxSplits: separator.partsOnce ? 1 : .max, omittingEmptySubsequences: false
    ).map(Array.init)
  }

  /// The fields of a CSV row by RFC 4180: a field that begins with a quote ends with one, and `""` inside stands for a
  /// quote.
  ///
  /// - Throws: `DataError` for text after a closing quote.
  private static func quoted(_ row: Slice<UnsafeRawBufferPointer>, _ delimiter: UInt8, place: String) throws(DataError)
    -> [[UInt8]]
  {
    var fields: [[UInt8]] = [[]]
    var (quoted, closed) = (false, false)
    var index = row.startIndex
    while index < row.endIndex {
      let byte = row[index]
      index += 1
      if quoted {
        guard byte == UInt8(ascii: "\"") else {
          fields[fields.count - 1].append(byte)
          continue
        }
        if index < row.endIndex, row[index] == byte {
          fields[fields.count - 1].append(byte)
          index += 1
        } else {
          (quoted, closed) = (false, true)
        }
      } else if byte == delimiter {
        fields.append([])
        closed = false
      } else if closed {
        throw DataError(
          place, "has text after the closing quote of field \(fields.count).",
          remedy: "Double the quotes inside the field.")
      } else if byte == UInt8(ascii: "\""), fields[fields.count - 1].isEmpty {
        quoted = true
      } else {
        fields[fields.count - 1].append(byte)
      }
    }
    return fields
  }

  private static func withoutCarriageReturn(_ row: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
    row.last == UInt8(ascii: "\r") ? row.dropLast() : row
  }
}
