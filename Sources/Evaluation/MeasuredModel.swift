import Checkpoints
import Configuration
import Core
import Data
import Foundation
import Generation
import HuggingFace
import Models
import Objectives
import Runs
import Tensors
import Tokenizers

/// A model to be measured: the network that pretraining was for and, where it comes from a run, the objective that trained it.
public struct MeasuredModel: Sendable {
  /// The folder with the weights.
  public let path: String
  public let configuration: ModelConfiguration
  /// The network with its vocabulary head, if it has one.
  public let encoder: Transformer
  public let parameters: ParameterStore
  public let vocabulary: Vocabulary
  /// How the run that trained it stood around its samples; `auto` for a folder from elsewhere.
  public let frame: RunConfiguration.Data.Frame
  /// Name and options of the objective: the run's own, or the plainest that fits the attention.
  public let objective: (name: String, options: any ObjectiveOptions)

  /// - Parameters:
  ///   - path: a checkpoint, a run folder or a folder saved by Hugging Face.
  ///   - vocabulary: that of the corpus it is measured on, or of its own tokeniser.
  /// - Throws: errors that name the folder and what it lacks.
  public init(_ path: String, vocabulary: Vocabulary? = nil) throws {
    let loaded = try LoadedModel(path)
    (self.path, configuration) = (loaded.path, loaded.configuration)
    (encoder, parameters) = (loaded.transformer, loaded.parameters)
    var known = vocabulary ?? loaded.tokenizer.vocabulary
    // A corpus does not say where words begin; the objective may hide them whole.
    known.words = loaded.tokenizer.wordEdges
    self.vocabulary = known
    let run = try Self.run(of: loaded.path)
    frame = run?.data.frame ?? .auto
    guard let entry = run.flatMap({ ObjectiveRegistry.entry(named: $0.objective) }) ?? ObjectiveRegistry.entries(fitting: loaded.configuration).first else {
      throw DataError(loaded.path, "holds a model that no objective fits.", remedy: "lockstep objectives lists those there are.")
    }
    objective = (entry.name, run?.objectiveOptions ?? entry.defaultOptions)
  }

  /// A model in memory.
  init(
    path: String, encoder: Transformer, parameters: ParameterStore, vocabulary: Vocabulary, frame: RunConfiguration.Data.Frame = .auto,
    objective: (name: String, options: any ObjectiveOptions)
  ) {
    (self.path, configuration, self.encoder) = (path, encoder.configuration, encoder)
    (self.parameters, self.vocabulary, self.frame, self.objective) = (parameters, vocabulary, frame, objective)
  }

  /// The configuration of the run a checkpoint belongs to; nil for folders that are in no run.
  public static func run(of checkpoint: String) throws -> RunConfiguration? {
    let folder = URL(fileURLWithPath: checkpoint).deletingLastPathComponent().deletingLastPathComponent().path
    let place = RunFolder(folder).configurationPath
    guard FileManager.default.fileExists(atPath: checkpoint + "/state.json"), let text = try RunFolder(folder).configuration() else { return nil }
    return try RunConfiguration(toml: text, place: place)
  }

  /// The objective itself, with networks of its own, and a parameter set that holds the checkpoint's weights.
  /// - Parameter name: another objective of the same attention; nil for the model's own.
  public func objectiveAndParameters(_ name: String? = nil) throws -> (any Objective, ParameterSet) {
    let wanted = name ?? objective.name
    let fitting = ObjectiveRegistry.entries(fitting: configuration)
    guard let entry = fitting.first(where: { $0.name == wanted }) else {
      throw ConfigurationError("objective", is: wanted, rule: "for this model it must be one of \(fitting.map(\.name).joined(separator: ", ")).")
    }
    // A named objective is the same for every model: it has its default options.
    let options = name == nil ? objective.options : entry.defaultOptions
    let made = try entry.make(options, configuration, DataShape(vocabulary))
    let parameters = ParameterSet(made.networks)
    let source = try HuggingFaceSource(path)
    _ = try source.load(into: parameters.trained, as: made.exported)
    let missing = try source.loadRest(into: parameters.trained, as: made.exported, exportedNetworks: made.exportedNetworks)
    if let first = missing.first {
      throw DataError(
        path, "does not have \(counted(missing.count, "parameter")) of \(wanted) such as \(first).",
        remedy: "Measure a checkpoint of the run itself, or its whole export.")
    }
    return (made, parameters)
  }

  /// How samples of a model are framed, by the run it comes from.
  public static func framing(of model: LoadedModel, vocabulary: Vocabulary) throws -> Framing {
    try Framing(try run(of: model.path)?.data.frame ?? .auto, byDefault: model.configuration.prediction == .same, vocabulary)
  }

  /// How samples are cut for its own objective, or another one.
  public func cut(_ name: String? = nil) throws(ConfigurationError) -> SampleCut {
    guard let entry = ObjectiveRegistry.entry(named: name ?? objective.name) else {
      throw ConfigurationError("objective", is: name ?? objective.name, rule: "lockstep objectives lists those there are.")
    }
    return try SampleCut(frame, entry, name == nil ? objective.options : entry.defaultOptions, vocabulary)
  }

  /// [CLS] … [SEP] around samples, as in training.
  public func framing() throws(ConfigurationError) -> Framing { try Framing(frame, byDefault: configuration.prediction == .same, vocabulary) }
}
