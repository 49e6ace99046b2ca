import Core
import Foundation
import Storage

/// What a corpus folder or a single shard holds, and whether it is intact.
public struct CorpusInspection: Codable, Sendable, Equatable {
  public struct Part: Codable, Sendable, Equatable {
    public var shards: Int
    public var documents: Int
    public var tokens: Int
    /// Bytes of raw text the tokens stand for.
    public var textBytes: Int

    public var tokensPerByte: Double { textBytes > 0 ? Double(tokens) / Double(textBytes) : 0 }
  }

  public enum Kind: String, Codable, Sendable { case corpus, shard }

  public var path: String
  public var kind: Kind
  public var vocabularySize: Int
  public var tokenizerSha256: String
  /// What the records of a corpus of numbers are; nil for text.
  public var records: ValueRecords?
  /// Names the data of a corpus; nil for a shard.
  public var contentHash: String?
  public var split: CorpusManifest.Split?
  /// `train` and `validation` of a corpus, or `tokens` of a shard.
  public var parts: [String: Part]
  /// Sentences that say what is damaged; empty when everything is intact.
  public var problems: [String]
  /// Every byte was read and its checksum compared.
  public var verified: Bool

  public var isIntact: Bool { problems.isEmpty }
  /// Whether something could not be read, which says nothing about its bytes.
  public private(set) var isUnread = false

  /// Looks at a corpus folder or a shard.
  ///
  /// - Parameter verify: read every byte; otherwise only headers, sizes and tables are checked.
  /// - Throws: `DataError` or `FileError` when the path is neither, or is too damaged to say anything of it.
  public init(_ path: String, verify: Bool) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw DataError(path, "does not exist.", remedy: "Check the path.")
    }
    if isFolder.boolValue {
      try self.init(corpus: path, verify: verify)
    } else {
      try self.init(shard: path, verify: verify)
    }
  }

  private init(corpus path: String, verify: Bool) throws {
    let manifest = try CorpusManifest(folder: path)
    self.init(
      path: path, kind: .corpus, vocabularySize: manifest.vocabulary.size, tokenizer: manifest.tokenizerSha256,
      verified: verify)
    (contentHash, split) = (manifest.contentHash, manifest.split)
    for side in CorpusSplit.allCases {
      let shards = manifest.shards(side)
      parts[side.rawValue] = Part(
        shards: shards.count, documents: shards.documents, tokens: shards.tokens, textBytes: shards.textBytes)
    }
    guard let corpus = attempt({ try Corpus(path) }) else { return }
    if let values = manifest.values {
      records = values
      for side in CorpusSplit.allCases { attempt { _ = try corpus.valueShards(side, verify: verify) } }
      return
    }
    for entry in manifest.train + manifest.validation {
      attempt {
        let shard = try corpus.open(entry)
        if verify { try shard.verify() }
      }
    }
  }

  private init(shard path: String, verify: Bool) throws {
    let shard = try Shard(path)
    self.init(
      path: path, kind: .shard, vocabularySize: shard.vocabularySize, tokenizer: shard.tokenizerHash, verified: verify)
    parts["tokens"] = Part(
      shards: 1, documents: shard.documentCount, tokens: shard.tokenCount, textBytes: shard.textBytes)
    if verify { attempt { try shard.verify() } }
  }

  private init(path: String, kind: Kind, vocabularySize: Int, tokenizer: String, verified: Bool) {
    (self.path, self.kind, self.vocabularySize, self.tokenizerSha256) = (path, kind, vocabularySize, tokenizer)
    (self.parts, self.problems, self.verified) = ([:], [], verified)
  }

  @discardableResult
  private mutating func attempt<Value>(_ body: () throws -> Value) -> Value? {
    do {
      return try body()
    } catch {
      if (error as? any LockstepError)?.exitCode == .inputOutput { isUnread = true }
      problems.append("\(error)")
      return nil
    }
  }

  /// For a terminal, one line each.
  public var lines: [String] {
    var lines = [
      "\(kind.rawValue) \(printableName(path))",
      "vocabulary \(counted(vocabularySize, "id")), tokenizer \(tokenizerSha256.prefix(12))",
    ]
    if let records { return lines.prefix(1) + numberLines(records) }
    if let split { lines.append("split \(split.rule), validation share \(split.fraction)") }
    for (name, part) in parts.sorted(by: { $0.key < $1.key }) {
      lines.append(
        "\(name): \(counted(part.documents, "document")), \(counted(part.tokens, "token")), \(part.textBytes) bytes of text, "
          + "\(Self.rounded(part.tokensPerByte)) tokens per byte, \(part.shards) \(part.shards == 1 ? "shard" : "shards")"
      )
    }
    if let contentHash { lines.append("content \(contentHash)") }
    lines += problems.map { "\(isUnread ? "not read" : "damaged"): \($0)" }
    if isIntact {
      lines.append(
        verified ? "intact: every byte was checked" : "headers and sizes are sound; the contents were not read")
    }
    return lines
  }

  private func numberLines(_ records: ValueRecords) -> [String] {
    let shape = ([records.channels] + records.extent).map(String.init).joined(separator: " × ")
    var lines = [
      "records of \(shape) numbers (channels first), \(records.unit.rawValue)\(records.hasObserved ? ", some not measured" : "")"
    ]
    for field in records.fields {
      lines.append(
        "field \(field.name): \(field.classes > 0 ? "ids below \(field.classes)" : "\(field.size) numbers") × \(field.length)"
      )
    }
    for (name, part) in parts.sorted(by: { $0.key < $1.key }) {
      lines.append(
        "\(name): \(counted(part.documents, "record")), \(part.shards) \(part.shards == 1 ? "shard" : "shards")")
    }
    if let contentHash { lines.append("content \(contentHash)") }
    lines += problems.map { "\(isUnread ? "not read" : "damaged"): \($0)" }
    if isIntact {
      lines.append(
        verified ? "intact: every byte was checked" : "headers and sizes are sound; the contents were not read")
    }
    return lines
  }

  private static func rounded(_ value: Double) -> Double { (value * 10_000).rounded() / 10_000 }
}
