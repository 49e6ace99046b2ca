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

/// A model to be measured: the network that pretraining was for and, where it comes from a run, the objective that
/// trained it.
public struct MeasuredModel: Sendable {
  /// The folder with the weights.
  public let path: String
  public let configuration: ModelConfiguration
  /// The network with its vocabulary head, if it has one.
  public let encoder: Transformer
  public let parameters: ParameterStore
  /// What it reads.
  public let data: DataShape
  /// How the run that trained it stood around its samples; `auto` for a folder from elsewhere.
  public let frame: RunConfiguration.Data.Frame
  /// Name and options of the objective: the run's own, or the plainest that fits the attention.
  public let objective: (name: String, options: any ObjectiveOptions)
  /// The objective with its weights, of a model in memory.
  private var held: (any Objective, ParameterSet)?

  /// - Parameters:
  ///   - path: a checkpoint, a run folder or a folder saved by Hugging Face.
  ///   - corpus: what it is measured on; nil for texts that its own tokeniser reads.
  /// - Throws: errors that name the folder and what it lacks.
  public init(_ path: String, corpus: Corpus? = nil) throws {
    if try HuggingFaceSource(path).configuration.inputSize > 0 {
      try self.init(numbers: path, corpus)
    } else {
      try self.init(text: path, corpus)
    }
  }

  private init(text path: String, _ corpus: Corpus?) throws {
    let loaded = try LoadedModel(path)
    var known = corpus?.vocabulary ?? loaded.tokenizer.vocabulary
    // A corpus does not say where words begin; the objective may hide them whole.
    known.words = loaded.tokenizer.wordEdges
    let run = try Self.run(of: loaded.path)
    self.init(
      path: loaded.path, encoder: loaded.transformer, parameters: loaded.parameters, data: DataShape(known),
      frame: run?.data.frame ?? .auto,
      objective: try Self.objective(of: run, fitting: loaded.configuration, loaded.path))
  }

  /// A model that reads rows of numbers; how records become rows is told by the run that trained it.
  private init(numbers path: String, _ corpus: Corpus?) throws {
    let source = try HuggingFaceSource(path)
    let configuration = source.configuration
    guard let run = try Self.run(of: path) else {
      throw DataError(
        path, "reads numbers and is no checkpoint of a run, so nothing says how records become its rows.",
        remedy: "Name a checkpoint in its run folder.")
    }
    let named = try Self.objective(of: run, fitting: configuration, path)
    let shape = try CorpusInputs.shape(
      of: try corpus ?? Corpus(run.data.corpus), run.data, objective: named.name, run.requirements)
    guard try Self.reads(shape, configuration, named) else {
      throw DataError(
        corpus?.folder ?? run.data.corpus,
        "has samples of \(shape.grid?.positions ?? 0) rows of \(shape.grid?.size ?? 0) numbers, and the model reads \(configuration.maxPosition) of \(configuration.inputSize).",
        remedy: "Use a corpus of the shape that the model was trained on.")
    }
    try source.requireWeights()
    var layout = ParameterLayout()
    let encoder = Transformer(configuration, into: &layout)
    let parameters = ParameterStore(layout)
    _ = try source.load(into: parameters, as: configuration, encoderOnly: true)
    self.init(path: path, encoder: encoder, parameters: parameters, data: shape, objective: named)
  }

  /// Whether the encoder that the objective makes for these records has the model's sizes. An encoder behind other
  /// layers reads what they make of a record, and not its numbers.
  private static func reads(
    _ shape: DataShape, _ configuration: ModelConfiguration, _ objective: (name: String, options: any ObjectiveOptions)
  ) throws -> Bool {
    var wanted = configuration
    shape.fill(&wanted)
    guard wanted.maxPosition == configuration.maxPosition else { return false }
    guard wanted.inputSize != configuration.inputSize else { return true }
    let made = try ObjectiveRegistry.entry(named: objective.name)?.make(objective.options, wanted, shape)
    return made?.exported.inputSize == configuration.inputSize
  }

  private static func objective(
    of run: RunConfiguration?, fitting configuration: ModelConfiguration, _ path: String
  ) throws -> (name: String, options: any ObjectiveOptions) {
    guard
      let entry = run.flatMap({ ObjectiveRegistry.entry(named: $0.objective) })
        ?? ObjectiveRegistry.entries(fitting: configuration).first
    else {
      throw DataError(
        path, "holds a model that no objective fits.", remedy: "lockstep objectives lists those there are.")
    }
    return (entry.name, run?.objectiveOptions ?? entry.defaultOptions)
  }

  /// Of token inputs; empty for a model of numbers.
  public var vocabulary: Vocabulary { data.vocabulary }

