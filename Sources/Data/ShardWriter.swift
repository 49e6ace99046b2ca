import Core
import Glibc
import Storage

/// Writes one shard, document by document; the header comes last, so that a half-written file is no shard.
public final class ShardWriter {
  let path: String
  private let vocabularySize: Int
  private let endOfDocument: Int32?
  private let tokenizerHash: String
  private let descriptor: Int32
  private var hash = SHA256()
  private var pending: [UInt8] = []
  private var boundaries: [UInt64] = [0]
  private var textBytes = 0
  private var open = true

  private static let pendingBytes = 1 << 20
  private static let packedAtOnce = 1 << 16

  var documentCount: Int { boundaries.count - 1 }
  public var tokenCount: Int { Int(boundaries[boundaries.count - 1]) }

  public init(path: String, vocabularySize: Int, endOfDocument: Int32?, tokenizerHash: String) throws(FileError) {
    self.path = path
    (self.vocabularySize, self.endOfDocument, self.tokenizerHash) = (vocabularySize, endOfDocument, tokenizerHash)
    self.descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError("create", path, reason: systemReason()) }
    do {
      try Self.write([UInt8](repeating: 0, count: ShardHeader.byteCount), to: descriptor, path: path)
    } catch {
      close(descriptor)
      throw error
    }
  }

  deinit {
    if open { close(descriptor) }
  }

  /// - Parameters:
  ///   - ids: the document's ids, its end included; each must lie in the vocabulary.
  ///   - textBytes: bytes of raw text they stand for.
  public func append(_ ids: ArraySlice<Int32>, textBytes: Int) throws {
    precondition(!ids.isEmpty, "a document in a shard has at least one token")
    let limit = UInt32(clamping: vocabularySize)
    if let foreign = ids.first(where: { UInt32(bitPattern: $0) >= limit }) {
      throw DataError(
        path, "would get id \(foreign); the tokeniser says its vocabulary has \(vocabularySize).",
        remedy: "Its tokenizer.json contradicts itself.")
    }
    var rest = ids
    while !rest.isEmpty {
      pack(rest.prefix(Self.packedAtOnce))
      rest = rest.dropFirst(Self.packedAtOnce)
      if pending.count >= Self.pendingBytes { try flush() }
    }
    boundaries.append(boundaries[boundaries.count - 1] + UInt64(ids.count))
    self.textBytes += textBytes
  }

  /// Completes the file and waits until it is on the disk.
  public func finish() throws(FileError) -> CorpusManifest.Shard {
    let tokenBytes = tokenCount * ShardHeader.tokenWidth(vocabularySize: vocabularySize)
    pending += [UInt8](repeating: 0, count: ShardHeader.padded(tokenBytes) - tokenBytes)
    for boundary in boundaries { pending.appendLittleEndian(boundary) }
    try flush()
    let header = ShardHeader(
      vocabularySize: vocabularySize, endOfDocument: endOfDocument, documents: documentCount, tokens: tokenCount,
      textBytes: textBytes, tokenizerHash: tokenizerHash, payloadHash: takeHash().finish())
    guard lseek(descriptor, 0, SEEK_SET) == 0 else { throw FileError("seek in", path, reason: systemReason()) }
    try Self.write(header.encoded(), to: descriptor, path: path)
    guard fsync(descriptor) == 0 else { throw FileError("sync", path, reason: systemReason()) }
    open = false
    guard close(descriptor) == 0 else { throw FileError("close", path, reason: systemReason()) }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    return .init(
      file: name, documents: documentCount, tokens: tokenCount, textBytes: textBytes, payloadSha256: header.payloadHash)
  }

  /// Appends ids of the vocabulary in the shard's width.
  private func pack(_ ids: ArraySlice<Int32>) {
    if ShardHeader.tokenWidth(vocabularySize: vocabularySize) == 2 {
      ids.map { UInt16(truncatingIfNeeded: $0).littleEndian }.withUnsafeBytes { pending.append(contentsOf: $0) }
    } else {
      ids.map(\.littleEndian).withUnsafeBytes { pending.append(contentsOf: $0) }
    }
  }

  private func flush() throws(FileError) {
    pending.withUnsafeBytes { hash.update($0) }
    try Self.write(pending, to: descriptor, path: path)
    pending.removeAll(keepingCapacity: true)
  }

  /// The hash so far; a fresh one takes its place, because a stored property cannot be left empty.
  private func takeHash() -> SHA256 {
    var taken = SHA256()
    swap(&taken, &hash)
    return taken
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(FileError) {
    let outcome = bytes.withUnsafeBytes { buffer in
      Result { () throws(FileError) in try AtomicFile.writeAll(buffer, to: descriptor, path: path) }
    }
    try outcome.get()
  }
}
