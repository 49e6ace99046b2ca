import Core

/// Cuts rows of CSV and TSV files into fields.
enum TableRow {
  /// The fields of a CSV row by RFC 4180: a field that begins with a quote ends with one, and `""` inside stands for a quote.
  ///
  /// - Parameter place: path and line, for errors.
  /// - Throws: `DataError` for text after a closing quote.
  static func commaSeparated(_ row: Slice<UnsafeRawBufferPointer>, place: String) throws(DataError) -> [[UInt8]] {
    let row = withoutCarriageReturn(row)
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
      } else if byte == UInt8(ascii: ",") {
        fields.append([])
        closed = false
      } else if closed {
        throw DataError(place, "has text after the closing quote of field \(fields.count).", remedy: "Double the quotes inside the field.")
      } else if byte == UInt8(ascii: "\""), fields[fields.count - 1].isEmpty {
        quoted = true
      } else {
        fields[fields.count - 1].append(byte)
      }
    }
    return fields
  }

  /// The fields of a TSV row; quotes are ordinary characters.
  static func tabSeparated(_ row: Slice<UnsafeRawBufferPointer>) -> [[UInt8]] {
    withoutCarriageReturn(row).split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false).map(Array.init)
  }

  private static func withoutCarriageReturn(_ row: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
    row.last == UInt8(ascii: "\r") ? row.dropLast() : row
  }
}