  /// A model in memory.
  init(
    path: String, encoder: Transformer, parameters: ParameterStore, data: DataShape,
    frame: RunConfiguration.Data.Frame = .auto,
    objective: (name: String, options: any ObjectiveOptions), held: (any Objective, ParameterSet)? = nil
  ) {
    self.held = held
    (self.path, configuration, self.encoder) = (path, encoder.configuration, encoder)
    (self.parameters, self.data, self.frame, self.objective) = (parameters, data, frame, objective)
  }

  /// The configuration of the run a checkpoint belongs to; nil for folders that are in no run.
  public static func run(of checkpoint: String) throws -> RunConfiguration? {
    let folder = URL(fileURLWithPath: checkpoint).deletingLastPathComponent().deletingLastPathComponent().path
    let place = RunFolder(folder).configurationPath
    guard FileManager.default.fileExists(atPath: checkpoint + "/state.json"),
      let text = try RunFolder(folder).configuration()
    else { return nil }
    return try RunConfiguration(toml: text, place: place)
  }

  /// The model's own objective, without weights: how it reads samples.
  public func makeObjective() throws -> any Objective {
    try entry(nil).make(objective.options, configuration, data)
  }

  /// The objective itself, with networks of its own, and a parameter set that holds the checkpoint's weights.
  /// - Parameter name: another objective of the same attention; nil for the model's own.
  public func objectiveAndParameters(_ name: String? = nil) throws -> (any Objective, ParameterSet) {
    if name == nil, let held { return held }
    let wanted = name ?? objective.name
    let fitting = ObjectiveRegistry.entries(fitting: configuration)
    guard let entry = fitting.first(where: { $0.name == wanted }) else {
      throw ConfigurationError(
        "objective", is: wanted,
        rule: "for this model it must be one of \(fitting.map(\.name).joined(separator: ", ")).")
    }
    // A named objective is the same for every model: it has its default options.
    let options = name == nil ? objective.options : entry.defaultOptions
    let made = try entry.make(options, configuration, data)
    let parameters = ParameterSet(made.networks)
    let source = try HuggingFaceSource(path)
    _ = try source.load(into: parameters.trained, as: made.exported)
    var missing = try source.loadRest(
      into: parameters.trained, as: made.exported, exportedNetworks: made.exportedNetworks)
    for auxiliary in made.networks.auxiliaries {
      missing += try source.loadAuxiliary(auxiliary.name, into: parameters.auxiliary(auxiliary.name))
    }
    if let first = missing.first {
      throw DataError(
        path, "does not have \(counted(missing.count, "parameter")) of \(wanted) such as \(first).",
        remedy: "Measure a checkpoint of the run itself, or its whole export.")
    }
    return (made, parameters)
  }

  /// The samples of a corpus as its own objective or another one reads them, in the corpus's order.
  public func samples(_ corpus: Corpus, _ split: CorpusSplit, _ name: String? = nil) throws -> any SampleSource {
    if data.grid != nil { return try ValueDataset(corpus, split: split, shape: data, order: .sequential) }
    let (cut, requirements) = (try cut(name), try requirements(name))
    return try TokenDataset(
      corpus, split: split, context: configuration.maxPosition, lookahead: requirements.lookahead, order: .sequential,
      framing: cut.framing, documents: cut.documents)
  }

  /// How samples of a model are framed, by the run it comes from.
  public static func framing(of model: LoadedModel, vocabulary: Vocabulary) throws -> Framing {
    try Framing(
      try run(of: model.path)?.data.frame ?? .auto, byDefault: model.configuration.prediction == .same, vocabulary)
  }

  /// Why it cannot read text, as the end of a sentence that begins with the model.
  public var textUnsupportedReason: String? { configuration.vocabSize > 0 ? nil : "reads numbers, and this reads text" }

  private func entry(_ name: String?) throws(ConfigurationError) -> ObjectiveEntry {
    guard let entry = ObjectiveRegistry.entry(named: name ?? objective.name) else {
      throw ConfigurationError(
        "objective", is: name ?? objective.name, rule: "lockstep objectives lists those there are.")
    }
    return entry
  }

  private func requirements(_ name: String?) throws(ConfigurationError) -> ObjectiveRequirements {
    let entry = try entry(name)
    return entry.requirements(name == nil ? objective.options : entry.defaultOptions)
  }

  /// How samples are cut for its own objective, or another one.
  public func cut(_ name: String? = nil) throws(ConfigurationError) -> SampleCut {
    let entry = try entry(name)
    return try SampleCut(frame, entry, name == nil ? objective.options : entry.defaultOptions, vocabulary)
  }

  /// [CLS] … [SEP] around samples, as in training.
  public func framing() throws(ConfigurationError) -> Framing {
    try Framing(frame, byDefault: configuration.prediction == .same, vocabulary)
  }
}
