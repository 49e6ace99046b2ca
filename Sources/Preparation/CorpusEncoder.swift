import Core
import Data
import Foundation
import Storage
import Tokenizers

/// The ids of a batch for one side of the split.
struct EncodedSide: Sendable {
  var ids: [Int32] = []
  /// Where each document ends in `ids`, and the bytes of text it had.
  var documents: [(end: Int, textBytes: Int)] = []
}

/// What one batch of documents became.
struct EncodedBatch: Sendable {
  var train = EncodedSide()
  var validation = EncodedSide()
  var emptyDocuments = 0
  var invalidDocuments = 0
  /// Documents that write special tokens out.
  var specialDocuments = 0
  /// Place of the file among the sources, and what is odd about its lines.
  var source = 0
  var findings = TextFindings()
  var sourceBytes = 0
}

extension DocumentBatch {
  /// Calls `body` with every document that holds more than white space.
  ///
  /// - Returns: the number of those that do not.
  func forEachKept(_ body: (UnsafeBufferPointer<UInt8>) throws -> Void) throws -> Int {
    var empty = 0
    try forEachText { text in
      if text.allSatisfy(isSpace) { empty += 1 } else { try body(text) }
    }
    return empty
  }

  /// Documents and bytes of text that will be kept.
  func measured() throws -> (documents: Int, textBytes: Int, sourceBytes: Int) {
    var (documents, bytes) = (0, 0)
    _ = try forEachKept { text in
      documents += 1
      bytes += text.count
    }
    return (documents, bytes, sourceBytes)
  }

  /// Encodes every document and appends the vocabulary's end of document to each.
  /// - Parameter specialIsText: special tokens that a document writes out are text like any other.
  func encoded(
    by tokenizer: any Tokenizer, specialIsText: Bool, _ specials: WrittenSpecials, split: SplitDecision
  ) throws -> EncodedBatch {
    var batch = EncodedBatch(source: source, findings: lineFindings(), sourceBytes: sourceBytes)
    let end = tokenizer.vocabulary.endOfDocument
    var start = split.start(ofBatch: index)
    func encode(_ part: UnsafeBufferPointer<UInt8>, into side: inout EncodedSide) {
      if part.isEmpty { return }
      let before = side.ids.count
      tokenizer.encode(part, specialIsText: specialIsText, into: &side.ids)
      if let end { side.ids.append(end) }
      if side.ids.count > before { side.documents.append((side.ids.count, part.count)) }
    }
    batch.emptyDocuments = try forEachKept { text in
      let parts = split.parts(text, start: start)
      start += text.count
      if !isValidUTF8(text) { batch.invalidDocuments += 1 }
      if specials.areIn(text) { batch.specialDocuments += 1 }
      encode(UnsafeBufferPointer(rebasing: text[parts.train]), into: &batch.train)
      encode(UnsafeBufferPointer(rebasing: text[parts.validation]), into: &batch.validation)
    }
    return batch
  }
}

func isValidUTF8(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
  (try? UTF8Span(validating: text.span)) != nil
}

/// Writes the shards of one side, a new one whenever the next document would make the last too long.
struct ShardSequence {
  let folder: String
  let prefix: String
  let shardTokens: Int
  let vocabulary: Vocabulary
  let tokenizerHash: String
  private var writer: ShardWriter?
  private var finished: [CorpusManifest.Shard] = []

  init(folder: String, prefix: String, shardTokens: Int, vocabulary: Vocabulary, tokenizerHash: String) {
    (self.folder, self.prefix, self.shardTokens) = (folder, prefix, shardTokens)
    (self.vocabulary, self.tokenizerHash) = (vocabulary, tokenizerHash)
  }

  mutating func append(_ side: EncodedSide) throws {
    var start = 0
    for document in side.documents {
      try writer(for: document.end - start).append(side.ids[start..<document.end], textBytes: document.textBytes)
      start = document.end
    }
  }

  mutating func finish() throws -> [CorpusManifest.Shard] {
    if let writer { finished.append(try writer.finish()) }
    writer = nil
    return finished
  }

  private mutating func writer(for tokens: Int) throws -> ShardWriter {
    if let writer {
      if writer.tokenCount + tokens <= shardTokens { return writer }
      finished.append(try writer.finish())
    }
    let digits = String(finished.count)
    let name = prefix + "-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".shard"
    let new = try ShardWriter(
      path: folder + "/" + name, vocabularySize: vocabulary.size, endOfDocument: vocabulary.endOfDocument,
      tokenizerHash: tokenizerHash)
    writer = new
    return new
  }
}
