import Core
import Foundation
import Storage

/// Reads keys out of a configuration and remembers everything: which keys were read, what they resolved to, and all
/// that is wrong, so that a person gets every problem at once.
public final class ConfigurationReader {
  private let root: ConfigurationNode
  public private(set) var problems: [ConfigurationError.Problem] = []
  /// Sections in the order of reading, with their resolved values.
  private var resolved: [(section: String, values: [(key: String, value: ConfigurationNode)])] = []
  /// Every key that was read, in order, with what is known of it.
  public private(set) var keys: [ConfigurationKey] = []

  public init(_ root: ConfigurationNode) { self.root = root }

  public func note(_ key: String, _ sentence: String) { problems.append(.init(key: key, sentence: sentence)) }

  // MARK: - Values

  /// - Parameter about: the sentence that docs/configuration.md has for the key.
  public func integer(_ key: String, default value: Int, in range: ClosedRange<Int>? = nil, _ about: String = "") -> Int
  {
    list(
      key, "integer", .integer(value),
      range.map { $0.upperBound == Int.max ? "from \($0.lowerBound)" : "\($0.lowerBound) … \($0.upperBound)" }, about)
    let given = read(key, .integer(value), as: ConfigurationNode.integer, \.wholeNumber)
    if let range, !range.contains(given) {
      note(
        key,
        "is \(given); it must lie in \(range.lowerBound)...\(range.upperBound == Int.max ? "" : String(range.upperBound))."
      )
      // What follows may compute with the value before the problem is reported.
      return value
    }
    return given
  }

  /// - Parameter rule: the values allowed, where the caller checks them and not `range`.
  public func number(
    _ key: String, default value: Double, in range: ClosedRange<Double>? = nil, rule: String? = nil,
    _ about: String = ""
  ) -> Double {
    func text(_ end: Double) -> String { end == end.rounded() && abs(end) < 1e15 ? String(Int(end)) : "\(end)" }
    list(key, "number", .number(value), rule ?? range.map { "\(text($0.lowerBound)) … \(text($0.upperBound))" }, about)
    // A zero without its sign: 0, 0.0 and -0.0 are one value.
    let given = read(key, .number(value), as: { .number($0 == 0 ? 0 : $0) }, \.anyNumber)
    if !given.isFinite { note(key, "is \(given); it must be a finite number.") }
    if let range, given.isFinite, !range.contains(given) {
      note(key, "is \(given); it must lie in \(range.lowerBound)...\(range.upperBound).")
      return value
    }
    return given.isFinite ? given : value
  }

  public func boolean(_ key: String, default value: Bool, _ about: String = "") -> Bool {
    list(key, "true or false", .boolean(value), nil, about)
    return read(key, .boolean(value), as: ConfigurationNode.boolean) {
      if case .boolean(let flag) = $0 { flag } else { nil }
    }
  }

  /// - Parameter choices: the texts there are; empty for any. Another one is noted.
  public func string(_ key: String, default value: String, among choices: [String] = [], _ about: String = "") -> String
  {
    list(key, choices.isEmpty ? "string" : choices.joined(separator: ", "), .string(value), nil, about)
    let text = read(key, .string(value), as: ConfigurationNode.string, \.characters)
    if choices.isEmpty || choices.contains(text) { return text }
    note(key, "is \"\(text)\"; it must be one of \(choices.joined(separator: ", ")).")
    return value
  }

  /// - Parameter range: what each of them must lie in.
  public func integers(_ key: String, default values: [Int], in range: ClosedRange<Int>, _ about: String = "") -> [Int]
  {
    let given = list(key, "integer", default: values, about, ConfigurationNode.integer, \.wholeNumber)
    if let wrong = given.first(where: { !range.contains($0) }) {
      note(key, "has \(wrong); each must lie in \(range.lowerBound)...\(range.upperBound).")
      return values
    }
    return given
  }

