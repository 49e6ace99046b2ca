import Core
import Testing

@testable import Tokenizers

@Suite struct TrainerTests {
  private func counts(_ text: [UInt8], threads: Int) -> WordCounts {
    var counts = WordCounts()
    text.withUnsafeBufferPointer { counts.count($0, threads: threads) }
    return counts
  }

  @Test(arguments: [2, 3, 7, 64])
  func threadsDoNotChangeTheResult(_ threads: Int) throws {
    let text = try Goldens.bytes("text.txt")
    let one = counts(text, threads: 1)
    let many = counts(text, threads: threads)
    #expect(many.totalCount == one.totalCount)
    #expect(many.distinctCount == one.distinctCount)
    #expect(
      try BytePairTrainer(many).train(vocabularySize: 500).contentHash
        == BytePairTrainer(one).train(vocabularySize: 500).contentHash)
  }

  @Test func countsAreSumsOverDocuments() throws {
    let text = try Goldens.bytes("text.txt")
    let cut = try #require(text.firstIndex(of: 10))
    var first = counts(Array(text[..<cut]), threads: 1)
    let rest = counts(Array(text[cut...]), threads: 1)
    first.merge(rest)
    #expect(first.totalCount == counts(text, threads: 1).totalCount)
    var trainer = BytePairTrainer(rest)
    Array(text[..<cut]).withUnsafeBufferPointer { trainer.count($0) }
    #expect(
      try trainer.train(vocabularySize: 400).contentHash
        == BytePairTrainer(first).train(vocabularySize: 400).contentHash)
  }

  @Test func theMostFrequentPairIsMergedFirstAndTiesGoToLowerIds() throws {
    let tokenizer = try BytePairTrainer(counts(Array("cb cb ab ab zz".utf8), threads: 1)).train(vocabularySize: 264)
    // "ab", "cb" and "Ġa" occur twice, the rest once; of the ids, a is below c and c below Ġ.
    #expect(tokenizer.token(262) == "ab")
    #expect(tokenizer.token(263) == "cb")
  }

  @Test func repeatedSymbolsAreCountedAndMergedFromTheLeft() throws {
    let tokenizer = try BytePairTrainer(counts(Array("aaaaa aaaaa".utf8), threads: 1)).train(vocabularySize: 300)
    #expect(tokenizer.token(262) == "aa")
    // Now aa aa a: both pairs occur twice, and a has a lower id than aa.
    #expect(tokenizer.token(263) == "aaa")
    #expect(tokenizer.encode("aaaaa").count == 1)
  }

  @Test func trainingEndsWhenNoPairIsLeft() throws {
    var reports: [Int] = []
    let tokenizer = try BytePairTrainer(counts(Array("abc abc".utf8), threads: 1)).train(vocabularySize: 10_000) {
      reached, _ in reports.append(reached)
    }
    #expect(tokenizer.vocabulary.size == 264)
    #expect(reports == [264])
    #expect(try BytePairTrainer().train(vocabularySize: 262).vocabulary.size == 262)
  }

  @Test func longWordsAreCountedInParts() {
    let counted = counts([UInt8](repeating: 65, count: 3 * WordCounts.longestWord + 1), threads: 1)
    #expect(counted.totalCount == 4)
    #expect(counted.distinctCount == 2)
  }

  @Test func sizesOutOfRangeAreRefused() {
    let message = sentence { _ = try BytePairTrainer().train(vocabularySize: 261) }
    #expect(message == "tokenizer.vocab_size is 261; it must lie in 262...16777216.")
  }

  @Test func specialsComeFirst() throws {
    let vocabulary = try BytePairTrainer(counts(Array("some text".utf8), threads: 1)).train(vocabularySize: 263)
      .vocabulary
    #expect(vocabulary.special == [0, 1, 2, 3, 4, 5])
    #expect(
      [vocabulary.pad, vocabulary.bos, vocabulary.eos, vocabulary.mask, vocabulary.cls, vocabulary.sep] == [
        0, 1, 2, 3, 4, 5,
      ])
  }
}
