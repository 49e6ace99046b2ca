import Core
@testable import Data
import DataSupport
import Foundation
import Storage
import Testing

@Suite struct ShardTests {
  private static let hash = SHA256.of("tokenizer")

  private func shard(_ documents: [[Int32]], size: Int = 300, in folder: TemporaryFolder, name: String = "a.shard")
    throws -> String
  {
    let path = folder.path + "/" + name
    let writer = try ShardWriter(path: path, vocabularySize: size, endOfDocument: 7, tokenizerHash: Self.hash)
    for document in documents { try writer.append(document[...], textBytes: 10 * document.count) }
    _ = try writer.finish()
    return path
  }

  private func bytesOfThreeDocuments(in folder: TemporaryFolder) throws -> [UInt8] {
    _ = try shard([[1, 2, 3], [4, 5], [6]], in: folder)
    return try folder.read("a.shard")
  }

  private func problem(_ bytes: [UInt8], in folder: TemporaryFolder) -> String {
    let text = sentence { try Shard(try folder.write("bad.shard", bytes)).verify() }
    return text.replacingOccurrences(of: folder.path + "/", with: "")
  }

  /// A header with these counts and a checksum that holds, then a payload of zeros.
  private func forged(
    documents: UInt64, tokens: UInt64, payload: [UInt8] = [], change: (inout [UInt8]) -> Void = { _ in }
  ) -> [UInt8] {
    let header = ShardHeader(
      vocabularySize: 300, endOfDocument: nil, documents: 0, tokens: 0, textBytes: 0, tokenizerHash: Self.hash,
      payloadHash: SHA256.of(payload))
    var bytes = Array(header.encoded().prefix(24))
    bytes.appendLittleEndian(documents)
    bytes.appendLittleEndian(tokens)
    bytes += header.encoded()[40..<224]
    change(&bytes)
    return bytes + bytesOfHexadecimal(SHA256.of(bytes)) + payload
  }

  @Test(arguments: [300, 65_536, 65_537, 1 << 20])
  func documentsComeBack(_ size: Int) throws {
    let folder = try TemporaryFolder()
    let documents = [1, 7, 8, 9, 1000].map { count in (0..<count).map { Int32(($0 * 7919 + count) % size) } }
    let path = try shard(documents, size: size, in: folder)
    let shard = try Shard(path)
    #expect((0..<shard.documentCount).map(shard.document) == documents)
    #expect(shard.tokenCount == 1025 && shard.textBytes == 10_250 && shard.vocabularySize == size)
    #expect(shard.endOfDocument == 7 && shard.tokenizerHash == Self.hash)
    #expect(shard.fileBytes == 256 + ((1025 * (size <= 65_536 ? 2 : 4) + 7) & ~7) + 6 * 8)
    try shard.verify()
    for (token, document) in [(0, 0), (1, 1), (7, 1), (8, 2), (24, 3), (25, 4), (1024, 4)] {
      #expect(shard.documentIndex(ofToken: token) == document)
    }
  }

  @Test func everyFlippedBitIsFound() throws {
    let folder = try TemporaryFolder()
    let bytes = try bytesOfThreeDocuments(in: folder)
    #expect(problem(bytes, in: folder) == "no error")
    for index in bytes.indices {
      var flipped = bytes
      flipped[index] ^= 1 << UInt8(index % 8)
      #expect(problem(flipped, in: folder) != "no error", "bit \(index % 8) of byte \(index)")
    }
  }

  @Test func everyTruncationIsFoundWhenItIsOpened() throws {
    let folder = try TemporaryFolder()
    let bytes = try bytesOfThreeDocuments(in: folder)
    for count in 0..<bytes.count {
      let path = try folder.write("bad.shard", Array(bytes.prefix(count)))
      #expect(throws: DataError.self, "\(count) bytes") { try Shard(path) }
    }
    #expect(
      problem(Array(bytes.prefix(255)), in: folder)
        == "bad.shard: is cut short: 255 bytes, and the header alone has 256. Run lockstep prepare again.")
    #expect(
      problem(Array(bytes.dropLast()), in: folder)
        == "bad.shard: is cut short: 303 bytes, and 6 tokens in 3 documents take 304. Run lockstep prepare again.")
    #expect(
      problem(bytes + [0], in: folder)
        == "bad.shard: is too long: 305 bytes, and 6 tokens in 3 documents take 304. Run lockstep prepare again.")
  }

  @Test func eachDamageHasItsSentence() throws {
    let folder = try TemporaryFolder()
    var bytes = try bytesOfThreeDocuments(in: folder)
    bytes[256] ^= 1
    #expect(
      problem(bytes, in: folder)
        == "bad.shard: is damaged: the SHA-256 of its payload does not hold. Copy it again, or run lockstep prepare again."
    )
    bytes[30] ^= 1
    #expect(
      problem(bytes, in: folder)
        == "bad.shard: has a damaged header: its checksum does not hold. Run lockstep prepare again.")
    bytes[8] = 9
    #expect(
      problem(bytes, in: folder)
        == "bad.shard: has shard version 9; this build reads version 1. Use the build that made it, or prepare the corpus again."
    )
    bytes[0] = 0
    #expect(
      problem(bytes, in: folder)
        == "bad.shard: is not a Lockstep shard: it does not begin with LOCKSHRD. Give a file made by lockstep prepare.")
  }

  @Test func headersWithValidChecksumsAreNotTrustedEither() throws {
    let folder = try TemporaryFolder()
    func table(_ numbers: [UInt64]) -> [UInt8] {
      var payload = [UInt8](repeating: 0, count: 8)
      for number in numbers { payload.appendLittleEndian(number) }
      return payload
    }
    #expect(
      problem(forged(documents: 1, tokens: .max), in: folder)
        == "bad.shard: has absurd counts: 1 documents, 18446744073709551615 tokens, 0 bytes of text. Run lockstep prepare again."
    )
    #expect(
      problem(forged(documents: 5, tokens: 4), in: folder).hasPrefix(
        "bad.shard: has absurd counts: 5 documents, 4 tokens"))
    #expect(problem(forged(documents: 1, tokens: 1 << 47), in: folder).hasPrefix("bad.shard: is cut short: 256 bytes"))
    #expect(problem(forged(documents: 2, tokens: 4, payload: table([0, 2, 4])), in: folder) == "no error")
    for numbers in [[1, 2, 4], [0, 0, 4], [0, 5, 4], [0, .max, 4], [0, 2, 3]] as [[UInt64]] {
      #expect(
        problem(forged(documents: 2, tokens: 4, payload: table(numbers)), in: folder).hasPrefix(
          "bad.shard: has a damaged table of documents: "))
    }
    let wide = forged(documents: 2, tokens: 4, payload: table([0, 2, 4])) { $0[12] = 4 }
    #expect(
      problem(wide, in: folder)
        == "bad.shard: has 4 bytes per token; a vocabulary of 300 needs 2. Run lockstep prepare again.")
    var foreign = table([0, 2, 4])
    foreign.replaceSubrange(2..<4, with: [0x2C, 0x01])
    #expect(
      problem(forged(documents: 2, tokens: 4, payload: foreign), in: folder)
        == "bad.shard: has id 300 at token 1; the vocabulary has 300 ids. Copy the shard again, or run lockstep prepare again."
    )
  }

  @Test func idsOutsideTheVocabularyAreNotWritten() throws {
    let folder = try TemporaryFolder()
    for id in [-1, 300, 65_536] as [Int32] {
      #expect(
        sentence { _ = try shard([[1, id]], in: folder) }.contains(
          "would get id \(id); the tokeniser says its vocabulary has 300."))
    }
  }
}
