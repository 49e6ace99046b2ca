import Core
@testable import Data
import DataSupport
import Foundation
import Preparation
import Storage
import Testing

@Suite struct CorpusTests {
  private func corpus(in folder: TemporaryFolder) throws -> Corpus {
    try folder.write("all.txt", someDocuments(40).joined(separator: "\n<sep>\n"))
    let options = PreparationOptions(
      format: .byEnding(text: .separatorLine("<sep>")), split: .tail(fraction: 0.2), shardTokens: 500, threads: 2)
    return try folder.prepare(["all.txt"], options)
  }

  @Test func aCorpusSaysWhatItHolds() throws {
    let folder = try TemporaryFolder()
    let corpus = try corpus(in: folder)
    let inspection = try CorpusInspection(corpus.folder, verify: true)
    #expect(inspection.isIntact && inspection.contentHash == corpus.manifest.contentHash)
    let train = try #require(inspection.parts["train"])
    #expect(train.tokens == (try corpus.shards(.train)).reduce(0) { $0 + $1.tokenCount })
    #expect(
      train.documents == corpus.manifest.train.documents && train.shards == corpus.manifest.train.count
        && train.shards > 2)
    #expect(
      inspection.lines.first == "corpus \(corpus.folder)" && inspection.lines.last == "intact: every byte was checked")
    #expect(
      inspection.lines.contains {
        $0.hasPrefix(
          "train: \(train.documents) documents, \(train.tokens) tokens, \(train.textBytes) bytes of text, 0.")
      })
    let copy = try JSONDecoder.snakeCase().decode(
      CorpusInspection.self, from: JSONEncoder.snakeCase().encode(inspection))
    #expect(copy == inspection)
    let shard = try CorpusInspection(corpus.folder + "/train-00000.shard", verify: false)
    #expect(shard.parts["tokens"]?.tokens == corpus.manifest.train[0].tokens)
    #expect(shard.lines.last == "headers and sizes are sound; the contents were not read")
  }

  @Test func damageIsNamedForEachShard() throws {
    let folder = try TemporaryFolder()
    let corpus = try corpus(in: folder)
    var bytes = try folder.read("corpus/train-00001.shard")
    bytes[300] ^= 4
    try folder.write("corpus/train-00001.shard", bytes)
    try folder.write("corpus/validation-00000.shard", try folder.read("corpus/train-00000.shard"))
    #expect(try CorpusInspection(corpus.folder, verify: false).problems.count == 1)
    let problems = try CorpusInspection(corpus.folder, verify: true).problems.map {
      $0.replacingOccurrences(of: corpus.folder + "/", with: "")
    }
    #expect(
      problems == [
        "train-00001.shard: is damaged: the SHA-256 of its payload does not hold. Copy it again, or run lockstep prepare again.",
        "validation-00000.shard: is not the shard that corpus.json lists under this name. Copy the whole corpus again, or run lockstep prepare again.",
      ])
  }

  @Test func partsOfOtherCorporaAreRefused() throws {
    let folder = try TemporaryFolder()
    let corpus = try corpus(in: folder)
    try folder.write("other.txt", "another text, other ids")
    let other = try folder.prepare(["other.txt"], into: "other", tokenizer: PairTokenizer(size: 400))
    try folder.write("corpus/validation-00000.shard", try folder.read("other/validation-00000.shard"))
    #expect(
      sentence { _ = try corpus.shards(.validation) }.hasSuffix(
        "validation-00000.shard: was made with another tokeniser than the corpus it lies in. Run lockstep prepare again."
      ))
    try folder.write("corpus/tokenizer.json", try folder.read("other/tokenizer.json"))
    #expect(
      sentence { _ = try Corpus(corpus.folder) }.contains(
        "tokenizer.json: is not the file this corpus was made with: its SHA-256 is \(other.manifest.tokenizerSha256)"))
    try FileManager.default.removeItem(atPath: corpus.folder + "/train-00000.shard")
    #expect(sentence { _ = try corpus.shards(.train) }.hasPrefix("\(corpus.folder)/train-00000.shard: is missing."))
  }

  @Test func anIntactShardOfEqualSizeIsNotTakenForAnother() throws {
    let folder = try TemporaryFolder()
    try folder.write("one.txt", "the first text")
    try folder.write("two.txt", "another text !")
    let corpus = try folder.prepare(["one.txt"], into: "corpus")
    try folder.prepare(["two.txt"], into: "other")
    try folder.write("corpus/train-00000.shard", try folder.read("other/train-00000.shard"))
    #expect(
      sentence { _ = try corpus.shards(.train) }.hasSuffix(
        "train-00000.shard: is not the shard that corpus.json lists under this name. Copy the whole corpus again, or run lockstep prepare again."
      ))
  }

  @Test func aDamagedManifestIsNamed() throws {
    let folder = try TemporaryFolder()
    #expect(
      sentence { _ = try Corpus(folder.path) }
        == "\(folder.path): is not a corpus: it has no readable corpus.json. Make one with lockstep prepare.")
    try folder.write("corpus.json", "{\"version\": 4}")
    #expect(
      sentence { _ = try Corpus(folder.path) }
        == "\(folder.path)/corpus.json: has version 4; this build reads version 3. Prepare the corpus again.")
    try folder.write("corpus.json", "{\"version\": 3}")
    #expect(
      sentence { _ = try Corpus(folder.path) }
        == "\(folder.path)/corpus.json: is damaged: it is not the JSON that lockstep prepare writes. Copy it again, or run lockstep prepare again."
    )
  }

  @Test func aFlippedBitAnywhereInTheManifestIsSeen() throws {
    let folder = try TemporaryFolder()
    let corpus = try corpus(in: folder)
    let sound = try folder.read("corpus/corpus.json")
    let unseen = try sound.indices.filter { at in
      var bytes = sound
      bytes[at] ^= 1 << (at % 8)
      try folder.write("corpus/corpus.json", bytes)
      return !sentence { _ = try Corpus(corpus.folder) }.hasPrefix("\(corpus.folder)/corpus.json: ")
    }
    #expect(unseen.isEmpty)
    try folder.write("corpus/corpus.json", sound + [UInt8(ascii: "\n")])
    #expect(
      sentence { _ = try Corpus(corpus.folder) }.contains(
        "corpus.json: is damaged: the digest it ends with does not hold."))
    try folder.write("corpus/corpus.json", sound)
    #expect(try Corpus(corpus.folder).manifest == corpus.manifest)
  }

  @Test func aDamagedOrMissingFileOfTheTokeniserIsNamed() throws {
    let folder = try TemporaryFolder()
    let corpus = try corpus(in: folder)
    for name in ["tokenizer.json", "tokenizer_config.json"] {
      let sound = try folder.read("corpus/" + name)
      try folder.write("corpus/" + name, sound + [UInt8(ascii: " ")])
      #expect(
        sentence { _ = try Corpus(corpus.folder) }.hasPrefix(
          "\(corpus.folder)/\(name): is not the file this corpus was made with"))
      try FileManager.default.removeItem(atPath: corpus.folder + "/" + name)
      #expect(sentence { _ = try Corpus(corpus.folder) }.hasPrefix("\(corpus.folder)/\(name): is missing."))
      try folder.write("corpus/" + name, sound)
    }
  }
}
