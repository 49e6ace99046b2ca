import Core
import Glibc
import Storage

/// The part of a text that is being cut: bytes read ahead, and how many records may need.
///
/// Invariant: `bytes[start..<end]` of the buffer are read and not taken; the buffer is owned by this object.
final class TextWindow {
  /// A record that is longer is refused: its ids alone would take four times as many bytes.
  static let longestRecord = 4 << 30

  private let source: any ByteReader
  private let path: String
  private let mostBytes: Int
  private var buffer: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  /// Lines that end in a carriage return and a line feed.
  private(set) var carriageReturns = 0
  private(set) var line = 1

  /// - Parameter most: bytes a record may have.
  init(_ source: any ByteReader, path: String, mostBytes: Int = longestRecord) throws {
    (self.source, self.path, self.mostBytes) = (source, path, mostBytes)
    buffer = .allocate(byteCount: 1 << 18, alignment: 64)
    // A byte order mark at the beginning is no text.
    while end < 3, try fill() {}
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { start = 3 }
  }

  deinit { buffer.deallocate() }

  /// What is read and not taken; valid until the next call.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: buffer[start..<end]) }

  /// Whether nothing is left.
  func isAtEnd() throws -> Bool { try start == end && !fill() }

  /// Reads on. - Returns: false at the end of the text.
  private func fill() throws -> Bool {
    if start > 0 {
      if end > start { buffer.baseAddress?.copyMemory(from: buffer.baseAddress! + start, byteCount: end - start) }
      (start, end) = (0, end - start)
    }
    if end == buffer.count {
      let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * buffer.count, alignment: 64)
      larger.copyMemory(from: bytes)
      buffer.deallocate()
      buffer = larger
    }
    let got = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[end...]))
    end += got
    return got > 0
  }

  /// The next line without its end; `isEnded` tells whether it has one, `hasReturn` whether a carriage return stands
  /// before that.
  struct Line {
    let bytes: UnsafeRawBufferPointer
    let number: Int
    let isEnded: Bool
    let hasReturn: Bool

    /// Without the carriage return.
    var content: UnsafeRawBufferPointer { hasReturn ? UnsafeRawBufferPointer(rebasing: bytes.dropLast()) : bytes }
  }

  /// - Returns: nil at the end of the text; the bytes of a line are valid until the next call.
  /// - Throws: `DataError` for a line that is too long.
  func nextLine() throws -> Line? {
    var scanned = 0
    while true {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[scanned...])
      if let base = rest.baseAddress, !rest.isEmpty, let found = memchr(base, Int32(UInt8(ascii: "\n")), rest.count) {
        let length = scanned + (UnsafeRawPointer(found) - base)
        return take(length, ended: true)
      }
      scanned = bytes.count
      guard scanned <= mostBytes else { throw tooLong(line) }
      guard try fill() else { return scanned == 0 ? nil : take(scanned, ended: false) }
    }
  }

  private func take(_ length: Int, ended: Bool) -> Line {
    let taken = UnsafeRawBufferPointer(rebasing: bytes[..<length])
    let hasReturn = ended && taken.last == UInt8(ascii: "\r")
    start += length + (ended ? 1 : 0)
    defer { line += 1 }
    if hasReturn { carriageReturns += 1 }
    return Line(bytes: taken, number: line, isEnded: ended, hasReturn: hasReturn)
  }

  /// Moves all that is left behind `text`.
  func takeRest(into text: inout [UInt8]) throws {
    var before: UInt8?
    while try !isAtEnd() {
      let piece = bytes
      var scanned = 0
      while let base = piece.baseAddress,
        let found = memchr(base + scanned, Int32(UInt8(ascii: "\n")), piece.count - scanned)
      {
        let place = UnsafeRawPointer(found) - base
        if (place > 0 ? piece[place - 1] : before) == UInt8(ascii: "\r") { carriageReturns += 1 }
        scanned = place + 1
      }
      before = piece.last
      guard text.count + piece.count <= mostBytes else { throw tooLong(1) }
      text.append(contentsOf: piece)
      start = end
    }
  }

  /// A document of several lines, checked while it grows.
  func check(_ length: Int, from line: Int) throws(DataError) {
    guard length <= mostBytes else { throw tooLong(line) }
  }

  private func tooLong(_ line: Int) -> DataError {
    DataError(
      "\(path), line \(line)", "begins a document or row of more than \(mostBytes >> 20) MiB.",
      remedy:
        "Cut the text with --documents (lines, blank-lines or separator:TEXT), or close a quote that is left open.")
  }
}
