import Core
import Storage
import Testing

/// Bytes of memory, a few at a time.
final class MemoryReader: ByteReader {
  private let bytes: [UInt8]
  private var offset = 0
  private let piece: Int

  init(_ bytes: [UInt8], piece: Int = 7) { (self.bytes, self.piece) = (bytes, piece) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let count = min(buffer.count, piece, bytes.count - offset)
    buffer.copyBytes(from: bytes[offset..<offset + count])
    offset += count
    return count
  }
}

/// All that a reader gives, in pieces of `pieceBytes`.
func readAll(_ reader: any ByteReader, pieceBytes: Int = 64) throws -> [UInt8] {
  var (text, piece) = ([UInt8](), [UInt8](repeating: 0, count: pieceBytes))
  while true {
    let got = try piece.withUnsafeMutableBytes { try reader.read(into: $0) }
    if got == 0 { return text }
    text += piece[..<got]
  }
}

@Suite struct GzipTests {
  private func inflate(_ bytes: [UInt8], pieceBytes: Int = 64) throws -> [UInt8] {
    try readAll(GzipReader(MemoryReader(bytes), name: "a.gz"), pieceBytes: pieceBytes)
  }

  private func problem(_ bytes: [UInt8]) -> String {
    do {
      _ = try inflate(bytes)
      return "no error"
    } catch {
      return "\(error)"
    }
  }

  private func text(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* $0 / 7) } }

  @Test(arguments: [0, 1, 63, 64, 65, 1000, 100_000])
  func bytesComeBack(_ count: Int) throws {
    let packed = Gzip.deflate(text(count))
    #expect(try inflate(packed) == text(count))
    #expect(try inflate(packed, pieceBytes: 1 << 18) == text(count))
  }

  @Test func membersFollowEachOther() throws {
    let packed = Gzip.deflate(text(500)) + Gzip.deflate([]) + Gzip.deflate(text(70)) + [0, 0, 0]
    #expect(try inflate(packed) == text(500) + text(70))
  }

  @Test func everyTruncationIsFound() {
    let packed = Gzip.deflate(text(300))
    for count in 0..<packed.count {
      #expect(
        problem(Array(packed.prefix(count)))
          == "a.gz: ends in the middle of its compressed data, after \(count) bytes. Fetch or compress the file again.")
    }
  }

  @Test func aWrongChecksumIsFound() {
    var packed = Gzip.deflate(text(300))
    packed[packed.count - 8] ^= 1
    #expect(problem(packed).hasPrefix("a.gz: is damaged at byte "))
    #expect(problem(packed).contains("incorrect data check"))
  }

  @Test func whatFollowsAMemberIsAMember() {
    #expect(
      problem(Gzip.deflate([1]) + [7])
        == "a.gz: is damaged at byte 21 of its compressed data: what follows the last member is not a gzip member. Fetch or compress the file again."
    )
    #expect(problem(Gzip.deflate([1]) + [0x1F, 7]).hasPrefix("a.gz: is damaged at byte "))
    #expect(
      problem(Gzip.deflate([1]) + [0, 7])
        == "a.gz: is damaged at byte 21 of its compressed data: what follows the last member is not a gzip member. Fetch or compress the file again."
    )
    #expect(problem(Array("hello".utf8)).hasPrefix("a.gz: is damaged at byte "))
  }
}
