import Core
import Glibc

/// A document before it is taken out of its format: a range of a file, and the line it begins on, from 1.
struct Record: Sendable, Equatable {
  let range: Range<Int>
  let line: Int
}

/// Cuts the bytes of a file into records, one after the other.
struct RecordCutter {
  private let bytes: UnsafeRawBufferPointer
  private let format: InputFormat
  private let path: String
  private(set) var offset: Int
  private var line = 1

  /// - Parameter bytes: the whole file; must outlive the cutter. A byte order mark at its start is no text.
  init(_ bytes: UnsafeRawBufferPointer, format: InputFormat, path: String) {
    (self.bytes, self.format, self.path) = (bytes, format, path)
    self.offset = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
  }

  /// - Throws: `DataError` for a quote that is never closed.
  mutating func next() throws(DataError) -> Record? {
    switch format {
    case .text(.wholeFile): rest()
    case .text(.blankLines): group { !$0.contains { !isSpace($0) } }
    case .text(.separatorLine(let separator)): separated(by: Array(separator.utf8))
    case .text(.lines), .jsonLines, .tsv: nextLine()
    case .csv: try nextRow()
    }
  }

  private mutating func rest() -> Record? {
    guard offset < bytes.count else { return nil }
    defer { offset = bytes.count }
    return Record(range: offset..<bytes.count, line: line)
  }

  private mutating func separated(by separator: [UInt8]) -> Record? {
    group { line in
      let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      return line.elementsEqual(separator)
    }
  }

  /// The lines up to the next separator, without the last one's end; separators in a row part once.
  private mutating func group(_ isSeparator: (Slice<UnsafeRawBufferPointer>) -> Bool) -> Record? {
    var first: Record?
    var end = offset
    while let current = nextLine() {
      if isSeparator(bytes[current.range]) {
        if first != nil { break }
      } else {
        if first == nil { first = current }
        end = current.range.upperBound
      }
    }
    return first.map { Record(range: $0.range.lowerBound..<end, line: $0.line) }
  }

  /// One line without its end.
  private mutating func nextLine() -> Record? {
    guard offset < bytes.count else { return nil }
    let start = offset
    let end = firstLineEnd(from: start) ?? bytes.count
    defer {
      offset = min(end + 1, bytes.count)
      line += 1
    }
    return Record(range: start..<end, line: line)
  }

  private func firstLineEnd(from start: Int) -> Int? {
    guard let base = bytes.baseAddress, let found = memchr(base + start, Int32(UInt8(ascii: "\n")), bytes.count - start) else { return nil }
    return UnsafeRawPointer(found) - base
  }

  /// One row of a CSV file: a line, or several when a quoted field holds line ends.
  private mutating func nextRow() throws(DataError) -> Record? {
    guard offset < bytes.count else { return nil }
    let (start, firstLine) = (offset, line)
    var quoted = false
    var fieldStarts = true
    while offset < bytes.count {
      let byte = bytes[offset]
      offset += 1
      if byte == UInt8(ascii: "\n") { line += 1 }
      if byte == UInt8(ascii: "\""), quoted || fieldStarts {
        // A doubled quote closes and opens again: what follows it decides.
        let doubled = quoted && offset < bytes.count && bytes[offset] == byte
        if doubled { offset += 1 } else { quoted.toggle() }
      } else if byte == UInt8(ascii: "\n"), !quoted {
        return Record(range: start..<offset - 1, line: firstLine)
      }
      fieldStarts = !quoted && byte == UInt8(ascii: ",")
    }
    if quoted {
      throw DataError("\(path), line \(firstLine)", "opens a quote that is never closed.", remedy: "Close it, or double the quotes inside the field.")
    }
    return Record(range: start..<offset, line: firstLine)
  }
}

/// White space of ASCII.
@inline(__always)
func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0D) }
