import Core
import Data

/// What a corpus is, for the report: enough to make the same one again.
public struct CorpusFacts: Codable, Sendable, Equatable {
  public struct Part: Codable, Sendable, Equatable {
    public var documents: Int
    public var tokens: Int
    public var textBytes: Int
  }

  public var folder: String
  public var contentHash: String
  public var vocabulary: Int
  public var tokenizer: String
  /// `document-hash` or `tail`.
  public var splitRule: String
  public var validationFraction: Double
  public var train: Part
  public var validation: Part

  /// - Throws: errors of the corpus.
  init(_ folder: String) throws {
    let manifest = try Corpus(folder).manifest
    func part(_ split: CorpusSplit) -> Part {
      let shards = manifest.shards(split)
      return Part(documents: shards.documents, tokens: shards.tokens, textBytes: shards.textBytes)
    }
    (self.folder, contentHash, vocabulary) = (folder, manifest.contentHash, manifest.vocabulary.size)
    (tokenizer, splitRule, validationFraction) = (
      manifest.tokenizerSha256, manifest.split.rule, manifest.split.fraction
    )
    (train, validation) = (part(.train), part(.validation))
  }

  /// Each folder once.
  static func all(_ folders: [String]) throws -> [CorpusFacts] {
    var known: [String] = []
    for folder in folders where !known.contains(folder) { known.append(folder) }
    return try known.map { try CorpusFacts($0) }
  }
}
