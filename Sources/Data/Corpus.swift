import Core
import Foundation
import Storage
import Tokenizers

/// A prepared corpus: a folder of shards with its manifest and its tokeniser.
public struct Corpus: Sendable {
  public static let tokenizerFile = "tokenizer.json"
  public static let tokenizerConfigFile = "tokenizer_config.json"

  public let folder: String
  public let manifest: CorpusManifest

  /// Reads the manifest and checks the tokeniser's files against it; shards are opened on first use.
  ///
  /// - Throws: `DataError` when the folder is no corpus or its tokeniser is another one.
  public init(_ folder: String) throws {
    self.folder = folder
    self.manifest = try CorpusManifest(folder: folder)
    // A corpus of numbers has no tokeniser.
    guard manifest.values == nil else { return }
    try require(tokenizerPath, manifest.tokenizerSha256, atMost: TokenizerLoader.largestFile)
    try require(tokenizerConfigPath, manifest.tokenizerConfigSha256, atMost: TokenizerLoader.mostCompanionBytes)
  }

  /// - Parameter most: bytes of such a file; hashing another, which may be sparse and of terabytes, would not end.
  private func require(_ path: String, _ expected: String, atMost most: Int) throws {
    let remedy = "Put the original file back, or run lockstep prepare again."
    try requirePresent(path, remedy: remedy)
    let file = try MappedFile(path)
    guard file.count <= most else {
      throw DataError(path, "has \(file.count) bytes; such a file has at most \(most).", remedy: remedy)
    }
    let hash = file.sha256()
    guard hash == expected else {
      throw DataError(
        path, "is not the file this corpus was made with: its SHA-256 is \(hash), and corpus.json says \(expected).",
        remedy: remedy)
    }
  }

  /// A missing part is a fault of the corpus, not of reading.
  private func requirePresent(_ path: String, remedy: String) throws(DataError) {
    guard FileManager.default.fileExists(atPath: path) else { throw DataError(path, "is missing.", remedy: remedy) }
  }

  public var vocabulary: Vocabulary { manifest.vocabulary }
  public var tokenizerPath: String { folder + "/" + Self.tokenizerFile }
  public var tokenizerConfigPath: String { folder + "/" + Self.tokenizerConfigFile }

  /// Opens the shards of one side of a corpus of numbers and checks each against the manifest.
  ///
  /// - Parameter verify: read every byte and compare its digest.
  /// - Throws: `FileError`, or `DataError` for a shard that is damaged or of another corpus.
  public func valueShards(_ split: CorpusSplit, verify: Bool = false) throws -> [ValueShard] {
    guard let records = manifest.values else {
      throw DataError(
        folder, "holds text and no numbers.", remedy: "Make a corpus of numbers with lockstep prepare --values.")
    }
    return try manifest.shards(split).map { entry in
      let path = try path(of: entry)
      let shard = try ValueShard(path, records)
      let rows = records.form == .sequences ? shard.rows : shard.count
      guard shard.count == entry.documents, rows == entry.tokens,
        try !verify || MappedFile(path).sha256() == entry.payloadSha256
      else {
        throw DataError(
          path, "is not the shard that corpus.json lists under this name.",
          remedy: "Copy the whole corpus again, or run lockstep prepare again.")
      }
      return shard
    }
  }

  /// Opens the shards of one side and checks each against the manifest.
  ///
  /// - Throws: `FileError`, or `DataError` for a shard that is damaged, of another corpus or of another tokeniser.
  public func shards(_ split: CorpusSplit) throws -> [Shard] {
    guard manifest.values == nil else {
      throw DataError(folder, "holds numbers, and this reads text.", remedy: "Name a corpus of text.")
    }
    return try manifest.shards(split).map(open)
  }

  /// Opens one shard the manifest lists.
  func open(_ entry: CorpusManifest.Shard) throws -> Shard {
    let shard = try Shard(try path(of: entry))
    guard shard.tokenizerHash == manifest.tokenizerSha256, shard.vocabularySize == manifest.vocabulary.size else {
      throw DataError(
        shard.path, "was made with another tokeniser than the corpus it lies in.", remedy: "Run lockstep prepare again."
      )
    }
    guard shard.payloadHash == entry.payloadSha256, shard.tokenCount == entry.tokens,
      shard.documentCount == entry.documents,
      shard.textBytes == entry.textBytes
    else {
      throw DataError(
        shard.path, "is not the shard that corpus.json lists under this name.",
        remedy: "Copy the whole corpus again, or run lockstep prepare again.")
    }
    return shard
  }

  /// Where a shard that the manifest lists lies.
  private func path(of entry: CorpusManifest.Shard) throws -> String {
    guard isPlainFileName(entry.file) else {
      throw DataError(
        folder, "lists the shard \(entry.file), which is not a plain file name.", remedy: "Run lockstep prepare again.")
    }
    let path = folder + "/" + entry.file
    try requirePresent(path, remedy: "Copy the whole corpus again, or run lockstep prepare again.")
    guard isRegularFile(path) else {
      throw DataError(path, "is a link or no file.", remedy: "Put the shard itself into the corpus.")
    }
    return path
  }
}
