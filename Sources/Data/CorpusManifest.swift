import Core
import Foundation
import Storage

/// `corpus.json`: what a corpus folder holds and what it was made from. Written last, so that a folder
/// without one is no corpus. It has no time, host or absolute path in it: equal inputs give equal bytes. Its last
/// member, `sha256`, is the digest of every byte before it, so that a change anywhere in the file is seen.
public struct CorpusManifest: Codable, Sendable, Equatable {
  public static let currentVersion = 3
  public static let fileName = "corpus.json"

  public struct Shard: Codable, Sendable, Equatable {
    public var file: String
    public var documents: Int
    public var tokens: Int
    /// Bytes of raw text the tokens stand for.
    public var textBytes: Int
    public var payloadSha256: String

    public init(file: String, documents: Int, tokens: Int, textBytes: Int, payloadSha256: String) {
      (self.file, self.documents, self.tokens, self.textBytes) = (file, documents, tokens, textBytes)
      self.payloadSha256 = payloadSha256
    }
  }

  public struct Source: Codable, Sendable, Equatable {
    /// The path from the input that was given on.
    public var name: String
    /// Bytes of the file as stored.
    public var bytes: Int
    public var sha256: String

    public init(name: String, bytes: Int, sha256: String) {
      (self.name, self.bytes, self.sha256) = (name, bytes, sha256)
    }
  }

  /// How documents were divided: `document-hash` or `tail`, and the share of validation.
  public struct Split: Codable, Sendable, Equatable {
    public var rule: String
    public var fraction: Double

    public init(rule: String, fraction: Double) { (self.rule, self.fraction) = (rule, fraction) }
  }

  public var version: Int
  /// SHA-256 over everything that decides the shards: options, tokeniser and sources.
  public var recipe: String
  public var tokenizerSha256: String
  /// Of `tokenizer_config.json`, which checkpoints take over.
  public var tokenizerConfigSha256: String
  public var vocabulary: Vocabulary
  public var split: Split
  public var train: [Shard]
  public var validation: [Shard]
  public var sources: [Source]
  /// What the records of a corpus of numbers are; nil for text.
  public var values: ValueRecords?
  /// Documents left out because they hold nothing but white space.
  public var emptyDocuments: Int
  /// Documents kept although they are not valid UTF-8.
  public var invalidDocuments: Int

  /// SHA-256 that names the data: of the tokeniser's and the shards' own. Two corpora with equal names train alike.
  public var contentHash: String {
    let hashes = train.map(\.payloadSha256) + ["validation"] + validation.map(\.payloadSha256)
    return SHA256.of(([tokenizerSha256] + hashes).joined(separator: "\n"))
  }

  public func shards(_ split: CorpusSplit) -> [Shard] { split == .train ? train : validation }

  public init(
    recipe: String, tokenizerSha256: String, tokenizerConfigSha256: String, vocabulary: Vocabulary, split: Split,
    train: [Shard],
    validation: [Shard], sources: [Source], values: ValueRecords? = nil, emptyDocuments: Int = 0,
    invalidDocuments: Int = 0
  ) {
    self.version = Self.currentVersion
    (self.recipe, self.tokenizerSha256, self.tokenizerConfigSha256) = (recipe, tokenizerSha256, tokenizerConfigSha256)
    (self.vocabulary, self.split) = (vocabulary, split)
    (self.train, self.validation, self.sources) = (train, validation, sources)
    (self.values, self.emptyDocuments, self.invalidDocuments) = (values, emptyDocuments, invalidDocuments)
  }

  public func encoded() throws -> [UInt8] {
    let open = Array(try JSONEncoder.snakeCase(pretty: true).encode(self).dropLast(Self.end.utf8.count))
    return open + Self.checksum(of: open)
  }

  private static let end = "\n}"

