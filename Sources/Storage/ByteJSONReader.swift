import Core

/// Reads JSON (RFC 8259) strictly: UTF-8 only, no lone surrogates, no repeated names in small objects, and no
/// deeper than 64, so that no file can exhaust the stack.
public struct ByteJSONReader: ~Copyable {
  private let bytes: [UInt8]
  private let place: String
  private var index = 0

  private static let deepest = 64
  /// Objects above this many members are vocabularies, whose reader finds repeated names itself.
  private static let smallObject = 64

  /// - Throws: `DataError` with the byte offset of the first fault.
  public static func parse(_ bytes: [UInt8], place: String) throws(DataError) -> ByteJSON {
    var reader = ByteJSONReader(bytes: bytes, place: place)
    reader.index = withoutByteOrderMark(bytes).startIndex
    let value = try reader.value(depth: 0)
    reader.skipSpace()
    guard reader.index == bytes.count else { throw reader.fault("something follows the JSON value") }
    return value
  }

  private init(bytes: [UInt8], place: String) {
    self.bytes = bytes
    self.place = place
  }

  private func fault(_ problem: String) -> DataError {
    DataError(
      "\(place), byte \(index)", "the JSON is damaged: \(problem).", remedy: "Get the file again from where it came.")
  }

  private var next: UInt8 { index < bytes.count ? bytes[index] : 0 }

  private mutating func skipSpace() {
    while index < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) { index += 1 }
  }

  private mutating func take(_ character: Unicode.Scalar) -> Bool {
    skipSpace()
    guard index < bytes.count, bytes[index] == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  private mutating func value(depth: Int) throws(DataError) -> ByteJSON {
    guard depth <= Self.deepest else { throw fault("it is nested more than \(Self.deepest) deep") }
    skipSpace()
    guard index < bytes.count else { throw fault("it ends too early") }
    switch bytes[index] {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  private mutating func word(_ text: String, _ value: ByteJSON) throws(DataError) -> ByteJSON {
    guard bytes[index...].starts(with: text.utf8) else { throw fault("a value is neither true, false nor null") }
    index += text.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(DataError) -> ByteJSON {
    index += 1
    var members: [ByteJSONMember] = []
    if take("}") { return .object(members) }
    repeat {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw fault("a member's name is missing") }
      let name = try string()
      guard take(":") else { throw fault("a colon is missing") }
      if members.count < Self.smallObject, members.contains(where: { $0.name == name }) {
        throw fault("the name \"\(String(decoding: name.prefix(40), as: UTF8.self))\" occurs twice in one object")
      }
      members.append(ByteJSONMember(name: name, value: try value(depth: depth + 1)))
    } while take(",")
    guard take("}") else { throw fault("a closing brace is missing") }
    return .object(members)
  }

  private mutating func array(depth: Int) throws(DataError) -> ByteJSON {
    index += 1
    var values: [ByteJSON] = []
    if take("]") { return .array(values) }
    repeat { values.append(try value(depth: depth + 1)) } while take(",")
    guard take("]") else { throw fault("a closing bracket is missing") }
    return .array(values)
  }

  private mutating func number() throws(DataError) -> ByteJSON {
    let start = index
    while index < bytes.count, Self.inNumber(bytes[index]) { index += 1 }
    let text = String(decoding: bytes[start..<index], as: UTF8.self)
    let digits = text.utf8.drop { $0 == UInt8(ascii: "-") }
    let leadingZero =
      digits.count > 1 && digits.first == 0x30 && digits.dropFirst().first.map { (0x30...0x39).contains($0) } == true
    guard let first = digits.first, (0x30...0x39).contains(first), !leadingZero else {
      index = start
      throw fault("a value is expected here")
    }
    if let value = Int(text) { return .integer(value) }
    guard let value = Double(text), value.isFinite else {
      index = start
      throw fault("a number cannot be read")
    }
    return .number(value)
  }

  private static func inNumber(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || [0x2B, 0x2D, 0x2E, 0x45, 0x65].contains(byte)
  }
}

// MARK: - Strings

extension ByteJSONReader {
  private mutating func string() throws(DataError) -> [UInt8] {
    index += 1
    var result: [UInt8] = []
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case UInt8(ascii: "\""):
        index += 1
        return result
      case UInt8(ascii: "\\"): try escape(into: &result)
      case 0..<0x20: throw fault("a string has a control character")
      case 0..<0x80:
        result.append(byte)
        index += 1
      default: try character(into: &result)
      }
    }
    throw fault("a string has no end")
  }

  private mutating func character(into result: inout [UInt8]) throws(DataError) {
    let scalar = bytes.withUnsafeBufferPointer { buffer -> DecodedScalar? in
      buffer.baseAddress.map { UTF8Reader.decode($0, at: index, end: buffer.count) }
    }
    guard let scalar, scalar.value != UTF8Reader.invalid else { throw fault("a string is not UTF-8") }
    result += bytes[index..<index + scalar.length]
    index += scalar.length
  }

  private mutating func escape(into result: inout [UInt8]) throws(DataError) {
    index += 1
    let letter = next
    index += 1
    switch letter {
    case UInt8(ascii: "u"): result += Array(String(try escapedScalar()).utf8)
    default:
      guard let byte = jsonEscapes[letter] else { throw fault("a string has an unknown escape") }
      result.append(byte)
    }
  }

  private mutating func escapedScalar() throws(DataError) -> Unicode.Scalar {
    let first = try hexadecimalUnit()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, next == UInt8(ascii: "\\"), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: "u")
    else {
      throw fault("a string has half of a surrogate pair")
    }
    index += 2
    let second = try hexadecimalUnit()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x1_0000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else {
      throw fault("a string has half of a surrogate pair")
    }
    return scalar
  }

  private mutating func hexadecimalUnit() throws(DataError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(next)).hexDigitValue, next < 0x80 else {
        throw fault("an escape needs four digits")
      }
      value = value << 4 | UInt32(digit)
      index += 1
    }
    return value
  }
}

/// The bytes behind U+FEFF, which some editors put before UTF-8 and which is no part of the text.
public func withoutByteOrderMark(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
  bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
}

/// What the letter behind a backslash stands for in a string of JSON, `u` left out. Reference: RFC 8259, section 7.
public let jsonEscapes: [UInt8: UInt8] = [
  UInt8(ascii: "\""): UInt8(ascii: "\""), UInt8(ascii: "\\"): UInt8(ascii: "\\"), UInt8(ascii: "/"): UInt8(ascii: "/"),
  UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C, UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D,
  UInt8(ascii: "t"): 0x09,
]
