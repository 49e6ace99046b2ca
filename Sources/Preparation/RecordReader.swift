import Core
import Storage

/// A document before it is taken out of its format: a range of a batch's text, and the line it begins on, from 1.
struct Record: Sendable, Equatable {
  let range: Range<Int>
  let line: Int
}

/// Cuts a text into records, one after the other.
struct RecordReader {
  private let window: TextWindow
  private let format: InputFormat
  private let path: String

  /// - Parameter mostBytes: that a record may have.
  init(_ source: any ByteReader, format: InputFormat, path: String, mostBytes: Int = TextWindow.longestRecord) throws {
    window = try TextWindow(source, path: path, mostBytes: mostBytes)
    (self.format, self.path) = (format, path)
  }

  /// Lines so far that end in a carriage return and a line feed.
  var carriageReturns: Int { window.carriageReturns }

  /// Appends the next record to `text`. - Returns: nil after the last.
  /// - Throws: `DataError` for a quote that is never closed or a record that is too long; what reading throws.
  mutating func next(into text: inout [UInt8]) throws -> Record? {
    switch format {
    case .text(.wholeFile): try rest(into: &text)
    case .text(.blankLines): try group(into: &text) { !$0.contains { !isSpace($0) } }
    case .text(.separatorLine(let separator)): try separated(by: Array(separator.utf8), into: &text)
    case .text(.lines), .jsonLines: try line(into: &text)
    case .table(_, let separator):
      if separator.isQuoted { try row(separator.byte, into: &text) } else { try line(into: &text) }
    }
  }

  private func rest(into text: inout [UInt8]) throws -> Record? {
    let start = text.count
    try window.takeRest(into: &text)
    return text.count > start ? Record(range: start..<text.count, line: 1) : nil
  }

  /// One line without its end.
  private func line(into text: inout [UInt8]) throws -> Record? {
    guard let line = try window.nextLine() else { return nil }
    let start = text.count
    text.append(contentsOf: line.content)
    return Record(range: start..<text.count, line: line.number)
  }

  private func separated(by separator: [UInt8], into text: inout [UInt8]) throws -> Record? {
    try group(into: &text) { $0.elementsEqual(separator) }
  }

  /// The lines up to the next separator, without the last one's end; separators in a row part once.
  private func group(into text: inout [UInt8], _ isSeparator: (UnsafeRawBufferPointer) -> Bool) throws -> Record? {
    let start = text.count
    var (first, endsInReturn): (Int?, Bool) = (nil, false)
    while let line = try window.nextLine() {
      if isSeparator(line.content) {
        if first != nil { break }
        continue
      }
      if first == nil { first = line.number } else { text.append(UInt8(ascii: "\n")) }
      text.append(contentsOf: line.bytes)
      endsInReturn = line.hasReturn
      try window.check(text.count - start, from: first ?? line.number)
    }
    if endsInReturn { text.removeLast() }
    return first.map { Record(range: start..<text.count, line: $0) }
  }

  /// One row of a table with quotes: a line, or several when a quoted field holds line ends.
  private func row(_ delimiter: UInt8, into text: inout [UInt8]) throws -> Record? {
    let start = text.count
    var (first, quoted, fieldStarts, wasQuote): (Int?, Bool, Bool, Bool) = (nil, false, true, false)
    while let line = try window.nextLine() {
      if first == nil { first = line.number } else { text.append(UInt8(ascii: "\n")) }
      text.append(contentsOf: line.bytes)
      for byte in line.bytes {
        // A doubled quote closes and opens again: what follows the first decides.
        if byte == UInt8(ascii: "\""), quoted || fieldStarts || wasQuote {
          (quoted, wasQuote) = (!quoted, quoted)
        } else {
          wasQuote = false
        }
        fieldStarts = !quoted && byte == delimiter
      }
      if !quoted { break }
      wasQuote = false
      try window.check(text.count - start, from: first ?? line.number)
    }
    guard let first else { return nil }
    if quoted {
      throw DataError(
        "\(path), line \(first)", "opens a quote that is never closed.",
        remedy: "Close it, or double the quotes inside the field.")
    }
    return Record(range: start..<text.count, line: first)
  }
}

/// White space of ASCII.
@inline(__always)
func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
