import Core
import Foundation
import Objectives

// Options: what is written is what is read, and what cannot be meant is refused by name.
extension ObjectiveCheck {
  func optionFaults() throws -> [String] {
    let defaults = try table(entry.defaultOptions)
    var faults: [String] = []
    if try table(try make(options: entry.defaultOptions).options) != defaults {
      faults.append("an objective made with default options has others")
    }
    if try table(decoded(defaults)) != defaults { faults.append("default options do not survive coding") }
    for (key, value) in defaults {
      faults += try survivalFaults(key, value.other, defaults)
      if value.isNumber { faults += try rangeFaults(key, defaults) }
    }
    return faults
  }

  /// Another value than the default is kept.
  private func survivalFaults(_ key: String, _ value: OptionValue, _ defaults: [String: OptionValue]) throws -> [String]
  {
    let wanted = defaults.merging([key: value]) { $1 }
    let back = try table(decoded(wanted))
    return back == wanted ? [] : ["\(key) = \(value) does not survive coding"]
  }

  /// Values far out are refused by an error that names the key.
  private func rangeFaults(_ key: String, _ defaults: [String: OptionValue]) throws -> [String] {
    try [-1_000_000_000, 1_000_000_000].compactMap { extreme in
      let options = try decoded(defaults.merging([key: .whole(extreme)]) { $1 })
      do throws(ConfigurationError) {
        _ = try make(options: options)
        return "\(key) = \(extreme) is accepted"
      } catch {
        let isNamed = error.problems.contains {
          $0.key == "objective.\(snakeCase(key))" && $0.sentence.contains("must")
        }
        return isNamed
          ? nil : "the error for \(key) = \(extreme) names neither objective.\(snakeCase(key)) nor its rule: \(error)"
      }
    }
  }

  /// Through the entry's own closure, as the run configuration does it.
  private func decoded(_ table: [String: OptionValue]) throws -> any ObjectiveOptions {
    guard let key = Decoded.key else { preconditionFailure("a key for the closure that decodes") }
    let decoder = JSONDecoder()
    decoder.userInfo[key] = entry.decode
    return try decoder.decode(Decoded.self, from: JSONEncoder().encode(table)).options
  }

  private func table(_ options: any ObjectiveOptions) throws -> [String: OptionValue] {
    try JSONDecoder().decode([String: OptionValue].self, from: JSONEncoder().encode(options))
  }

  private struct Decoded: Decodable {
    static let key = CodingUserInfoKey(rawValue: "entry.decode")
    let options: any ObjectiveOptions

    init(from decoder: any Decoder) throws {
      guard let key = Self.key,
        let decode = decoder.userInfo[key] as? @Sendable (any Decoder) throws -> any ObjectiveOptions
      else {
        throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "there is no closure that decodes"))
      }
      options = try decode(decoder)
    }
  }
}

/// One option as it stands in a file.
enum OptionValue: Codable, Equatable {
  case flag(Bool)
  case whole(Int)
  case number(Double)
  case text(String)

  init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let flag = try? container.decode(Bool.self) {
      self = .flag(flag)
    } else if let whole = try? container.decode(Int.self) {
      self = .whole(whole)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else {
      self = .text(try container.decode(String.self))
    }
  }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .flag(let value): try container.encode(value)
    case .whole(let value): try container.encode(value)
    case .number(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    }
  }

  var isNumber: Bool {
    switch self {
    case .whole, .number: true
    case .flag, .text: false
    }
  }

  /// A different value of the same kind; the names behind texts are not known here.
  var other: OptionValue {
    switch self {
    case .flag(let value): .flag(!value)
    case .whole(let value): .whole(value + 1)
    case .number(let value): .number(value * 0.875)
    case .text(let value): .text(value)
    }
  }
}
