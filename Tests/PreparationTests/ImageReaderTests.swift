import Core
import Data
import DataSupport
import Foundation
@testable import Preparation
import Storage
import Testing

/// Folders of PNG and JPEG.
@Suite struct ImageReaderTests {
  /// A PNG of stored rows: colour type 0 grey, 2 colour, 3 palette, 6 with transparency.
  static func png(
    _ width: Int, _ height: Int, depth: UInt8 = 8, colour: UInt8, rows: [[UInt8]], extra: [(String, [UInt8])] = []
  ) -> [UInt8] {
    func big(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
    func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
      let body = Array(name.utf8) + data
      return big(data.count) + body + big(Int(crc(body)))
    }
    // zlib of one stored block.
    let raw: [UInt8] = rows.flatMap { [0] + $0 }
    let length = UInt16(raw.count)
    var stored: [UInt8] = [0x78, 0x01, 1, UInt8(length & 255), UInt8(length >> 8)]
    stored += [UInt8(~length & 255), UInt8(~length >> 8)]
    stored += raw + big(adler(raw))
    var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    file += chunk("IHDR", big(width) + big(height) + [depth, colour, 0, 0, 0])
    for (name, data) in extra { file += chunk(name, data) }
    return file + chunk("IDAT", stored) + chunk("IEND", [])
  }

  private static func crc(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(UInt32.max) { value, byte in
      (0..<8).reduce(value ^ UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
  }

  private static func adler(_ bytes: [UInt8]) -> Int {
    let (a, b) = bytes.reduce((1, 0)) { sum, byte in
      ((sum.0 + Int(byte)) % 65_521, (sum.1 + sum.0 + Int(byte)) % 65_521)
    }
    return b << 16 | a
  }

  @Test func classesAreFoldersAndColoursAreChannels() throws {
    let folder = try TemporaryFolder()
    try folder.write("in/dog/1.png", Self.png(2, 1, colour: 2, rows: [[1, 2, 3, 4, 5, 6]]))
    try folder.write(
      "in/cat/2.png", Self.png(2, 1, colour: 3, rows: [[1, 0]], extra: [("PLTE", [10, 20, 30, 40, 50, 60])]))
    let corpus = try folder.prepareNumbers(["in"])
    let values = try corpus.tensor("values")
    #expect(values.shape == [2, 3, 1, 2] && values.dtype == "U8")
    // cat comes first, by its name; its palette is read as colours.
    #expect(values.numbers == [40, 10, 50, 20, 60, 30, 1, 4, 2, 5, 3, 6])
    #expect(corpus.manifest.values?.fields == [FieldShape("label", classes: 2, names: ["cat", "dog"])])
    #expect(try corpus.tensor("label").numbers == [0, 1])
  }

  @Test func numbersAreThoseOfTheFileWhateverItsGamma() throws {
    let folder = try TemporaryFolder()
    let gamma: [UInt8] = [0, 1, 0x86, 0xA0]
    try folder.write("a.png", Self.png(2, 1, colour: 0, rows: [[100, 200]], extra: [("gAMA", gamma)]))
    #expect(try folder.prepareNumbers(["a.png"]).tensor("values").numbers == [100, 200])
  }

  /// 8 × 8 pixels of grey 128: one coefficient per block, written by hand from the standard's tables.
  static func jpeg(marker: UInt8 = 0xC0, components: UInt8 = 1) -> [UInt8] {
    let quantisation: [UInt8] = [0xFF, 0xDB, 0, 67, 0] + [UInt8](repeating: 1, count: 64)
    var frame: [UInt8] = [0xFF, marker, 0, 8 + 3 * components, 8, 0, 8, 0, 8, components]
    for id in 1...components { frame += [id, 0x11, 0] }
    // One code of one bit in each table: the category 0, and the end of the block.
    func table(_ kind: UInt8) -> [UInt8] { [0xFF, 0xC4, 0, 20, kind, 1] + [UInt8](repeating: 0, count: 16) }
    var scan: [UInt8] = [0xFF, 0xDA, 0, 6 + 2 * components, components]
    for id in 1...components { scan += [id, 0] }
    scan += [0, 63, 0, components == 1 ? 0x3F : 0x00]
    let start: [UInt8] = [0xFF, 0xD8] + quantisation + frame
    return start + table(0x00) + table(0x10) + scan + [0xFF, 0xD9]
  }

  @Test func jpegIsRead() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.jpg", Self.jpeg())
    let values = try folder.prepareNumbers(["a.jpg"]).tensor("values")
    #expect(values.shape == [1, 1, 8, 8] && values.numbers.allSatisfy { $0 == 128 })
  }

  @Test func imagesThatCannotBeRecordsAreRefusedByName() throws {
    let folder = try TemporaryFolder()
    let grey = Self.png(2, 1, colour: 0, rows: [[1, 2]])
    func sentence(_ bytes: [UInt8], _ name: String = "a.png") throws -> String {
      try folder.write(name, bytes)
      return folder.refusal([name]) ?? ""
    }
    #expect(try sentence(Self.png(1, 1, depth: 16, colour: 0, rows: [[1, 2]])).contains("16 bits per channel"))
    #expect(try sentence(Self.png(1, 1, colour: 6, rows: [[1, 2, 3, 4]])).contains("transparency"))
    #expect(
      try sentence(Self.png(1, 1, colour: 0, rows: [[1]], extra: [("acTL", [0, 0, 0, 1, 0, 0, 0, 0])])).contains(
        "animated PNG"))
    #expect(try sentence(Array(grey.dropLast(20))).contains("damaged PNG"))
    // A header that claims 10 million pixels is refused before memory is taken for them.
    #expect(try sentence(Self.png(10_000, 1000, colour: 0, rows: [[1]])).contains("10000 × 1000 pixels; at most"))
    #expect(try sentence(Self.jpeg(components: 4), "a.jpg").contains("CMYK"))
    #expect(try sentence(Array(Self.jpeg().dropLast(3)), "a.jpg").contains("damaged JPEG"))
    #expect(try sentence(Array("no image".utf8)).contains("is neither PNG nor JPEG"))
    try folder.write("in/a/1.png", grey)
    try folder.write("in/a/2.png", Self.png(1, 1, colour: 0, rows: [[1]]))
    let unequal = folder.refusal(["in"]) ?? ""
    #expect(unequal.contains("2.png: has the shape [1, 1, 1]") && unequal.contains("1.png has [1, 1, 2]"))
  }

  @Test func filesDoNotDependOnTheThreads() throws {
    let folder = try TemporaryFolder()
    for i in 0..<40 {
      try folder.write("in/\(i % 3)/\(i).png", Self.png(2, 1, colour: 0, rows: [[UInt8(i), 200]]))
    }
    var found: [[String: [UInt8]]] = []
    for threads in [1, 2] {
      found.append(
        try folder.prepareNumbers(["in"]) {
          $0.threads = threads
          $0.split = .automatic(fraction: 0.3)
          $0.shardBytes = 16
        }.contents())
    }
    #expect(found[0] == found[1] && found[0].count > 4)
  }
}
