import Glibc

/// What is odd about the lines of one file: kept as it is, and reported.
public struct TextFindings: Sendable, Equatable {
  /// Lines that are not valid UTF-8, and the first of them.
  var invalidLines = 0
  var firstInvalidLine = 0
  /// Such lines hold no sequence of UTF-8 at all: the text is of one byte per character.
  var looksSingleByte = true
  /// Such lines hold bytes 80 to 9F, which are letters and signs in Windows-1252 alone.
  var hasWindowsSigns = false
  /// Lines with a zero byte, and the first of them.
  var zeroLines = 0
  var firstZeroLine = 0
  /// Lines that end in a carriage return and a line feed.
  var carriageReturns = 0
  /// The first row, where it was taken for a header although no column was selected by name.
  var unusedHeader: String?
  /// The encoding it was converted from.
  var convertedFrom: String?
  /// U+FFFD in converted text: what was no character, unless the text had them.
  var replacements = 0

  /// Looks at the lines of a record.
  mutating func add(_ text: UnsafeBufferPointer<UInt8>, firstLine: Int) {
    if convertedFrom != nil { replacements += Self.replacements(in: text) }
    // A line without a zero byte in valid UTF-8 is by far the most frequent.
    let hasZero = text.baseAddress.map { memchr($0, 0, text.count) != nil } ?? false
    guard hasZero || !isValidUTF8(text) else { return }
    for (index, line) in text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      let part = UnsafeBufferPointer(rebasing: line)
      if part.contains(0) {
        if zeroLines == 0 { firstZeroLine = firstLine + index }
        zeroLines += 1
      }
      guard !isValidUTF8(part) else { continue }
      if invalidLines == 0 { firstInvalidLine = firstLine + index }
      invalidLines += 1
      if part.contains(where: { (0x80..<0xA0).contains($0) }) { hasWindowsSigns = true }
      if Self.holdsSequence(part) { looksSingleByte = false }
    }
  }

  /// Whether a lead byte is followed by a continuation anywhere.
  private static func holdsSequence(_ line: UnsafeBufferPointer<UInt8>) -> Bool {
    zip(line, line.dropFirst()).contains { $0 >= 0xC2 && $0 < 0xF5 && $1 & 0xC0 == 0x80 }
  }

  private static func replacements(in text: UnsafeBufferPointer<UInt8>) -> Int {
    text.indices.dropLast(2).count { text[$0] == 0xEF && text[$0 + 1] == 0xBF && text[$0 + 2] == 0xBD }
  }

  /// With what another part of the file held.
  mutating func add(_ later: TextFindings) {
    if later.invalidLines > 0 {
      if invalidLines == 0 { firstInvalidLine = later.firstInvalidLine }
      looksSingleByte = looksSingleByte && later.looksSingleByte
      hasWindowsSigns = hasWindowsSigns || later.hasWindowsSigns
    }
    if zeroLines == 0 { firstZeroLine = later.firstZeroLine }
    invalidLines += later.invalidLines
    zeroLines += later.zeroLines
    replacements += later.replacements
    carriageReturns = max(carriageReturns, later.carriageReturns)
    convertedFrom = convertedFrom ?? later.convertedFrom
    unusedHeader = unusedHeader ?? later.unusedHeader
  }

  /// A sentence for each thing that was found in the file at `path`.
  func sentences(_ path: String) -> [String] {
    func lines(_ count: Int) -> String { "\(count) \(count == 1 ? "line" : "lines")" }
    var notes: [String] = []
    if let convertedFrom {
      let damage =
        replacements > 0
        ? "; \(replacements) U+FFFD stand for what was no character: the file may be damaged or cut off" : ""
      notes.append("\(path): converted from \(convertedFrom) to UTF-8\(damage)")
    }
    if let unusedHeader {
      notes.append(
        "\(path): the first row was taken for a header, \(unusedHeader); where it is data: --no-header, or header = false of a measure"
      )
    }
    if invalidLines > 0 {
      let guess = hasWindowsSigns ? "WINDOWS-1252" : "ISO-8859-1"
      let advice = looksSingleByte ? "; it looks like \(guess): iconv -f \(guess) -t UTF-8 converts it" : ""
      let verb = invalidLines == 1 ? "is" : "are"
      notes.append(
        "\(path): \(lines(invalidLines)) \(verb) not valid UTF-8, from line \(firstInvalidLine) on; the bytes were kept\(advice)"
      )
    }
    if zeroLines > 0 {
      notes.append("\(path): \(lines(zeroLines)) with a zero byte, from line \(firstZeroLine) on; the bytes were kept")
    }
    if carriageReturns > 0 {
      notes.append(
        "\(path): \(lines(carriageReturns)) end in CRLF; the carriage return is no text at the end of a document or row, and is kept inside one"
      )
    }
    return notes
  }

  /// The sentences of several files: those of the first ten, and how many more have some.
  static func sentences(_ files: some Collection<(path: String, findings: TextFindings)>) -> [String] {
    let noted = files.map { $0.findings.sentences($0.path) }.filter { !$0.isEmpty }
    let rest = noted.count - 10
    return noted.prefix(10).flatMap { $0 } + (rest > 0 ? ["\(rest) more files with such lines"] : [])
  }
}
