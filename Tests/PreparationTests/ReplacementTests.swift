import Core
@testable import Data
import DataSupport
import Foundation
import Glibc
@testable import Preparation
import Storage
import Synchronization
import Testing

/// Where a corpus is written: what stands there, what is beside it, and what an interrupted process leaves.
@Suite struct ReplacementTests {
  private func other(force: Bool = true) -> PreparationOptions {
    PreparationOptions(shardTokens: 5, threads: 1, force: force)
  }

  private func folderWithCorpus() throws -> (TemporaryFolder, before: [String: [UInt8]]) {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "some text of a corpus")
    try folder.prepare(["a.txt"])
    return (folder, try folder.contents("corpus"))
  }

  private func entries(_ folder: TemporaryFolder) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
  }

  @Test func replacingTouchesNothingBesideTheCorpus() throws {
    let (folder, before) = try folderWithCorpus()
    try folder.write("corpus.old/precious", "x")
    try folder.write("corpus.partial/precious", "x")
    // The name of a folder of ours, without the marker.
    try folder.write("corpus.partial-abcdef/precious", "x")
    try folder.prepare(["a.txt"], other())
    #expect(try folder.contents("corpus") != before)
    #expect(try entries(folder) == ["a.txt", "corpus", "corpus.old", "corpus.partial", "corpus.partial-abcdef"])
    for name in ["corpus.old", "corpus.partial", "corpus.partial-abcdef"] {
      #expect(try folder.contents(name).keys.sorted() == ["precious"])
    }
  }

  @Test func whatIsNoPartOfACorpusIsNotRemoved() throws {
    let (folder, _) = try folderWithCorpus()
    try folder.write("corpus/notes.md", "mine")
    let before = try folder.contents("corpus")
    #expect(
      folder.problem(["a.txt"], other())
        == "corpus: holds something beside the corpus: notes.md. Move it elsewhere; replacing the corpus would remove it."
    )
    #expect(try folder.contents("corpus") == before)
    #expect(try entries(folder) == ["a.txt", "corpus"])
  }

  @Test func linksAreNotWrittenThrough() throws {
    let (folder, before) = try folderWithCorpus()
    symlink("corpus", folder.path + "/link")
    #expect(
      folder.problem(["a.txt"], into: "link", other())
        == "--output is link; it is a link to corpus, and links are not written through; name that folder itself.")
    #expect(folder.problem(["a.txt"], into: "link/", other()).hasPrefix("--output is link; it is a link to corpus"))
    symlink("nowhere", folder.path + "/dead")
    #expect(
      folder.problem(["a.txt"], into: "dead")
        == "dead: is a link to nowhere, which does not exist. Remove the link, or name the folder itself.")
    #expect(try folder.contents("corpus") == before)
    #expect(try entries(folder) == ["a.txt", "corpus", "dead", "link"])
    // A link inside a corpus is no part of one: what it leads to is not ours.
    try folder.write("outside.shard", "x")
    symlink("../outside.shard", folder.path + "/corpus/train-00009.shard")
    #expect(
      folder.problem(["a.txt"], other()).hasPrefix("corpus: holds something beside the corpus: train-00009.shard."))
    #expect(try folder.read("outside.shard") == Array("x".utf8))
  }

  @Test func slashesAtTheEndNameTheFolder() throws {
    let (folder, before) = try folderWithCorpus()
    for name in ["corpus/", "corpus//", "corpus/.", "corpus/./", "./corpus"] {
      let again = CorpusPreparation(
        inputs: [folder.path + "/a.txt"], target: folder.path + "/" + name, tokenizer: .ready(PairTokenizer()))
      #expect(try again.run().alreadyPrepared, "\(name)")
    }
    #expect(try folder.contents("corpus") == before)
    #expect(
      folder.problem(["a.txt"], into: "a.txt")
        == "a.txt: is not a folder. Name a folder for the corpus; it is made where it does not exist.")
    try folder.prepare(["a.txt"], into: "new//", other())
    #expect(try folder.contents("new").keys.contains("corpus.json"))
  }

  @Test func aRefusedStartWritesNothing() throws {
    let folder = try TemporaryFolder()
    try folder.write("bad.jsonl", "{")
    #expect(
      folder.problem(["bad.jsonl"], into: "deep/er/corpus").hasPrefix("bad.jsonl, line 1: is not one JSON object"))
    #expect(folder.problem(["gone.txt"], into: "deep/er/corpus") == "gone.txt: does not exist. Check the path.")
    #expect(try entries(folder) == ["bad.jsonl"])
    let long = String(repeating: "n", count: 240)
    try folder.write("a.txt", "some text")
    try folder.prepare(["a.txt"], into: long)
    #expect(folder.problem(["a.txt"], into: long + long).contains("File name too long"))
    #expect(try entries(folder) == ["a.txt", "bad.jsonl", long])
  }

  /// Every change of the file system fails once: afterwards the target has the old corpus or the new one, and nothing
  /// lies beside it.
  @Test(arguments: [false, true]) func eitherTheOldCorpusOrTheNewIsThere(exchanges: Bool) throws {
    let (folder, before) = try folderWithCorpus()
    try folder.prepare(["a.txt"], into: "wanted", other())
    let after = try folder.contents("wanted")
    var failing = 0
    while true {
      let counter = Atomic(0)
      let failed = failing
      FileFaults.injecting({ operation, _ in
        if operation == "exchange" { return exchanges ? nil : EINVAL }
        return counter.add(1, ordering: .relaxed).oldValue == failed ? EIO : nil
      }) {
        _ = folder.problem(["a.txt"], other())
      }
      let changes = counter.load(ordering: .relaxed)
      let found = try folder.contents("corpus")
      #expect(found == before || found == after, "change \(failing) of \(changes)")
      #expect(try entries(folder) == ["a.txt", "corpus", "wanted"], "change \(failing) of \(changes)")
      if changes <= failing { break }
      try folder.prepare(["a.txt"], PreparationOptions(threads: 1, force: true))
      failing += 1
    }
    #expect(failing > 5)
  }

  /// What a killed process leaves is removed by the next one, and a corpus that it had moved aside is put back.
  @Test func whatAKilledProcessLeft() throws {
    let (folder, before) = try folderWithCorpus()
    let marker = "lockstep prepare makes the corpus corpus in this folder\n"
    try folder.write("corpus.partial-Ab12Cd/lockstep-prepare", marker)
    try folder.write("corpus.partial-Ab12Cd/corpus/train-00000.shard", "half a shard")
    try folder.write(
      "corpus.partial-other1/lockstep-prepare", "lockstep prepare makes the corpus corpus2 in this folder\n")
    try folder.prepare(["a.txt"], other())
    #expect(try entries(folder) == ["a.txt", "corpus", "corpus.partial-other1"])
    #expect(try folder.contents("corpus") != before)
    // Killed between the two renames of a file system that cannot exchange.
    try folder.write("corpus.partial-Ab12Cd/lockstep-prepare", marker)
    rename(folder.path + "/corpus", folder.path + "/corpus.partial-Ab12Cd/replaced")
    #expect(
      sentence { _ = try Corpus(folder.path + "/corpus") }.contains(
        "was being replaced when a process was killed: its corpus is in"))
    let again = CorpusPreparation(
      inputs: [folder.path + "/a.txt"], target: folder.path + "/corpus", tokenizer: .ready(PairTokenizer()),
      options: other(force: false))
    let outcome = try again.run()
    #expect(outcome.alreadyPrepared && outcome.notes.first?.hasSuffix("the old corpus was put back") == true)
  }

  @Test func aSecondProcessWaitsItsTurn() throws {
    let (folder, _) = try folderWithCorpus()
    try folder.write(
      "corpus.partial-Ab12Cd/lockstep-prepare", "lockstep prepare makes the corpus corpus in this folder\n")
    let lock = open(folder.path + "/corpus.partial-Ab12Cd/lockstep-prepare", O_RDWR)
    defer { close(lock) }
    #expect(flock(lock, LOCK_EX) == 0)
    #expect(
      folder.problem(["a.txt"], other())
        == "corpus: is being prepared by another process, in corpus.partial-Ab12Cd. Wait until it has finished.")
    #expect(try entries(folder) == ["a.txt", "corpus", "corpus.partial-Ab12Cd"])
  }

  @Test func aStoppedPreparationRemovesWhatItWrote() throws {
    struct Stop: Error {}
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "some text of a corpus")
    let stopped = CorpusPreparation(
      inputs: [folder.path + "/a.txt"], target: folder.path + "/far/corpus", tokenizer: .ready(PairTokenizer()))
    #expect(throws: Stop.self) { try stopped.run { if $0.phase == .encoding { throw Stop() } } }
    #expect(try entries(folder) == ["a.txt"])
  }
}
