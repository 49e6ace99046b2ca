import Core
@testable import Storage
import Testing

@Suite("Text that a model writes")
struct TextStreamTests {
  private func written(_ pieces: [[UInt8]], isTerminal: Bool) throws -> [UInt8] {
    final class Box { var bytes: [UInt8] = [] }
    let box = Box()
    var stream = TextStream(isTerminal: isTerminal) { box.bytes += $0 }
    for piece in pieces { try stream.write(piece) }
    try stream.finish()
    return box.bytes
  }

  @Test("a file gets every byte, a terminal whole characters")
  func bytes() throws {
    let pieces: [[UInt8]] = [[0xE6], [0x97, 0xA5], Array("\u{1B}[2J".utf8), [0xFF, 0x61], [0xF0, 0x9F]]
    #expect(try written(pieces, isTerminal: false) == pieces.flatMap { $0 } + [0x0A])
    #expect(String(decoding: try written(pieces, isTerminal: true), as: UTF8.self) == "日\\x1b[2J\u{FFFD}a\u{FFFD}\n")
  }

  @Test("only the beginning of a character waits for its end")
  func unfinished() {
    #expect(TextStream.unfinished([0x61]) == 0)
    #expect(TextStream.unfinished([0x61, 0xE6]) == 1)
    #expect(TextStream.unfinished([0xF0, 0x9F, 0x91]) == 3)
    #expect(TextStream.unfinished([0xE6, 0x97, 0xA5]) == 0)
    #expect(TextStream.unfinished([0xFF]) == 0)
    #expect(TextStream.unfinished([0x80, 0x80, 0x80]) == 0)
    #expect(TextStream.unfinished([]) == 0)
  }
}
