import Checkpoints
import Configuration
import Core
import Data
import Foundation
import HuggingFace
import Objectives
import Storage
import Tokenizers

/// A corpus as a run's inputs.
public enum CorpusInputs {
  /// Opens both splits with the framing that the configuration and the objective ask for.
  /// - Throws: `DataError` naming what is wrong with the corpus; `ConfigurationError` when it cannot be framed so.
  /// - Parameter verify: read every byte of the shards and compare their digests.
  public static func open(_ configuration: RunConfiguration, verify: Bool = false) throws -> RunInputs {
    let corpus = try Corpus(configuration.data.corpus)
    if corpus.manifest.values != nil || configuration.requirements.input == .values {
      return try values(corpus, configuration, verify: verify)
    }
    if let source = try initialFolder(configuration) { try TokenizerMatch.require(model: source, corpus: corpus) }
    if verify { for split in CorpusSplit.allCases { for shard in try corpus.shards(split) { try shard.verify() } } }
    let tokenizer = try TokenizerLoader.load(corpus.folder)
    let vocabulary = try vocabulary(corpus, tokenizer, configuration)
    let training = try dataset(corpus, .train, configuration, vocabulary, order: .shuffled(seed: configuration.seed))
    let hasValidation = !corpus.manifest.shards(.validation).isEmpty
    let validation =
      hasValidation ? try dataset(corpus, .validation, configuration, vocabulary, order: .sequential) : nil
    return RunInputs(
      training: training, validation: validation, data: DataShape(vocabulary),
      tokenizerFiles: try tokenizerFiles(
        corpus, tokenizer, SampleCut(configuration, vocabulary).framing, context: configuration.model.maxPosition),
      dataHash: corpus.manifest.contentHash)
  }

  /// A corpus of numbers.
  private static func values(_ corpus: Corpus, _ configuration: RunConfiguration, verify: Bool) throws -> RunInputs {
    let shape = try shape(
      of: corpus, configuration.data, objective: configuration.objective, configuration.requirements)
    let positions = configuration.model.maxPosition
    guard positions == 0 || positions == shape.grid?.positions else {
      throw ConfigurationError(
        "model.max_position", is: positions,
        rule: "a record has \(shape.grid?.positions ?? 0) positions; leave the key out.")
    }
    if verify { for split in CorpusSplit.allCases { _ = try corpus.valueShards(split, verify: true) } }
    let hasValidation = !corpus.manifest.shards(.validation).isEmpty
    return RunInputs(
      training: try ValueDataset(
        corpus, split: .train, shape: shape, order: .shuffled(seed: configuration.seed),
        stride: configuration.data.stride),
      validation: hasValidation ? try ValueDataset(corpus, split: .validation, shape: shape, order: .sequential) : nil,
      data: shape, tokenizerFiles: preprocessor(corpus), dataHash: corpus.manifest.contentHash)
  }

  /// What tells an image processor of Hugging Face to feed the numbers that this corpus feeds; nothing for records that
  /// are no images.
  private static func preprocessor(_ corpus: Corpus) -> [String: [UInt8]] {
    guard let records = corpus.manifest.values, records.extent.count == 2 else { return [:] }
    return [
      ImageProcessor.fileName: ImageProcessor(
        height: records.extent[0], width: records.extent[1], mean: records.mean, deviation: records.deviation
      ).json
    ]
  }

  /// The shape of a corpus of numbers under a patch.
  /// - Throws: `ConfigurationError` when the corpus does not hold what the objective reads.
  public static func shape(
    of corpus: Corpus, _ data: RunConfiguration.Data, objective: String, _ requirements: ObjectiveRequirements
  ) throws -> DataShape {
    guard let records = corpus.manifest.values else {
      throw ConfigurationError(
        "objective.name",
        "is \(objective), which reads numbers, but \(corpus.folder) holds text; use a corpus of numbers."
      )
    }
    guard requirements.input == .values else {
      throw ConfigurationError(
        "objective.name", "is \(objective), which reads text, but \(corpus.folder) holds numbers; use a corpus of text."
      )
    }
    return try records.shape(patch: data.patch, separateChannels: data.separateChannels, window: data.window)
  }

