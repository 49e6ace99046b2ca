import Core

/// Refuses texts that the TOML parser would cut off, end the process at, or nest so deep that freeing them overruns
/// the stack: it takes a text up to the first zero byte, also one that is spelt out, asserts that a table's name begins
/// like one, and puts no bound on the levels of a dotted name.
///
/// Quoted texts and comments are passed over as the parser does in a sound text; it stops by itself at the first
/// place that is not.
struct TOMLGuard {
  static let mostBytes = 1 << 20
  static let mostDots = 1000

  private let bytes: [UInt8]
  private var index = 0
  private var dots = 0
  /// Brackets and braces that are open.
  private var depth = 0
  /// Where a quoted text spells a zero byte out; nil for nowhere.
  private var escapedZero: Int?
  /// Nothing but blanks stood on this line so far.
  private var isLineStart = true

  /// - Throws: `ConfigurationError` naming the rule.
  static func check(_ text: String, place: String) throws(ConfigurationError) {
    guard text.utf8.count <= mostBytes else {
      throw ConfigurationError(place, "has \(text.utf8.count) bytes; a configuration has at most \(mostBytes).")
    }
    var check = TOMLGuard(bytes: Array(text.utf8))
    try check.run(place)
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private mutating func run(_ place: String) throws(ConfigurationError) {
    guard !bytes.contains(0) else { throw ConfigurationError(place, "is not TOML: it holds a zero byte.") }
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
    while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "\""), UInt8(ascii: "'"):
        isLineStart = false
        skipQuoted()
        if let zero = escapedZero {
          index = zero
          throw fault(place, "no text holds a zero byte")
        }
      case UInt8(ascii: "#"): index = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.count
      case 0x80...:
        throw fault(place, "outside quotes and comments all characters are ASCII; put the text into quotes")
      default:
        if bytes[index] == UInt8(ascii: "["), isLineStart, depth == 0, !namesTable {
          throw fault(place, "a table begins with its name between brackets, as in [model]")
        }
        count(bytes[index])
        index += 1
      }
    }
    guard dots <= Self.mostDots else {
      throw ConfigurationError(
        place, "has \(dots) dots outside quotes and comments; a configuration has at most \(Self.mostDots).")
    }
  }

  private func fault(_ place: String, _ rule: String) -> ConfigurationError {
    ConfigurationError("\(place):\(bytes[..<index].count { $0 == UInt8(ascii: "\n") } + 1)", "is not TOML: \(rule).")
  }

  private mutating func count(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "."): dots += 1
    case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
    case UInt8(ascii: "]"), UInt8(ascii: "}"): depth = max(0, depth - 1)
    default: break
    }
    let isBlank = byte == 0x20 || byte == 0x09
    isLineStart = (0x0A...0x0D).contains(byte) || (isLineStart && isBlank)
  }

  /// Whether what follows the bracket at `index`, or two of them, and blanks, begins a name or closes the bracket.
  private var namesTable: Bool {
    let rest = bytes[(index + 1)...]
    let inner = rest.first == UInt8(ascii: "[") ? rest.dropFirst() : rest
    guard let first = inner.first(where: { $0 != 0x20 && $0 != 0x09 }) else { return true }
    return Character(Unicode.Scalar(first)).isLetter || (0x30...0x39).contains(first) || "_-\"']".utf8.contains(first)
  }

  /// Goes on behind a quoted text: one line, or several between three quotes.
  private mutating func skipQuoted() {
    let quote = bytes[index]
    let isLong = closes(quote, count: 3)
    index += isLong ? 3 : 1
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "\\"), quote == UInt8(ascii: "\"") {
        let escape = bytes[(index + 1)...].prefix(9)
        if escape.starts(with: "u0000".utf8) || escape.elementsEqual("U00000000".utf8) { escapedZero = index }
        index += 2
      } else if closes(quote, count: isLong ? 3 : 1) {
        index += isLong ? 3 : 1
        return
      } else if bytes[index] == UInt8(ascii: "\n"), !isLong {
        return
      } else {
        index += 1
      }
    }
  }

  private func closes(_ quote: UInt8, count: Int) -> Bool {
    index + count <= bytes.count && bytes[index..<index + count].allSatisfy { $0 == quote }
  }
}
