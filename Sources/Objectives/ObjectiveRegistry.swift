import Core

/// An objective as the registry lists it.
public struct ObjectiveEntry: Sendable {
  public let type: any Objective.Type
  public let name: String
  public let summary: String
  public let paper: String
  public let visibility: ModelConfiguration.Visibility
  /// Names of the options, for strict configurations.
  public let defaultOptions: any ObjectiveOptions
  public let make: @Sendable (any ObjectiveOptions, ModelConfiguration, Vocabulary) throws(ConfigurationError) -> any Objective
  /// Decodes the options with a caller's decoder.
  public let decode: @Sendable (any Decoder) throws -> any ObjectiveOptions

  public init<O: Objective>(_: O.Type) {
    type = O.self
    name = O.name
    summary = O.summary
    paper = O.paper
    visibility = O.visibility
    defaultOptions = O.Options()
    make = { (options, model, vocabulary) throws(ConfigurationError) in
      guard let options = options as? O.Options else { preconditionFailure("options of another objective than \(O.name)") }
      return try O(options, model: model, vocabulary: vocabulary)
    }
    decode = { try O.Options(from: $0) }
  }
}

/// All objectives. Adding one is a file, a line here, and a test.
public enum ObjectiveRegistry {
  public static let entries: [ObjectiveEntry] = [
    ObjectiveEntry(Autoregressive.self),
    ObjectiveEntry(DiverseAutoregressive.self),
    ObjectiveEntry(MaskedLanguageModel.self),
  ]

  public static func entry(named name: String) -> ObjectiveEntry? { entries.first { $0.name == name } }
}
