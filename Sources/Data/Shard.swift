import Core
import Storage

/// A file of token ids with the boundaries of its documents, mapped into memory.
///
/// Opening checks the header, the size of the file and the table of boundaries, so that no later read
/// can leave the file; `verify()` reads every byte. The layout is that of `ShardHeader`.
///
/// Invariant for the pointers below: the mapping lives as long as this object, has `header.fileSize` bytes,
/// and every boundary lies in 0 ... tokens.
public final class Shard: Sendable {
  public let path: String
  let header: ShardHeader
  private let file: MappedFile

  /// - Throws: `FileError` when the file cannot be read, `DataError` when it is not a whole shard.
  public init(_ path: String) throws {
    self.path = path
    self.file = try MappedFile(path)
    self.header = try ShardHeader(file.bytes, path: path)
    try checkBoundaries()
  }

  public var documentCount: Int { header.documents }
  public var tokenCount: Int { header.tokens }
  /// Bytes of raw text the tokens stand for; bits per byte are taken over these.
  public var textBytes: Int { header.textBytes }
  public var vocabularySize: Int { header.vocabularySize }
  public var endOfDocument: Int32? { header.endOfDocument }
  /// SHA-256 of the `tokenizer.json` that made the ids.
  public var tokenizerHash: String { header.tokenizerHash }
  /// SHA-256 of everything after the header, as the header states it.
  public var payloadHash: String { header.payloadHash }
  public var fileBytes: Int { file.count }

  /// The token at which document `index` begins; for `documentCount`, the number of tokens.
  public func boundary(_ index: Int) -> Int {
    precondition(
      index >= 0 && index <= documentCount, "boundary \(index) is outside a shard of \(documentCount) documents")
    return uncheckedBoundary(index)
  }

  /// The token ids of one document, its end included.
  public func document(_ index: Int) -> [Int32] {
    let range = boundary(index)..<boundary(index + 1)
    return range.map(token)
  }

  /// The id at `index` of the shard.
  public func token(_ index: Int) -> Int32 {
    precondition(index >= 0 && index < tokenCount, "token \(index) is outside a shard of \(tokenCount)")
    return uncheckedToken(index)
  }

  /// The document that holds token `index`, by binary search.
  public func documentIndex(ofToken index: Int) -> Int {
    precondition(index >= 0 && index < tokenCount, "token \(index) is outside a shard of \(tokenCount)")
    var (low, high) = (0, documentCount)
    while high - low > 1 {
      let middle = (low + high) / 2
      if uncheckedBoundary(middle) <= index { low = middle } else { high = middle }
    }
    return low
  }

  /// Reads the whole file: the checksum of the payload, then every id against the vocabulary.
  ///
  /// - Throws: `DataError` that says what is damaged.
  public func verify() throws(DataError) {
    let payload = UnsafeRawBufferPointer(rebasing: file.bytes[ShardHeader.byteCount...])
    guard SHA256.of(payload) == payloadHash else {
      throw DataError(
        path, "is damaged: the SHA-256 of its payload does not hold.",
        remedy: "Copy it again, or run lockstep prepare again.")
    }
    for index in 0..<tokenCount where !(0..<Int32(clamping: vocabularySize)).contains(uncheckedToken(index)) {
      throw outsideVocabulary(uncheckedToken(index), at: index)
    }
  }

  /// Copies ids into `tokens` from `offset` on.
  ///
  /// - Throws: `DataError` for an id outside the vocabulary, which only a damaged file holds.
  func copy(_ range: Range<Int>, into tokens: inout [Int32], at offset: Int) throws(DataError) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= tokenCount, "tokens \(range) are outside a shard of \(tokenCount)")
    let limit = UInt32(clamping: vocabularySize)
    for index in range {
      let id = uncheckedToken(index)
      if UInt32(bitPattern: id) >= limit { throw outsideVocabulary(id, at: index) }
      tokens[offset + index - range.lowerBound] = id
    }
  }

  private func outsideVocabulary(_ id: Int32, at index: Int) -> DataError {
    DataError(
      path, "has id \(UInt32(bitPattern: id)) at token \(index); the vocabulary has \(vocabularySize) ids.",
      remedy: "Copy the shard again, or run lockstep prepare again.")
  }

  private func checkBoundaries() throws(DataError) {
    var last = 0
    for index in 0...documentCount {
      let boundary = file.bytes.littleEndian(UInt64.self, at: header.tableOffset + index * 8)
      let holds = index == 0 ? boundary == 0 : boundary > UInt64(last) && boundary <= UInt64(tokenCount)
      guard holds, index < documentCount || boundary == UInt64(tokenCount) else {
        throw DataError(
          path,
          "has a damaged table of documents: boundary \(index) is \(boundary), after \(last), with \(tokenCount) tokens in all.",
          remedy: "Copy it again, or run lockstep prepare again.")
      }
      last = Int(boundary)
    }
  }

  @inline(__always)
  private func uncheckedBoundary(_ index: Int) -> Int {
    Int(file.bytes.littleEndian(UInt64.self, at: header.tableOffset + index * 8))
  }

  @inline(__always)
  private func uncheckedToken(_ index: Int) -> Int32 {
    header.tokenWidth == 2
      ? Int32(file.bytes.littleEndian(UInt16.self, at: ShardHeader.byteCount + index * 2))
      : Int32(bitPattern: file.bytes.littleEndian(UInt32.self, at: ShardHeader.byteCount + index * 4))
  }
}
