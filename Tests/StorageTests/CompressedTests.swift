import Core
import Storage
import Testing

/// Zstandard and xz: what the tools of that name wrote, whole, joined, cut short and changed.
@Suite struct CompressedTests {
  /// `printf 'some words of text\n%.0s' {1..5}` through `zstd -19` and through `xz`.
  static let text = Array(String(repeating: "some words of text\n", count: 5).utf8)
  static let zstd: [UInt8] = [
    0x28, 0xB5, 0x2F, 0xFD, 0x24, 0x5F, 0xD5, 0x00, 0x00, 0x98, 0x73, 0x6F, 0x6D, 0x65, 0x20, 0x77, 0x6F, 0x72, 0x64,
    0x73,
    0x20, 0x6F, 0x66, 0x20, 0x74, 0x65, 0x78, 0x74, 0x0A, 0x01, 0x00, 0xD3, 0xD0, 0x19, 0x06, 0x51, 0xE7, 0x27, 0x87,
  ]
  static let xz: [UInt8] = [
    0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00, 0x00, 0x04, 0xE6, 0xD6, 0xB4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x16, 0x00, 0x00,
    0x00,
    0x74, 0x2F, 0xE5, 0xA3, 0xE0, 0x00, 0x5E, 0x00, 0x1A, 0x5D, 0x00, 0x39, 0x9B, 0xC9, 0xF2, 0xE7, 0x50, 0xCA, 0x83,
    0xC7,
    0x6A, 0xE1, 0x38, 0x27, 0x84, 0x70, 0xA9, 0x61, 0x02, 0xB9, 0x40, 0x0E, 0x62, 0x95, 0x48, 0x50, 0x00, 0x00, 0x00,
    0x00,
    0xAD, 0xBC, 0xE8, 0x3A, 0xA2, 0xF9, 0xFE, 0xCB, 0x00, 0x01, 0x36, 0x5F, 0x3B, 0x68, 0x4E, 0x52, 0x1F, 0xB6, 0xF3,
    0x7D,
    0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5A,
  ]

  enum Form: String, CaseIterable {
    case zstd, xz

    var bytes: [UInt8] { self == .zstd ? CompressedTests.zstd : CompressedTests.xz }

    func inflate(_ bytes: [UInt8], piece: Int = 7, into pieceBytes: Int = 5) throws -> [UInt8] {
      let source = MemoryReader(bytes, piece: piece)
      return try readAll(
        self == .zstd
          ? ZstandardReader(source, storedBytes: bytes.count, name: "a")
          : XZReader(source, storedBytes: bytes.count, name: "a"), pieceBytes: pieceBytes)
    }
  }

  private func problem(_ form: Form, _ bytes: [UInt8]) -> String {
    do { return "\(try form.inflate(bytes).count) bytes" } catch { return "\(error)" }
  }

  @Test(arguments: Form.allCases) func theTextComesBack(_ form: Form) throws {
    for (piece, into) in [(1, 1), (7, 5), (1 << 16, 1 << 18)] {
      #expect(try form.inflate(form.bytes, piece: piece, into: into) == Self.text)
    }
    #expect(try form.inflate(form.bytes + form.bytes) == Self.text + Self.text)
  }

  @Test(arguments: Form.allCases) func everyTruncationIsFound(_ form: Form) {
    for count in 1..<form.bytes.count {
      #expect(
        problem(form, Array(form.bytes.prefix(count))).hasPrefix(
          "a: ends in the middle of its compressed data, after \(count) bytes."), "\(count)")
    }
  }

  @Test(arguments: Form.allCases) func everyChangedByteIsFoundOrHarmless(_ form: Form) {
    for index in form.bytes.indices {
      var bytes = form.bytes
      bytes[index] ^= 0x55
      let problem = problem(form, bytes)
      #expect(problem.hasPrefix("a: ") || problem == "\(Self.text.count) bytes", "byte \(index): \(problem)")
    }
  }
}
