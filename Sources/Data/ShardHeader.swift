import Core
import Storage

/// The first 256 bytes of a shard.
///
/// Concretely, all numbers little-endian:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | magic `LOCKSHRD` |
/// | 8 | 4 | version, 1 |
/// | 12 | 4 | bytes per token: 2 when the vocabulary has at most 65,536 ids, else 4 |
/// | 16 | 4 | vocabulary size |
/// | 20 | 4 | id that ends a document, or 0xFFFFFFFF when there is none |
/// | 24 | 8 | documents |
/// | 32 | 8 | tokens |
/// | 40 | 8 | bytes of raw text the tokens stand for |
/// | 48 | 16 | zero |
/// | 64 | 32 | SHA-256 of the tokeniser's `tokenizer.json` |
/// | 96 | 32 | SHA-256 of the payload: everything after the header |
/// | 128 | 96 | zero |
/// | 224 | 32 | SHA-256 of the 224 bytes before |
///
/// The payload is the tokens, zero bytes up to a multiple of 8, and the table of boundaries: documents + 1
/// numbers of 8 bytes, the token at which each document begins, and last the number of tokens.
struct ShardHeader: Equatable, Sendable {
  static let byteCount = 256
  static let magic = Array("LOCKSHRD".utf8)
  static let version: UInt32 = 1
  private static let digestOffset = 224

  var vocabularySize: Int
  var endOfDocument: Int32?
  var documents: Int
  var tokens: Int
  var textBytes: Int
  var tokenizerHash: String
  var payloadHash: String

  /// Bytes a token takes.
  var tokenWidth: Int { Self.tokenWidth(vocabularySize: vocabularySize) }
  /// Where the table of boundaries begins.
  var tableOffset: Int { Self.byteCount + Self.padded(tokens * tokenWidth) }
  var fileSize: Int { tableOffset + (documents + 1) * 8 }

  static func tokenWidth(vocabularySize: Int) -> Int { vocabularySize <= 65_536 ? 2 : 4 }
  static func padded(_ bytes: Int) -> Int { (bytes + 7) & ~7 }

  func encoded() -> [UInt8] {
    var bytes = Self.magic
    for word in [Self.version, UInt32(tokenWidth), UInt32(vocabularySize), UInt32(bitPattern: endOfDocument ?? -1)] {
      bytes.appendLittleEndian(word)
    }
    for number in [documents, tokens, textBytes, 0, 0] { bytes.appendLittleEndian(UInt64(number)) }
    bytes += bytesOfHexadecimal(tokenizerHash) + bytesOfHexadecimal(payloadHash)
    bytes += [UInt8](repeating: 0, count: Self.digestOffset - bytes.count)
    return bytes + bytesOfHexadecimal(SHA256.of(bytes))
  }

  /// Reads the header of a shard and checks it against itself and against the size of the file.
  ///
  /// - Throws: `DataError` that says which rule is broken.
  init(_ file: UnsafeRawBufferPointer, path: String) throws(DataError) {
    let rebuild = "Run lockstep prepare again."
    guard file.count >= 8, file.starts(with: Self.magic) else {
      throw DataError(
        path, "is not a Lockstep shard: it does not begin with LOCKSHRD.",
        remedy: "Give a file made by lockstep prepare.")
    }
    guard file.count >= Self.byteCount else {
      throw DataError(
        path, "is cut short: \(file.count) bytes, and the header alone has \(Self.byteCount).", remedy: rebuild)
    }
    let version = file.littleEndian(UInt32.self, at: 8)
    guard version == Self.version else {
      throw DataError(
        path, "has shard version \(version); this build reads version \(Self.version).",
        remedy: "Use the build that made it, or prepare the corpus again.")
    }
    let digest = SHA256.of(UnsafeRawBufferPointer(rebasing: file[..<Self.digestOffset]))
    guard digest == hexadecimal(file[Self.digestOffset..<Self.byteCount]) else {
      throw DataError(path, "has a damaged header: its checksum does not hold.", remedy: rebuild)
    }
    self.vocabularySize = Int(file.littleEndian(UInt32.self, at: 16))
    let end = Int32(bitPattern: file.littleEndian(UInt32.self, at: 20))
    self.endOfDocument = end < 0 ? nil : end
    guard (1...Int(Int32.max)).contains(vocabularySize), end == -1 || (0..<vocabularySize).contains(Int(end)) else {
      throw DataError(
        path, "has a vocabulary of \(vocabularySize) ids and ends documents with id \(UInt32(bitPattern: end)).",
        remedy: rebuild)
    }
    self.tokenizerHash = hexadecimal(file[64..<96])
    self.payloadHash = hexadecimal(file[96..<128])
    let counts = [24, 32, 40].map { file.littleEndian(UInt64.self, at: $0) }
    // 2^48 tokens are 500 TB: a larger count is not a corpus, and below it no product here can overflow.
    guard counts.allSatisfy({ $0 < 1 << 48 }), counts[0] <= counts[1] else {
      throw DataError(
        path, "has absurd counts: \(counts[0]) documents, \(counts[1]) tokens, \(counts[2]) bytes of text.",
        remedy: rebuild)
    }
    (self.documents, self.tokens, self.textBytes) = (Int(counts[0]), Int(counts[1]), Int(counts[2]))
    let width = file.littleEndian(UInt32.self, at: 12)
    guard Int(width) == Self.tokenWidth(vocabularySize: vocabularySize) else {
      throw DataError(
        path,
        "has \(width) bytes per token; a vocabulary of \(vocabularySize) needs \(Self.tokenWidth(vocabularySize: vocabularySize)).",
        remedy: rebuild)
    }
    guard file.count == fileSize else {
      let what = file.count < fileSize ? "is cut short" : "is too long"
      throw DataError(
        path, "\(what): \(file.count) bytes, and \(tokens) tokens in \(documents) documents take \(fileSize).",
        remedy: rebuild)
    }
  }

  init(
    vocabularySize: Int, endOfDocument: Int32?, documents: Int, tokens: Int, textBytes: Int, tokenizerHash: String,
    payloadHash: String
  ) {
    (self.vocabularySize, self.endOfDocument) = (vocabularySize, endOfDocument)
    (self.documents, self.tokens, self.textBytes) = (documents, tokens, textBytes)
    (self.tokenizerHash, self.payloadHash) = (tokenizerHash, payloadHash)
  }
}

extension UnsafeRawBufferPointer {
  /// The little-endian number at `offset`, which the caller has checked to be inside.
  @inline(__always)
  func littleEndian<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) -> Number {
    Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
  }
}

extension [UInt8] {
  mutating func appendLittleEndian(_ number: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }
}

/// The bytes two lower-case hexadecimal digits each stand for.
func bytesOfHexadecimal(_ text: String) -> [UInt8] {
  func value(_ digit: UInt8) -> UInt8 {
    digit >= UInt8(ascii: "a") ? digit - UInt8(ascii: "a") + 10 : digit - UInt8(ascii: "0")
  }
  let digits = Array(text.utf8)
  return stride(from: 0, to: digits.count - 1, by: 2).map { value(digits[$0]) << 4 | value(digits[$0 + 1]) }
}
