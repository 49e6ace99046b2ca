/// Why a text is not JSON, and at which byte.
public struct JSONProblem: Error, Equatable, Sendable, CustomStringConvertible {
  public let offset: Int
  public let sentence: String
  public var description: String { "\(sentence) at byte \(offset)" }
}

extension JSONValue {
  /// Reads one document. Spaces may follow it, nothing else.
  ///
  /// - Throws: `JSONProblem` for anything RFC 8259 does not allow, for a name that occurs twice in one
  ///   object, and for more than 128 levels of nesting.
  public static func parse(_ bytes: UnsafeRawBufferPointer) throws(JSONProblem) -> JSONValue {
    var reader = JSONReader(bytes: bytes)
    let value = try reader.value(depth: 0)
    reader.skipSpaces()
    guard reader.offset == bytes.count else { throw reader.problem("something follows the document") }
    return value
  }

  public static func parse(_ bytes: [UInt8]) throws(JSONProblem) -> JSONValue {
    try bytes.withUnsafeBytes { buffer in
      Result { () throws(JSONProblem) in try parse(buffer) }
    }.get()
  }

  public static func parse(_ text: String) throws(JSONProblem) -> JSONValue { try parse(Array(text.utf8)) }
}

/// A cursor over the bytes of a document.
///
/// Invariant: `offset` lies in 0 ... bytes.count, and `bytes` outlives the cursor, which lives inside one call of
/// `parse`.
struct JSONReader {
  let bytes: UnsafeRawBufferPointer
  var offset = 0

  var next: UInt8? { offset < bytes.count ? bytes[offset] : nil }

  func problem(_ sentence: String) -> JSONProblem { JSONProblem(offset: offset, sentence: sentence) }

  mutating func skipSpaces() {
    while let byte = next, byte == 0x20 || (0x09...0x0A).contains(byte) || byte == 0x0D { offset += 1 }
  }

  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard next == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  mutating func value(depth: Int) throws(JSONProblem) -> JSONValue {
    guard depth <= 128 else { throw problem("more than 128 levels of nesting") }
    skipSpaces()
    guard let next else { throw problem("the document ends where a value should be") }
    switch next {
    case UInt8(ascii: "{"): return .object(try members(depth: depth))
    case UInt8(ascii: "["): return .array(try elements(depth: depth))
    case UInt8(ascii: "\""): return .string(try quoted())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return .number(try number())
    default: throw problem("no value begins like this")
    }
  }

  mutating func word(_ text: String, _ value: JSONValue) throws(JSONProblem) -> JSONValue {
    guard offset + text.utf8.count <= bytes.count, bytes[offset..<offset + text.utf8.count].elementsEqual(text.utf8)
    else {
      throw problem("no value begins like this")
    }
    offset += text.utf8.count
    return value
  }

  mutating func members(depth: Int) throws(JSONProblem) -> [JSONValue.Member] {
    offset += 1
    var members: [JSONValue.Member] = []
    // A set costs more than it saves while there are few.
    var names = Set<String>()
    skipSpaces()
    if take("}") { return members }
    repeat {
      skipSpaces()
      guard next == UInt8(ascii: "\"") else { throw problem("a name in quotes is missing") }
      let name = try quoted()
      if members.count == 16 { names = Set(members.map(\.name)) }
      let isNew = members.count < 16 ? !members.contains { $0.name == name } : names.insert(name).inserted
      guard isNew else { throw problem("the name \"\(name)\" occurs twice") }
      skipSpaces()
      guard take(":") else { throw problem("a colon is missing") }
      members.append(.init(name, try value(depth: depth + 1)))
      skipSpaces()
    } while take(",")
    guard take("}") else { throw problem("a comma or a closing brace is missing") }
    return members
  }

  mutating func elements(depth: Int) throws(JSONProblem) -> [JSONValue] {
    offset += 1
    var elements: [JSONValue] = []
    skipSpaces()
    if take("]") { return elements }
    repeat {
      elements.append(try value(depth: depth + 1))
      skipSpaces()
    } while take(",")
    guard take("]") else { throw problem("a comma or a closing bracket is missing") }
    return elements
  }

  mutating func digits() throws(JSONProblem) {
    let start = offset
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { offset += 1 }
    guard offset > start else { throw problem("a digit is missing") }
  }

  mutating func number() throws(JSONProblem) -> String {
    let start = offset
    try skipNumber()
    return String(decoding: UnsafeRawBufferPointer(rebasing: bytes[start..<offset]), as: UTF8.self)
  }

  mutating func skipNumber() throws(JSONProblem) {
    _ = take("-")
    if !take("0") { try digits() }
    if take(".") { try digits() }
    if take("e") || take("E") {
      _ = take("+") || take("-")
      try digits()
    }
  }

  mutating func quoted() throws(JSONProblem) -> String {
    offset += 1
    if let end = plainEnd(from: offset) {
      defer { offset = end + 1 }
      guard let string = String(validating: UnsafeRawBufferPointer(rebasing: bytes[offset..<end]), as: UTF8.self) else {
        throw problem("a text is not UTF-8")
      }
      return string
    }
    var text: [UInt8] = []
    while let byte = next {
      offset += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else { throw problem("a text is not UTF-8") }
        return string
      case UInt8(ascii: "\\"): text += Array(String(try escaped()).utf8)
      case 0..<0x20: throw problem("a control character stands unescaped in a text")
      default: text.append(byte)
      }
    }
    throw problem("a text has no closing quote")
  }

  /// Where the closing quote of a text without escapes stands; nil for any other.
  func plainEnd(from start: Int) -> Int? {
    var end = start
    while end < bytes.count {
      let byte = bytes[end]
      if byte == UInt8(ascii: "\"") { return end }
      if byte == UInt8(ascii: "\\") || byte < 0x20 { return nil }
      end += 1
    }
    return nil
  }

  mutating func escaped() throws(JSONProblem) -> Character {
    guard let byte = next else { throw problem("a text has no closing quote") }
    offset += 1
    switch byte {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try unicode()
    default: throw problem("an unknown escape in a text")
    }
  }

  /// Four hexadecimal digits, or two groups of them for a character beyond the basic plane.
  mutating func unicode() throws(JSONProblem) -> Character {
    let high = try unit()
    if let scalar = Unicode.Scalar(high) { return Character(scalar) }
    guard (0xD800..<0xDC00).contains(high), take("\\"), take("u") else { throw problem("half a surrogate pair") }
    let low = try unit()
    guard (0xDC00..<0xE000).contains(low), let scalar = Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    else {
      throw problem("half a surrogate pair")
    }
    return Character(scalar)
  }

  mutating func unit() throws(JSONProblem) -> UInt32 {
    guard offset + 4 <= bytes.count, let text = String(validating: bytes[offset..<offset + 4], as: UTF8.self),
      text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }), let value = UInt32(text, radix: 16)
    else { throw problem("four hexadecimal digits are missing") }
    offset += 4
    return value
  }
}
