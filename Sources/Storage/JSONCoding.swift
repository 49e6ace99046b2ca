import Core
import Foundation

// Keys in files are in snake_case, as in Hugging Face's config.json; properties in Swift are in camelCase. Both
// directions are here, so that every file of the project spells its keys alike. Keys of dictionaries, such as names of
// parameters, stay as they are.

extension JSONEncoder {
  /// The encoder of every JSON that Lockstep writes: keys in snake_case and sorted, slashes as such, and what is not
  /// finite as the texts `"NaN"`, `"Infinity"` and `"-Infinity"`, for which JSON has no number. Equal values give equal
  /// bytes.
  public static func snakeCase(pretty: Bool = false) -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting =
      pretty ? [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes] : [.sortedKeys, .withoutEscapingSlashes]
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return encoder
  }
}

extension JSONDecoder {
  /// Reads what `JSONEncoder.snakeCase` wrote.
  public static func snakeCase() -> JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    decoder.nonConformingFloatDecodingStrategy = .convertFromString(
      positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
    return decoder
  }
}

/// What is wrong with a document that is valid JSON and was not decoded, with the key as the file spells it.
public func decodingProblem(_ error: any Error) -> String {
  func name(_ path: [any CodingKey]) -> String {
    path.map { $0.intValue.map { "[\($0)]" } ?? snakeCase($0.stringValue) }.joined(separator: ".").replacing(
      ".[", with: "[")
  }
  return switch error as? DecodingError {
  case .keyNotFound(let key, let context): "it has no \(name(context.codingPath + [key]))"
  case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
    context.codingPath.isEmpty ? "it is not an object" : "\(name(context.codingPath)) has a value that it cannot have"
  default: "\(error)"
  }
}
