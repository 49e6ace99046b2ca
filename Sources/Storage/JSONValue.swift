/// A JSON document that keeps the order of its members and the spelling of its numbers, and refuses a
/// name that occurs twice in one object.
///
/// Files that must be equal byte for byte are written through it; headers nobody vouches for are read with it.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  /// The number as it is spelt.
  case number(String)
  case string(String)
  case array([JSONValue])
  case object([Member])

  public struct Member: Sendable, Equatable {
    public var name: String
    public var value: JSONValue

    public init(_ name: String, _ value: JSONValue) {
      self.name = name
      self.value = value
    }
  }

  public static func integer(_ value: some BinaryInteger) -> JSONValue { .number(String(value)) }

  /// The shortest decimals that read back as the same value; null where JSON has no number for it.
  public static func float(_ value: some BinaryFloatingPoint & LosslessStringConvertible) -> JSONValue {
    value.isFinite ? .number(value.description) : .null
  }

  /// The same, but a text where JSON has no number: "NaN", "Infinity" or "-Infinity", as `losslessDouble` reads them.
  public static func lossless(_ value: Double) -> JSONValue {
    if value.isFinite { return .float(value) }
    return .string(value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity")
  }

  /// A number, or one of the texts of `lossless`.
  public var losslessDouble: Double? {
    switch self {
    case .string("NaN"): .nan
    case .string("Infinity"): .infinity
    case .string("-Infinity"): -.infinity
    default: double
    }
  }

  /// The member of that name, of an object.
  public subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  public var string: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  /// The number as an integer, when it is spelt as one (or as a float without a fraction) and fits.
  public var integer: Int? {
    guard case .number(let text) = self else { return nil }
    return Int(text) ?? Double(text).flatMap { Int(exactly: $0) }
  }

  public var double: Double? {
    guard case .number(let text) = self else { return nil }
    return Double(text)
  }

  public var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  public var array: [JSONValue]? {
    guard case .array(let values) = self else { return nil }
    return values
  }

  public var members: [Member]? {
    guard case .object(let members) = self else { return nil }
    return members
  }
}

// MARK: - Writing

extension JSONValue {
  /// The document on one line, without spaces.
  public var compact: String {
    var out = ""
    write(into: &out, indent: nil, depth: 0)
    return out
  }

  /// The document with one member a line, indented by two spaces, and a final line break.
  public var pretty: String {
    var out = ""
    write(into: &out, indent: "  ", depth: 0)
    return out + "\n"
  }

  private func write(into out: inout String, indent: String?, depth: Int) {
    switch self {
    case .null: out += "null"
    case .bool(let value): out += value ? "true" : "false"
    case .number(let text): out += text
    case .string(let text): Self.writeQuoted(text, into: &out)
    case .array(let values):
      Self.writeList("[", values, "]", into: &out, indent: indent, depth: depth) { value, out in
        value.write(into: &out, indent: indent, depth: depth + 1)
      }
    case .object(let members):
      Self.writeList("{", members, "}", into: &out, indent: indent, depth: depth) { member, out in
        Self.writeQuoted(member.name, into: &out)
        out += indent == nil ? ":" : ": "
        member.value.write(into: &out, indent: indent, depth: depth + 1)
      }
    }
  }

  private static func writeList<Element>(
    _ open: String, _ elements: [Element], _ close: String, into out: inout String, indent: String?, depth: Int,
    element: (Element, inout String) -> Void
  ) {
    out += open
    for (index, item) in elements.enumerated() {
      if index > 0 { out += "," }
      if let indent { out += "\n" + String(repeating: indent, count: depth + 1) }
      element(item, &out)
    }
    if let indent, !elements.isEmpty { out += "\n" + String(repeating: indent, count: depth) }
    out += close
  }

  private static func writeQuoted(_ text: String, into out: inout String) {
    out += "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        out += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: out.unicodeScalars.append(scalar)
      }
    }
    out += "\""
  }
}