  /// The corpus's vocabulary, from its tokeniser where words begin, and from `init.from` how many rows there are:
  /// `corpus.json` says neither.
  static func vocabulary(_ corpus: Corpus, _ tokenizer: any Tokenizer, _ configuration: RunConfiguration) throws
    -> Vocabulary
  {
    var vocabulary = corpus.vocabulary
    if let source = try initialFolder(configuration) {
      vocabulary.rows = try ModelConfiguration(huggingFace: source).vocabSize
    }
    vocabulary.words = tokenizer.wordEdges
    return vocabulary
  }

  /// A warning where nothing says which tokens the ids of `init.from` stand for; nil where that is known, or nothing is
  /// taken from a folder.
  public static func uncheckedTokens(_ configuration: RunConfiguration) throws -> String? {
    guard let folder = try initialFolder(configuration), !TokenizerLoader.isTokenizer(folder) else { return nil }
    return
      "\(folder) has no tokeniser, so nothing can check that its ids stand for the tokens of \(configuration.data.corpus); save it there (save_pretrained) to be sure."
  }

  /// The folder that the weights come from; nil for none. A resumed run may outlive it: a new one says that it is
  /// missing where it reads them.
  private static func initialFolder(_ configuration: RunConfiguration) throws -> String? {
    let path = configuration.initFrom
    return path.isEmpty || !FileManager.default.fileExists(atPath: path) ? nil : try ModelFolder.resolve(path) { _ in }
  }

  /// The training split as a run cuts it into samples.
  public static func training(_ corpus: Corpus, _ configuration: RunConfiguration, order: SampleOrder) throws
    -> any SampleSource
  {
    if corpus.manifest.values != nil {
      let shape = try shape(
        of: corpus, configuration.data, objective: configuration.objective, configuration.requirements)
      return try ValueDataset(
        corpus, split: .train, shape: shape, order: order, stride: configuration.data.stride)
    }
    return try dataset(
      corpus, .train, configuration, try vocabulary(corpus, try TokenizerLoader.load(corpus.folder), configuration),
      order: order)
  }

  private static func dataset(
    _ corpus: Corpus, _ split: CorpusSplit, _ configuration: RunConfiguration, _ vocabulary: Vocabulary,
    order: SampleOrder
  ) throws -> TokenDataset {
    let cut = try SampleCut(configuration, vocabulary)
    return try TokenDataset(
      corpus, split: split, context: configuration.model.maxPosition, lookahead: configuration.requirements.lookahead,
      order: order,
      framing: cut.framing, documents: cut.documents)
  }

  /// The corpus's own files, which say how much the model reads at once, and with which a framed run lets AutoTokenizer
  /// frame as well.
  private static func tokenizerFiles(
    _ corpus: Corpus, _ tokenizer: any Tokenizer, _ framing: Framing, context: Int
  ) throws -> [String: [UInt8]] {
    let configuration = try MappedFile(corpus.tokenizerConfigPath, atMost: TokenizerLoader.mostCompanionBytes).withBytes
    { Array($0) }
    var files = [
      Corpus.tokenizerFile: try MappedFile(corpus.tokenizerPath, atMost: TokenizerLoader.largestFile).withBytes {
        Array($0)
      },
      Corpus.tokenizerConfigFile: try HuggingFaceConfiguration.tokenizerJSON(
        configuration, context: context, path: corpus.tokenizerConfigPath),
    ]
    if framing == .clsSep { files[Corpus.tokenizerFile] = try tokenizer.framedTokenizerJSON() }
    return files
  }
}

extension Framing {
  /// [CLS] … [SEP] where the configuration or, where it leaves it open, the objective wants it and the tokeniser has
  /// both.
  public init(_ frame: RunConfiguration.Data.Frame, byDefault: Bool, _ vocabulary: Vocabulary)
    throws(ConfigurationError)
  {
    let possible = vocabulary.cls != nil && vocabulary.sep != nil
    switch frame {
    case .none: self = .none
    case .auto: self = byDefault && possible ? .clsSep : .none
    case .clsSep:
      guard possible else {
        throw ConfigurationError("data.frame", "is cls-sep, but the corpus's tokeniser has no [CLS] and [SEP].")
      }
      self = .clsSep
    }
  }
}