  /// What closes the object after the bytes `open`.
  private static func checksum(of open: [UInt8]) -> [UInt8] {
    Array(",\n  \"sha256\" : \"\(SHA256.of(open))\"\(end)\n".utf8)
  }

  /// Reads `corpus.json` of a folder.
  ///
  /// - Throws: `DataError` when there is none, or when it is not one this build reads.
  public init(folder: String) throws {
    let path = folder + "/" + Self.fileName
    guard FileManager.default.fileExists(atPath: path) else {
      if let (_, aside) = WorkFolder.replaced(folder) {
        throw DataError(
          folder, "was being replaced when a process was killed: its corpus is in \(aside).",
          remedy: "Move it back, or run lockstep prepare again.")
      }
      throw DataError(
        folder, "is not a corpus: it has no readable \(Self.fileName).", remedy: "Make one with lockstep prepare.")
    }
    let bytes = try MappedFile(path, atMost: Self.mostBytes).withBytes { Data($0) }
    struct Version: Decodable { var version: Int }
    let version = try? JSONDecoder.snakeCase().decode(Version.self, from: bytes).version
    if let version, version != Self.currentVersion {
      throw DataError(
        path, "has version \(version); this build reads version \(Self.currentVersion).",
        remedy: "Prepare the corpus again.")
    }
    let remedy = "Copy it again, or run lockstep prepare again."
    do {
      self = try JSONDecoder.snakeCase().decode(Self.self, from: bytes)
    } catch {
      throw DataError(path, "is damaged: it is not the JSON that lockstep prepare writes.", remedy: remedy)
    }
    let open = Array(bytes.dropLast(Self.checksum(of: []).count))
    guard Array(bytes) == open + Self.checksum(of: open) else {
      throw DataError(path, "is damaged: the digest it ends with does not hold.", remedy: remedy)
    }
    if let problem {
      throw DataError(path, "is damaged: \(problem).", remedy: "Copy it again, or run lockstep prepare again.")
    }
  }

  /// The first thing that cannot be true of a corpus. Sums and ids are used without further checks.
  private var problem: String? {
    if let values {
      guard vocabulary.size == 0 else { return "a vocabulary of \(vocabulary.size) ids in a corpus of numbers" }
      if let problem = values.problem { return problem }
    } else if !(1...Int(Int32.max)).contains(vocabulary.size) {
      return "a vocabulary of \(vocabulary.size) ids"
    }
    let roles = [
      vocabulary.pad, vocabulary.bos, vocabulary.eos, vocabulary.mask, vocabulary.cls, vocabulary.sep,
      vocabulary.unknown,
    ].compactMap { $0 }
    if let id = (roles + vocabulary.special).first(where: { !(0..<Int32(vocabulary.size)).contains($0) }) {
      return "the special id \(id) is outside a vocabulary of \(vocabulary.size) ids"
    }
    if zip(vocabulary.special, vocabulary.special.dropFirst()).contains(where: { $0 >= $1 }) {
      return "the special ids do not rise"
    }
    if !(0..<1).contains(split.fraction) { return "a validation share of \(split.fraction)" }
    var total = 0
    for count in (train + validation).flatMap({ [$0.documents, $0.tokens, $0.textBytes] }) {
      guard (0...Self.largestCount).contains(count), total <= Self.largestCount else {
        return "a count of \(count) in a shard"
      }
      total += count
    }
    return nil
  }

  /// Millions of sources have room in it.
  private static let mostBytes = 4 << 30

  /// As in the header of a shard: more than any corpus has.
  private static let largestCount = 1 << 48
}

extension [CorpusManifest.Shard] {
  public var documents: Int { reduce(0) { $0 + $1.documents } }
  public var tokens: Int { reduce(0) { $0 + $1.tokens } }
  public var textBytes: Int { reduce(0) { $0 + $1.textBytes } }
}

/// One side of a corpus.
public enum CorpusSplit: String, Codable, Sendable, CaseIterable { case train, validation }
