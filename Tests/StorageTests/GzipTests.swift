import Core
import Storage
import Testing

@Suite struct GzipTests {
  private func inflate(_ bytes: [UInt8], pieceBytes: Int = 64) throws -> [UInt8] {
    var text: [UInt8] = []
    try bytes.withUnsafeBytes { try Gzip.inflate($0, name: "a.gz", pieceBytes: pieceBytes) { text += $0 } }
    return text
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
    for count in 2..<packed.count {
      #expect(problem(Array(packed.prefix(count))) == "a.gz: ends in the middle of its compressed data, after \(count) bytes. Fetch or compress the file again.")
    }
  }

  @Test func aWrongChecksumIsFound() {
    var packed = Gzip.deflate(text(300))
    packed[packed.count - 8] ^= 1
    #expect(problem(packed).hasPrefix("a.gz: is damaged at byte "))
    #expect(problem(packed).contains("incorrect data check"))
  }

  @Test func otherFilesAreRefused() {
    #expect(problem(Array("hello".utf8)) == "a.gz: is not a gzip file: it does not begin with the bytes 1f 8b. Rename it if it is not compressed.")
    #expect(problem(Gzip.deflate([1]) + [7]).hasPrefix("a.gz: "))
  }
}
