import Core

/// JSON with its order kept and its strings as UTF-8 bytes.
///
/// Strings are bytes because `String` compares by canonical equivalence: a composed and a decomposed é
/// are equal there and two tokens here.
public enum ByteJSON: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  case string([UInt8])
  case array([ByteJSON])
  case object([ByteJSONMember])

  public static func text(_ string: String) -> ByteJSON { .string(Array(string.utf8)) }

  public static func members(_ members: KeyValuePairs<String, ByteJSON>) -> ByteJSON {
    .object(members.map { ByteJSONMember(name: Array($0.key.utf8), value: $0.value) })
  }

  /// Value of the member `name`; nil for other kinds, absent members and null.
  public subscript(_ name: String) -> ByteJSON? {
    guard case .object(let members) = self else { return nil }
    guard let value = members.first(where: { $0.name.elementsEqual(name.utf8) })?.value, value != .null else {
      return nil
    }
    return value
  }

  public var string: String? {
    guard case .string(let bytes) = self else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }

  public var bytes: [UInt8]? {
    guard case .string(let bytes) = self else { return nil }
    return bytes
  }

  public var bool: Bool? {
    guard case .bool(let value) = self else { return nil }
    return value
  }

  /// The flag `name`, or `otherwise` where there is none or null.
  ///
  /// - Throws: `DataError` when it is something else than true or false.
  public func flag(_ name: String, _ otherwise: Bool, place: String) throws(DataError) -> Bool {
    guard let value = self[name] else { return otherwise }
    guard let flag = value.bool else { throw DataError(place, "\(name) is neither true nor false.") }
    return flag
  }

  public var integer: Int? {
    guard case .integer(let value) = self else { return nil }
    return value
  }

  public var array: [ByteJSON]? {
    guard case .array(let values) = self else { return nil }
    return values
  }

  public var object: [ByteJSONMember]? {
    guard case .object(let members) = self else { return nil }
    return members
  }
}

/// One `"name": value` of an object.
public struct ByteJSONMember: Sendable, Equatable {
  public let name: [UInt8]
  public let value: ByteJSON

  public init(name: [UInt8], value: ByteJSON) { (self.name, self.value) = (name, value) }
}

// MARK: - Writing

extension ByteJSON {
  /// The value as compact JSON; the same bytes for the same value.
  public func serialized() -> [UInt8] {
    var output: [UInt8] = []
    write(to: &output)
    return output
  }

  private func write(to output: inout [UInt8]) {
    switch self {
    case .null: output += "null".utf8
    case .bool(let value): output += (value ? "true" : "false").utf8
    case .integer(let value): output += String(value).utf8
    case .number(let value): output += String(value).utf8
    case .string(let bytes): Self.writeString(bytes, to: &output)
    case .array(let values):
      output.append(UInt8(ascii: "["))
      for (index, value) in values.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        value.write(to: &output)
      }
      output.append(UInt8(ascii: "]"))
    case .object(let members):
      output.append(UInt8(ascii: "{"))
      for (index, member) in members.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        Self.writeString(member.name, to: &output)
        output.append(UInt8(ascii: ":"))
        member.value.write(to: &output)
      }
      output.append(UInt8(ascii: "}"))
    }
  }

  private static func writeString(_ bytes: [UInt8], to output: inout [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    output.append(UInt8(ascii: "\""))
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
      case 0..<0x20: output += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }
}
