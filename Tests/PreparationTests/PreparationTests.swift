import Core
import Data
import DataSupport
import Foundation
@testable import Preparation
import Storage
import Testing

@Suite struct PreparationTests {
  @Test func documentsComeBack() throws {
    let folder = try TemporaryFolder()
    let documents = someDocuments(60)
    for (index, document) in documents.enumerated() { try folder.write("texts/\(index % 3)/\(index).txt", document) }
    let corpus = try folder.prepare(["texts"])
    #expect(try corpus.allTexts() == Set(documents))
    #expect(corpus.manifest.train.documents + corpus.manifest.validation.documents == 60)
    let bytes = documents.reduce(0) { $0 + $1.utf8.count }
    #expect(corpus.manifest.train.textBytes + corpus.manifest.validation.textBytes == bytes)
    #expect(corpus.manifest.split == .init(rule: "document-hash", fraction: 0.1))
    for shard in try corpus.shards(.train) {
      for index in 0..<shard.documentCount { #expect(shard.document(index).last == 257) }
    }
  }

  @Test func aCorpusDoesNotDependOnTheThreads() throws {
    let folder = try TemporaryFolder()
    // More than one batch, so that batches may finish out of order.
    try folder.write("all.txt", someDocuments(30_000).joined(separator: "\n<sep>\n"))
    for threads in [1, 2, 5] {
      let options = PreparationOptions(
        format: .byEnding(text: .separatorLine("<sep>")), shardTokens: 300_000, threads: threads)
      try folder.prepare(["all.txt"], into: "corpus-\(threads)", options)
    }
    let one = try folder.contents("corpus-1")
    #expect(one.keys.filter { $0.hasSuffix(".shard") }.count > 4)
    #expect(try folder.contents("corpus-2") == one)
    #expect(try folder.contents("corpus-5") == one)
    #expect(try Corpus(folder.path + "/corpus-5").allTexts() == Set(someDocuments(30_000)))
  }

  @Test func filesOfAFolderComeInTheOrderOfTheirPaths() throws {
    let folder = try TemporaryFolder()
    for name in ["b.txt", "a/z.txt", "a.txt", ".hidden.txt", "B.txt", "image.png", ".git/x.txt"] {
      try folder.write("in/" + name, "text of \(name)")
    }
    let corpus = try folder.prepare(["in"], PreparationOptions(split: .tail(fraction: 0), threads: 1))
    #expect(try corpus.texts(.train) == ["B.txt", "a/z.txt", "a.txt", "b.txt"].map { "text of \($0)" })
    #expect(corpus.manifest.sources.map(\.name) == ["in/B.txt", "in/a/z.txt", "in/a.txt", "in/b.txt"])
  }

  @Test func theTailIsCutAtACharacter() throws {
    let folder = try TemporaryFolder()
    let text = String(repeating: "é", count: 50) + "x"
    try folder.write("one.txt", text)
    // 101 bytes: the cut at byte 90.9 is byte 90; at a share of 0.11 it would be 89, inside a character.
    let corpus = try folder.prepare(["one.txt"], PreparationOptions(split: .tail(fraction: 0.11), threads: 1))
    #expect(try corpus.texts(.train) == [String(text.prefix(44))])
    #expect(try corpus.texts(.validation) == [String(text.dropFirst(44))])
  }

  @Test func theTailOfSeveralDocumentsBeginsInsideOne() throws {
    let folder = try TemporaryFolder()
    try folder.write("all.txt", "0123456789\n\nabcdefghij\n\n\nABCDEFGHIJ\n")
    let options = PreparationOptions(format: .all(.text(.blankLines)), split: .automatic(fraction: 0.5), threads: 2)
    let corpus = try folder.prepare(["all.txt"], options)
    #expect(try corpus.texts(.train) == ["0123456789", "abcde"])
    #expect(try corpus.texts(.validation) == ["fghij", "ABCDEFGHIJ"])
    #expect(corpus.manifest.split == .init(rule: "tail", fraction: 0.5))
  }

  @Test func equalDocumentsLandOnOneSide() throws {
    let folder = try TemporaryFolder()
    let documents = (0..<200).map { "document \($0 % 40)" }
    try folder.write("all.txt", documents.joined(separator: "\n\n"))
    let options = PreparationOptions(
      format: .all(.text(.blankLines)), split: .byDocumentHash(fraction: 0.3), threads: 2)
    let corpus = try folder.prepare(["all.txt"], options)
    let (train, validation) = (try corpus.texts(.train), try corpus.texts(.validation))
    #expect(train.count + validation.count == 200)
    #expect(Set(train).isDisjoint(with: validation))
    #expect((4...20).contains(Set(validation).count), "about 12 of 40 documents are expected")
  }

  @Test func compressedFilesReadLikePlainOnes() throws {
    let folder = try TemporaryFolder()
    let text = someDocuments(50).joined()
    try folder.write("plain/a.txt", text)
    try folder.write("packed/a.txt.gz", Gzip.deflate(Array(text.utf8)))
    let plain = try folder.prepare(["plain"], into: "one")
    let packed = try folder.prepare(["packed"], into: "two")
    #expect(plain.manifest.contentHash == packed.manifest.contentHash)
    #expect(plain.manifest.recipe != packed.manifest.recipe)
  }

  @Test func emptyAndInvalidDocumentsAreCounted() throws {
    let folder = try TemporaryFolder()
    try folder.write("in/a.txt", "")
    try folder.write("in/b.txt", " \n\t")
    try folder.write("in/c.txt", [0xFF, 0x41, 0xC3])
    try folder.write("in/d.txt", [0xEF, 0xBB, 0xBF] + Array("marked".utf8))
    let corpus = try folder.prepare(["in"], PreparationOptions(split: .tail(fraction: 0), threads: 1))
    #expect(corpus.manifest.invalidDocuments == 1)
    #expect(
      corpus.manifest.emptyDocuments == 1, "a file without a byte has no document, one of white space has an empty one")
    let shard = try #require(try corpus.shards(.train).first)
    #expect(shard.document(0) == [0xFF, 0x41, 0xC3, 257])
    #expect(try corpus.texts(.train)[1] == "marked")
  }

