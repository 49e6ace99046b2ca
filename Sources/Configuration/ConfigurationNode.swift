import Core
import TOMLKit

/// A configuration as read: nested tables of plain values.
public indirect enum ConfigurationNode: Sendable, Equatable {
  case table([String: ConfigurationNode])
  case array([ConfigurationNode])
  case string(String)
  case integer(Int)
  case number(Double)
  case boolean(Bool)

  /// How an error names this kind of value.
  var kind: String {
    switch self {
    case .table: "a table"
    case .array: "an array"
    case .string: "a string"
    case .integer: "an integer"
    case .number: "a number"
    case .boolean: "true or false"
    }
  }

  /// As TOML writes it.
  public var text: String {
    switch self {
    case .table(let table):
      "{ " + table.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value.text)" }.joined(separator: ", ") + " }"
    case .array(let values): "[" + values.map(\.text).joined(separator: ", ") + "]"
    case .string(let value): "\"" + value.flatMap { Self.escaped($0) } + "\""
    case .integer(let value): String(value)
    case .number(let value): value == value.rounded() && abs(value) < 1e15 ? String(value) : "\(value)"
    case .boolean(let value): String(value)
    }
  }

  private static func escaped(_ character: Character) -> String {
    switch character {
    case "\"": "\\\""
    case "\\": "\\\\"
    case "\n": "\\n"
    case "\t": "\\t"
    default:
      character.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        ? String(character) : character.unicodeScalars.map { "\\u" + hexadecimal16($0.value) }.joined()
    }
  }

  private static func hexadecimal16(_ value: UInt32) -> String {
    let digits = String(value, radix: 16, uppercase: true)
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
  }
}

extension ConfigurationNode {
  /// Parses TOML. - Parameter place: the file's name, for errors.
  public static func parse(_ text: String, place: String) throws(ConfigurationError) -> ConfigurationNode {
    try TOMLGuard.check(text, place: place)
    do {
      return try node(TOMLTable(string: text), place)
    } catch let error as TOMLParseError {
      throw ConfigurationError(
        "\(place):\(error.source.begin.line):\(error.source.begin.column)", "is not TOML: \(error.description).")
    } catch let error as ConfigurationError {
      throw error
    } catch {
      throw ConfigurationError(place, "is not TOML: \(error).")
    }
  }

  private static func node(_ value: any TOMLValueConvertible, _ place: String) throws -> ConfigurationNode {
    switch value.type {
    case .table:
      guard let table = value.table else { break }
      var members: [String: ConfigurationNode] = [:]
      for (name, value) in zip(table.keys, table.values) {
        // The parser compares bytes; equal to a reader are also a letter with its accent and the two apart.
        guard members.updateValue(try node(value, place.isEmpty ? name : "\(place).\(name)"), forKey: name) == nil
        else {
          throw ConfigurationError(place, "has two keys that read \(name).")
        }
      }
      return .table(members)
    case .array:
      guard let array = value.array else { break }
      return .array(try array.map { try node($0, place) })
    case .string: if let text = value.string { return .string(text) }
    case .int: if let number = value.int { return .integer(number) }
    case .double: if let number = value.double { return .number(number) }
    case .bool: if let flag = value.bool { return .boolean(flag) }
    default: break
    }
    throw ConfigurationError(place, "is a date or another value that no key takes.")
  }

  /// The tree with `key=value` set, as `--set optimizer.learningRate=3e-4`. The value is TOML; what is not, is a
  /// string.
  public func setting(_ assignment: String) throws(ConfigurationError) -> ConfigurationNode {
    guard let equals = assignment.firstIndex(of: "="), equals > assignment.startIndex else {
      throw ConfigurationError("--set \(assignment)", "must have the form key=value, such as --set duration.steps=100.")
    }
    let path = assignment[..<equals].split(separator: ".", omittingEmptySubsequences: false).map {
      $0.filter { $0 != " " }
    }
    guard path.allSatisfy({ !$0.isEmpty }) else {
      throw ConfigurationError("--set \(assignment)", "has an empty name in its key.")
    }
    let text = String(assignment[assignment.index(after: equals)...])
    var value = ConfigurationNode.string(text)
    if let parsed = try? Self.parse("value = \(text)", place: "--set"), case .table(let table) = parsed,
      let found = table["value"]
    {
      value = found
    } else if text.wholeMatch(of: #/[+-]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/#) != nil {
      throw ConfigurationError("--set \(assignment)", "has a number that 64 bits cannot hold.")
    }
    return try setting(path[...], to: value, assignment)
  }

  private func setting(_ path: ArraySlice<String>, to value: ConfigurationNode, _ assignment: String)
    throws(ConfigurationError)
    -> ConfigurationNode
  {
    guard let first = path.first else { return value }
    guard case .table(var table) = self else {
      throw ConfigurationError("--set \(assignment)", "goes below a key that is \(kind), not a table.")
    }
    table[first] = try (table[first] ?? .table([:])).setting(path.dropFirst(), to: value, assignment)
    return .table(table)
  }
}