  /// One of the raw values of an enumeration.
  public func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, default value: Choice, _ about: String = ""
  ) -> Choice
  where Choice.RawValue == String {
    Choice(rawValue: string(key, default: value.rawValue, among: Choice.allCases.map(\.rawValue), about)) ?? value
  }

  /// A text that may look like a number, such as the place of a column.
  private func textOrNumber(_ key: String, default value: String, _ about: String) -> String {
    if case .integer(let number)? = find(key) {
      list(key, "string", .string(value), nil, about)
      record(key, .string(String(number)))
      return String(number)
    }
    return string(key, default: value, about)
  }

  /// Numbers, flags or texts in brackets; all of one kind.
  private func list<Element>(
    _ key: String, _ kind: String, default values: [Element], _ about: String, _ node: (Element) -> ConfigurationNode,
    _ convert: (ConfigurationNode) -> Element?
  ) -> [Element] {
    let fallback = ConfigurationNode.array(values.map(node))
    list(key, "list of \(kind)s", fallback, nil, about)
    return read(key, fallback, as: { .array($0.map(node)) }) { found in
      guard case .array(let elements) = found else { return nil }
      let converted = elements.compactMap(convert)
      return converted.count == elements.count ? converted : nil
    }
  }

  /// Options of an objective or a measure: every stored property is a key of `section`, in snake_case, and its default
  /// the property's.
  ///
  /// A property may be a flag, an integer, a number, a text, an enumeration of texts, a list of these, or a group of
  /// options: a value with properties of its own, whose keys then stand in the section `section.property`.
  ///
  /// - Parameter sentences: what docs/configuration.md says of each key, by its path below `section`.
  public func options(
    _ entry: (defaults: any Codable & Sendable, decode: (any Decoder) throws -> any Codable & Sendable),
    section: String,
    sentences: [String: String] = [:]
  ) -> (any Codable & Sendable)? {
    let object = group(entry.defaults, section, "", sentences)
    do {
      let bytes = Data(object.compact.utf8)
      return try JSONDecoder().decode(Captured.self, from: bytes, configuration: Captured.Decode(entry.decode)).value
    } catch {
      note(section, "has an option with a value that is not among its choices.")
      return nil
    }
  }

  /// The values of a group of options by property, as the decoder of their type reads them.
  private func group(_ defaults: Any, _ section: String, _ path: String, _ sentences: [String: String]) -> JSONValue {
    .object(
      optionProperties(defaults).map { label, value in
        let name = snakeCase(label)
        return .init(label, option(value, "\(section).\(name)", path + name, sentences))
      })
  }

  /// The property's own type decides what the key takes.
  private func option(_ value: Any, _ key: String, _ path: String, _ sentences: [String: String]) -> JSONValue {
    let about = sentences[path] ?? ""
    switch value {
    case let flag as Bool: return .bool(boolean(key, default: flag, about))
    case let count as Int: return .integer(integer(key, default: count, about))
    case let number as Double: return .lossless(self.number(key, default: number, about))
    case let text as String: return .string(textOrNumber(key, default: text, about))
    case let counts as [Int]:
      return .array(
        list(key, "integer", default: counts, about, ConfigurationNode.integer, \.wholeNumber).map(JSONValue.integer))
    case let numbers as [Double]:
      return .array(
        list(key, "number", default: numbers, about, ConfigurationNode.number, \.anyNumber).map(JSONValue.lossless))
    case let texts as [String]:
      return .array(
        list(key, "string", default: texts, about, ConfigurationNode.string, \.characters).map(JSONValue.string))
    default:
      guard let (own, all) = choices(value) else { return group(value, key, path + ".", sentences) }
      return .string(string(key, default: own, among: all, about))
    }
  }

  /// - Parameter node: the value in its one spelling, which is what the resolved file has and what is hashed.
  private func read<Value>(
    _ key: String, _ fallback: ConfigurationNode, as spelt: (Value) -> ConfigurationNode,
    _ convert: (ConfigurationNode) -> Value?
  ) -> Value {
    let node = find(key)
    if let node, let value = convert(node) {
      record(key, spelt(value))
      return value
    }
    if let node { note(key, "is \(node.text), \(node.kind); it must be \(fallback.kind), such as \(fallback.text).") }
    record(key, fallback)
    guard let value = convert(fallback) else { preconditionFailure("the default of \(key) is not of its own kind") }
    return value
  }

  /// The node at a key path, if the file has it.
  public func find(_ key: String) -> ConfigurationNode? {
    key.split(separator: ".").reduce(root as ConfigurationNode?) { node, name in
      if case .table(let table)? = node { table[String(name)] } else { nil }
    }
  }

  // MARK: - What was read

  private func list(_ key: String, _ type: String, _ fallback: ConfigurationNode, _ range: String?, _ about: String) {
    var (range, sentence) = (range ?? "", about)
    // Options check their own values, and say the range in the sentence.
    if range.isEmpty, let found = about.firstMatch(of: #/, ([0-9.]+ … [0-9]+(?:\.[0-9]+)?)/#) {
      range = String(found.1)
      sentence.removeSubrange(found.range)
    }
    keys.append(ConfigurationKey(key: key, type: type, fallback: fallback.text, range: range, sentence: sentence))
  }

  private func record(_ key: String, _ value: ConfigurationNode) {
    let parts = key.split(separator: ".")
    let section = parts.dropLast().joined(separator: ".")
    let name = String(parts.last ?? "")
    if let index = resolved.firstIndex(where: { $0.section == section }) {
      resolved[index].values.append((name, value))
    } else {
      resolved.append((section, [(name, value)]))
    }
  }

  /// Unknown keys, each with the nearest one there is.
  /// - Parameter explain: what else is known of a key that is none here, as a sentence without it.
  public func noteUnknownKeys(explain: (String) -> String? = { _ in nil }) {
    let known = resolved.flatMap { section in
      section.values.map { section.section.isEmpty ? $0.key : "\(section.section).\($0.key)" }
    }
    let unknown = leaves(root, "").filter { leaf in
      !known.contains(leaf) && !known.contains { $0.hasPrefix(leaf + ".") }
    }
    let sections = resolved.map(\.section).filter { !$0.isEmpty }
    if unknown.count > 12 { note("", "There are \(unknown.count) unknown keys; these are the first.") }
    for key in unknown.prefix(12) {
      if let reason = RenamedKeys.sentence(key, among: known) ?? explain(key) {
        note(key, reason)
      } else if key.utf8.count <= 100, let nearest = nearestKey(to: key, among: known + sections) {
        note(key, "is not a key; did you mean \(nearest)?")
      } else {
        note(key, "is not a key.")
      }
    }
  }

  private func leaves(_ node: ConfigurationNode, _ path: String) -> [String] {
    // A section without keys is a leaf too, so that a misspelt one is named.
    guard case .table(let table) = node, !(table.isEmpty && !path.isEmpty) else { return [path] }
    return table.sorted { $0.key < $1.key }.flatMap { leaves($0.value, path.isEmpty ? $0.key : "\(path).\($0.key)") }
  }

  /// Every key that was read, by its path, with its resolved value as TOML writes it.
  public var values: [(key: String, text: String)] {
    resolved.flatMap { section, values in
      values.map { (section.isEmpty ? $0.key : "\(section).\($0.key)", $0.value.text) }
    }
  }

  /// The resolved configuration as TOML, every default written out.
  public func toml() -> String {
    resolved.map { section, values in
      let lines = values.map { "\($0.key) = \($0.value.text)" }
      return (section.isEmpty ? lines : ["[\(section)]"] + lines).joined(separator: "\n")
    }.joined(separator: "\n\n") + "\n"
  }
}

