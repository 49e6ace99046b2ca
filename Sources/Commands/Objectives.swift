import ArgumentParser
import Comparison
import Core
import Foundation
import Objectives
import Storage

struct Objectives: SerialCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the objectives with their options and papers.",
    discussion: "Example: lockstep objectives --json")

  @Flag(help: "One JSON array instead of text.") var json = false

  struct Row: Codable {
    var name: String
    var summary: String
    var paper: String
    /// tokens or values.
    var input: String
    var attentionMask: String
    var options: [String: String]
  }

  func run() throws {
    let rows = ObjectiveRegistry.entries.map { entry in
      Row(
        name: entry.name, summary: entry.summary, paper: entry.paper,
        input: entry.defaultRequirements.input.rawValue,
        attentionMask: entry.defaultRequirements.attentionMask.rawValue,
        options: Dictionary(
          uniqueKeysWithValues: optionProperties(entry.defaultOptions).map {
            (snakeCase($0.name), optionText($0.value))
          }))
    }
    if json { return try StandardOutput.line(prettyJSON(rows)) }
    for row in rows {
      try StandardOutput.line("\(row.name.padding(toLength: 16, withPad: " ", startingAt: 0))\(row.summary)")
      try StandardOutput.line("                \(row.paper)")
      let options = row.options.sorted { $0.key < $1.key }.map { "\($0.key) = \($0.value)" }.joined(separator: ", ")
      if !options.isEmpty { try StandardOutput.line("                options: \(options)") }
    }
  }
}

/// An option's value as a configuration spells it.
func optionText(_ value: Any) -> String {
  func raw<Choice: RawRepresentable>(_ choice: Choice) -> String { "\(choice.rawValue)" }
  return (value as? any RawRepresentable).map { raw($0) } ?? "\(value)"
}

/// JSON as every command with `--json` prints it: keys sorted, indented. JSON has no number for what is not finite:
/// those are the texts "NaN", "Infinity" and "-Infinity", so that one broken number does not cost the others.
func prettyJSON(_ value: some Encodable) throws -> String {
  let text = String(decoding: try JSONEncoder.snakeCase(pretty: true).encode(value), as: UTF8.self)
  return text.unicodeScalars.contains(where: commandsTerminals) ? escaped(text) : text
}

/// The encoder escapes the controls of ASCII only. Outside of strings JSON has none, so all are inside.
private func escaped(_ json: String) -> String {
  var result = String.UnicodeScalarView()
  for scalar in json.unicodeScalars {
    guard commandsTerminals(scalar) else {
      result.append(scalar)
      continue
    }
    let digits = String(scalar.value, radix: 16)
    result.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).unicodeScalars)
  }
  return String(result)
}
