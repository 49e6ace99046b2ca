import Core
import Storage

/// Reads one string out of one JSON object (RFC 8259) without building the rest of it.
///
/// Bytes above 127 are taken as they are, so that text which is not valid UTF-8 is kept; an escaped half of
/// a surrogate pair becomes U+FFFD. When a field comes twice the last one counts.
struct JSONObjectLine {
  enum Found: Equatable {
    case text([UInt8])
    case missing
    case notText
  }

  /// Why a line is not one JSON object; `column` counts bytes from 1.
  struct Problem: Error {
    var column: Int
    var isTooDeep = false
  }

  private let bytes: Slice<UnsafeRawBufferPointer>
  private var index: Int
  static let deepest = 256

  init(_ bytes: Slice<UnsafeRawBufferPointer>) {
    self.bytes = bytes
    self.index = bytes.startIndex
  }

  mutating func string(_ field: [UInt8]) throws(Problem) -> Found {
    var found = Found.missing
    skipSpace()
    try expect("{")
    skipSpace()
    if !take("}") {
      repeat {
        skipSpace()
        let isField = try string() == field
        skipSpace()
        try expect(":")
        skipSpace()
        if isField, peek == UInt8(ascii: "\"") {
          found = .text(try string())
        } else {
          try skipValue(depth: 1)
          if isField { found = .notText }
        }
        skipSpace()
      } while take(",")
      try expect("}")
    }
    skipSpace()
    guard index == bytes.endIndex else { throw problem }
    return found
  }

  private var peek: UInt8? { index < bytes.endIndex ? bytes[index] : nil }
  private var problem: Problem { Problem(column: index - bytes.startIndex + 1) }

  private mutating func skipSpace() {
    while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { index += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(Problem) {
    guard take(character) else { throw problem }
  }

  private mutating func skipValue(depth: Int) throws(Problem) {
    guard let first = peek else { throw problem }
    guard depth < Self.deepest else { throw Problem(column: problem.column, isTooDeep: true) }
    switch first {
    case UInt8(ascii: "\""): _ = try string()
    case UInt8(ascii: "{"): try skipList(close: "}", named: true, depth: depth)
    case UInt8(ascii: "["): try skipList(close: "]", named: false, depth: depth)
    case UInt8(ascii: "t"): try expectWord("true")
    case UInt8(ascii: "f"): try expectWord("false")
    case UInt8(ascii: "n"): try expectWord("null")
    default: try skipNumber()
    }
  }

  private mutating func skipList(close: Unicode.Scalar, named: Bool, depth: Int) throws(Problem) {
    index += 1
    skipSpace()
    if take(close) { return }
    repeat {
      skipSpace()
      if named {
        _ = try string()
        skipSpace()
        try expect(":")
        skipSpace()
      }
      try skipValue(depth: depth + 1)
      skipSpace()
    } while take(",")
    try expect(close)
  }

  private mutating func expectWord(_ word: StaticString) throws(Problem) {
    let end = index + word.utf8CodeUnitCount
    guard end <= bytes.endIndex,
      bytes[index..<end].elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount))
    else { throw problem }
    index = end
  }

  private mutating func skipNumber() throws(Problem) {
    _ = take("-")
    if !take("0") { try skipDigits() }
    if take(".") { try skipDigits() }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      try skipDigits()
    }
  }

  private mutating func skipDigits() throws(Problem) {
    let start = index
    while let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { index += 1 }
    guard index > start else { throw problem }
  }

  private mutating func string() throws(Problem) -> [UInt8] {
    try expect("\"")
    var text: [UInt8] = []
    while true {
      let start = index
      while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { index += 1 }
      text += bytes[start..<index]
      if take("\"") { return text }
      guard take("\\") else { throw problem }
      try escape(into: &text)
    }
  }

  private mutating func escape(into text: inout [UInt8]) throws(Problem) {
    guard let byte = peek else { throw problem }
    index += 1
    switch byte {
    case UInt8(ascii: "u"): text += Array(String(Character(try unicodeEscape())).utf8)
    default:
      guard let escaped = jsonEscapes[byte] else {
        index -= 1
        throw problem
      }
      text.append(escaped)
    }
  }

  /// The scalar of `\uXXXX`, or of a surrogate pair written as two of them.
  private mutating func unicodeEscape() throws(Problem) -> Unicode.Scalar {
    let first = try fourDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    let back = index
    guard first < 0xDC00, take("\\"), take("u") else {
      index = back
      return "\u{FFFD}"
    }
    let second = try fourDigits()
    guard second >= 0xDC00, second < 0xE000,
      let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    else {
      index = back
      return "\u{FFFD}"
    }
    return scalar
  }

  private mutating func fourDigits() throws(Problem) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = peek, let digit = Character(Unicode.Scalar(byte)).hexDigitValue, byte < 128 else {
        throw problem
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }
}