/// The name of a value of an enumeration of texts, and those of all; nil for anything else.
private func choices(_ value: Any) -> (own: String, all: [String])? {
  func names<Choice: CaseIterable & RawRepresentable>(_ choice: Choice) -> (String, [String])? {
    (choice.rawValue as? String).map { ($0, Choice.allCases.compactMap { $0.rawValue as? String }) }
  }
  guard let choice = value as? any (CaseIterable & RawRepresentable) else { return nil }
  return names(choice)
}

extension ConfigurationNode {
  /// The value as an integer, which may be spelt 8.0.
  fileprivate var wholeNumber: Int? {
    switch self {
    case .integer(let number): number
    case .number(let number) where number == number.rounded() && abs(number) < 1e15: Int(number)
    default: nil
    }
  }

  fileprivate var anyNumber: Double? {
    switch self {
    case .integer(let number): Double(number)
    case .number(let number): number
    default: nil
    }
  }

  fileprivate var characters: String? { if case .string(let text) = self { text } else { nil } }
}

/// The key with the fewest changed letters, if it is near enough to be a misspelling.
func nearestKey(to key: String, among known: [String]) -> String? {
  func name(_ key: String) -> Substring { key.split(separator: ".").last ?? "" }
  let scored = known.map { candidate in
    (candidate, min(editDistance(key, candidate), editDistance(String(name(key)), String(name(candidate))) + 1))
  }
  guard let best = scored.min(by: { ($0.1, $0.0) < ($1.1, $1.0) }), best.1 <= max(2, name(key).count / 2) else {
    return nil
  }
  return best.0
}

/// Levenshtein's distance.
func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.lowercased()), Array(b.lowercased()))
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
      diagonal = row[j + 1]
      row[j + 1] = cost
    }
  }
  return row[b.count]
}

/// Decoding through a closure: what lets the registry decode options whose type the reader does not know.
private struct Captured: DecodableWithConfiguration {
  struct Decode {
    let body: (any Decoder) throws -> any Codable & Sendable
    init(_ body: @escaping (any Decoder) throws -> any Codable & Sendable) { self.body = body }
  }

  let value: any Codable & Sendable

  init(from decoder: any Decoder, configuration: Decode) throws { value = try configuration.body(decoder) }
}
