@testable import Storage
import Testing

@Suite struct PNGTests {
  /// The parts of a file, by the format's description; checksums are zlib's and are compared with known ones.
  @Test func partsOfAPicture() {
    let bytes = PNG.encode([0, 128, 255, 7, 8, 9], width: 3, height: 2, channels: 1)
    #expect(Array(bytes.prefix(8)) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
    #expect(Array(bytes[8..<16]) == [0, 0, 0, 13] + Array("IHDR".utf8))
    #expect(Array(bytes[16..<29]) == [0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0])
    // The end has a checksum that every PNG file has.
    #expect(Array(bytes.suffix(12)) == [0, 0, 0, 0] + Array("IEND".utf8) + [0xAE, 0x42, 0x60, 0x82])
    let color = PNG.encode([1, 2, 3], width: 1, height: 1, channels: 3)
    #expect(color[25] == 2)
    #expect(color == PNG.encode([1, 2, 3], width: 1, height: 1, channels: 3))
  }
}
