import Core
import Data
import Foundation
import Measures
import Tokenizers
import Training

/// A corpus as a run's inputs.
enum CorpusInputs {
  /// Opens both splits with the framing that the configuration and the objective ask for.
  /// - Throws: `DataError` naming what is wrong with the corpus; `ConfigurationError` when it cannot be framed so.
  /// - Parameter verify: read every byte of the shards and compare their digests.
  static func open(_ configuration: RunConfiguration, verify: Bool = false) throws -> RunInputs {
    let corpus = try Corpus(configuration.data.corpus)
    if !configuration.initFrom.isEmpty { try TokenizerMatch.require(model: configuration.initFrom, corpus: corpus) }
    if verify { for split in CorpusSplit.allCases { for shard in try corpus.shards(split) { try shard.verify() } } }
    let cut = try SampleCut(configuration, corpus.vocabulary)
    let context = configuration.model.context
    let training = try training(corpus, configuration, order: .shuffled(seed: configuration.seed))
    let hasValidation = !corpus.manifest.shards(.validation).isEmpty
    let validation =
      hasValidation
      ? try TokenDataset(
        corpus, split: .validation, context: context, lookahead: 1, order: .sequential, framing: cut.framing, documents: cut.documents) : nil
    return RunInputs(
      training: training, validation: validation, vocabulary: corpus.vocabulary, tokenizerFiles: try tokenizerFiles(corpus, cut.framing),
      dataHash: corpus.manifest.contentHash)
  }

  /// The training split as a run cuts it into samples.
  static func training(_ corpus: Corpus, _ configuration: RunConfiguration, order: SampleOrder) throws -> TokenDataset {
    let cut = try SampleCut(configuration, corpus.vocabulary)
    return try TokenDataset(
      corpus, split: .train, context: configuration.model.context, lookahead: 1, order: order, framing: cut.framing,
      documents: cut.documents)
  }

  /// The corpus's own files, which a framed run lets AutoTokenizer frame with as well.
  private static func tokenizerFiles(_ corpus: Corpus, _ framing: Framing) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for (name, path) in [
      (Corpus.tokenizerFile, corpus.tokenizerPath), (Corpus.tokenizerConfigFile, corpus.tokenizerConfigPath),
    ] {
      guard let bytes = FileManager.default.contents(atPath: path) else {
        throw FileError("read", path, reason: "it is missing", remedy: "Prepare the corpus again.")
      }
      files[name] = [UInt8](bytes)
    }
    if framing == .clsSep { files[Corpus.tokenizerFile] = try TokenizerLoader.load(corpus.folder).framedTokenizerJSON() }
    return files
  }
}
