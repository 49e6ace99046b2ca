import Configuration
import Core
import Data
import Objectives

/// How a corpus is cut into samples: what the configuration says, held against what the objective needs.
public struct SampleCut: Sendable {
  public let framing: Framing
  /// Whole documents instead of windows; nil for windows.
  public let documents: WholeDocuments?

  /// - Throws: `ConfigurationError` naming `data.frame` or the objective, and the remedy.
  public init(_ configuration: RunConfiguration, _ vocabulary: Vocabulary) throws(ConfigurationError) {
    guard let entry = ObjectiveRegistry.entry(named: configuration.objective) else {
      preconditionFailure("a configuration names an objective of the registry")
    }
    try self.init(configuration.data.frame, entry, configuration.objectiveOptions, vocabulary)
  }

  public init(
    _ frame: RunConfiguration.Data.Frame, _ entry: ObjectiveEntry, _ options: any ObjectiveOptions,
    _ vocabulary: Vocabulary
  ) throws(ConfigurationError) {
    let requirements = entry.requirements(options)
    switch requirements.samples {
    case .any: (framing, documents) = (try Framing(frame, byDefault: requirements.framesByDefault, vocabulary), nil)
    case .framed:
      (framing, documents) = (try Framing(frame, byDefault: requirements.framesByDefault, vocabulary), nil)
      guard framing != .clsSep else { return }
      throw frame == .none
        ? ConfigurationError("data.frame", "is none, but \(entry.name) reads the vector of [CLS]; set it to cls-sep.")
        : ConfigurationError(
          "objective.name",
          "is \(entry.name), which reads the vector of [CLS], but the corpus's tokeniser has no [CLS] and [SEP]; prepare the corpus with one that has both."
        )
    case .documents(let unit):
      guard frame == .auto else {
        throw ConfigurationError(
          "data.frame",
          "is \(frame.rawValue), but \(entry.name) takes each document of the corpus as one sample; leave it out.")
      }
      (framing, documents) = (.none, WholeDocuments(unit: unit))
    }
  }
}
