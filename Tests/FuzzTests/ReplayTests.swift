import Core
import Foundation
import FuzzTargets
import Testing

/// Seeds by reader: small sound files, and each input that once caused a failure.
private func seeds(of reader: FileReader) throws -> [(name: String, bytes: [UInt8])] {
  let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
    "Seeds/\(reader.name)"
  ).path
  return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
    ("\(reader.name)/\(name)", Array(try #require(FileManager.default.contents(atPath: folder + "/" + name))))
  }
}

@Suite("Fuzz targets") struct ReplayTests {
  /// A trap ends the whole test run, and the last line on standard error says at which seed.
  @Test("a reader takes any bytes, and refuses them with a sentence", arguments: FileReader.all.map(\.name))
  func survives(name: String) throws {
    let reader = try #require(FileReader.all.first { $0.name == name })
    let scratch = ScratchFolder()
    let seeds = try seeds(of: reader)
    #expect(!seeds.isEmpty, "\(name) has no seeds")
    for (index, seed) in seeds.enumerated() {
      check(reader, seed.bytes, seed.name, scratch)
      var mutator = Mutator(seed: UInt64(index + 1))
      for round in 0..<max(1, 240 / seeds.count) {
        check(reader, mutator.mutated(seed.bytes), "\(seed.name), mutation \(round)", scratch)
      }
    }
  }

  /// Without this, a seed that a new version of its format refuses would test nothing behind the version.
  @Test("sound seeds are read", arguments: FileReader.all.map(\.name))
  func soundSeedsAreRead(name: String) throws {
    let reader = try #require(FileReader.all.first { $0.name == name })
    let scratch = ScratchFolder()
    for seed in try seeds(of: reader) where seed.name.contains("/whole.") {
      #expect(throws: Never.self, "\(seed.name)") { try reader.accept(seed.bytes, in: scratch) }
    }
  }

  private func check(_ reader: FileReader, _ bytes: [UInt8], _ name: String, _ scratch: ScratchFolder) {
    if let complaint = reader.complaint(about: bytes, in: scratch) { Issue.record("\(name): \(complaint)") }
  }
}