  @Test func aTokenizerIsTrainedOnTheTrainingTextAlone() throws {
    let folder = try TemporaryFolder()
    try folder.write("one.txt", String(repeating: "train ", count: 90) + String(repeating: "valid ", count: 10))
    let preparation = CorpusPreparation(
      inputs: [folder.path + "/one.txt"], target: folder.path + "/corpus",
      tokenizer: .train(recipe: "pairs") { documents in
        var seen: [[UInt8]] = []
        for _ in 0..<2 { try documents.forEach { seen.append(Array($0)) } }
        #expect(seen == [[UInt8]](repeating: Array(String(repeating: "train ", count: 90).utf8), count: 2))
        return PairTokenizer()
      }, options: PreparationOptions(threads: 2))
    var phases: [PreparationProgress.Phase] = []
    var last: PreparationProgress?
    let outcome = try preparation.run { progress in
      if phases.last != progress.phase { phases.append(progress.phase) }
      last = progress
    }
    #expect(phases == [.hashing, .scanning, .trainingTokenizer, .encoding])
    #expect(last?.bytesDone == 600 && last?.bytesTotal == 600 && last?.documents == 2 && last?.tokens == 602)
    #expect(!outcome.alreadyPrepared)
  }

  @Test func aFinishedCorpusIsNotMadeAgain() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "some text of a corpus")
    try folder.prepare(["a.txt"])
    let before = try folder.contents("corpus")
    let again = CorpusPreparation(
      inputs: [folder.path + "/a.txt"], target: folder.path + "/corpus/", tokenizer: .ready(PairTokenizer()),
      options: PreparationOptions(threads: 1))
    #expect(try again.run().alreadyPrepared)
    #expect(
      folder.problem(["a.txt"], PreparationOptions(shardTokens: 5))
        == "corpus: holds a corpus made with other options or another tokeniser. Name another folder, or replace it with --force."
    )
    try folder.write("a.txt", "some other text of a corpus")
    #expect(
      folder.problem(["a.txt"])
        == "corpus: holds a corpus made from other files. Name another folder, or replace it with --force.")
    #expect(try folder.contents("corpus") == before)
    try folder.prepare(["a.txt"], PreparationOptions(threads: 1, force: true))
    #expect(try folder.contents("corpus") != before)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == ["a.txt", "corpus"])
  }

  @Test func aFolderThatIsNoCorpusIsLeftAlone() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "some text")
    try folder.write("corpus/precious.doc", "x")
    #expect(
      folder.problem(["a.txt"], PreparationOptions(force: true))
        == "corpus: exists and is not a corpus. Name a folder that does not exist; this one is left alone, even with --force."
    )
    #expect(try folder.contents("corpus").keys.sorted() == ["precious.doc"])
  }
}
