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
    let isSequences = records.form == .sequences
    let what =
      isSequences
      ? "sequences with rows of \(counted(records.channels, "number"))"
      : "records of \(shape) numbers (channels first)"
    var lines = ["\(what), \(records.unit.rawValue)\(records.hasObserved ? ", some not measured" : "")"]
    lines += records.fields.map { "field \($0.name): \(Self.text(of: $0)) × \($0.length)" }
    lines += records.rowFields.map { "field \($0.name): \(Self.text(of: $0)) per row" }
    if let split, split.rule != "files" { lines.append("split \(split.rule), validation share \(split.fraction)") }
    for (name, part) in parts.sorted(by: { $0.key < $1.key }) {
      let documents =
        isSequences
        ? "\(counted(part.documents, "sequence")) of \(counted(part.tokens, "row"))" : counted(part.documents, "record")
      lines.append("\(name): \(documents), \(counted(part.shards, "shard"))")
    }
    if let contentHash { lines.append("content \(contentHash)") }
    lines += problems.map { "\(isUnread ? "not read" : "damaged"): \($0)" }
    if isIntact {
      lines.append(
        verified ? "intact: every byte was checked" : "headers and sizes are sound; the contents were not read")
    }
    return lines
  }

  /// What the entries of a field are, with the first names of its classes.
  private static func text(of field: FieldShape) -> String {
    guard field.classes > 0 else { return counted(field.size, "number") }
    guard !field.names.isEmpty else { return "ids below \(field.classes)" }
    let shown = field.names.prefix(12).map { printableName($0, atMost: 40) }.joined(separator: ", ")
    return "\(counted(field.classes, "class", "classes")) (\(shown)\(field.names.count > 12 ? ", …" : ""))"
  }

  private static func rounded(_ value: Double) -> Double { (value * 10_000).rounded() / 10_000 }
}
