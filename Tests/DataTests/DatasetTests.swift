import Core
@testable import Data
import DataSupport
import Foundation
import Preparation
import Testing

@Suite struct DatasetTests {
  private static let vocabulary = Vocabulary(size: 1000, pad: 999, cls: 997, sep: 998)

  /// Ids 0, 1, 2, … in documents of these lengths.
  private func documents(_ lengths: [Int]) -> [[Int32]] {
    var next: Int32 = 0
    return lengths.map { length in
      defer { next += Int32(length) }
      return (next..<next + Int32(length)).map { $0 }
    }
  }

  private func dataset(
    _ lengths: [Int], context: Int, lookahead: Int = 1, order: SampleOrder = .sequential, framing: Framing = .none
  ) throws -> InMemoryDataset {
    try InMemoryDataset(
      documents: documents(lengths), vocabulary: Self.vocabulary, context: context, lookahead: lookahead, order: order,
      framing: framing)
  }

  @Test func windowsFollowEachOtherAndTheLastIsPadded() throws {
    let dataset = try dataset([3, 1, 0, 6], context: 4)
    #expect(dataset.samplesPerEpoch == 3)
    let batch = try dataset.samples(at: 0..<3)
    #expect(batch.tokens == [0, 1, 2, 3, 4] + [4, 5, 6, 7, 8] + [8, 9, 999, 999, 999])
    #expect(batch.documentIDs == [0, 0, 0, 1, 2] + [0, 0, 0, 0, 0] + [0, 0, -1, -1, -1])
    #expect(batch.sampleIDs == [0, 1, 2] && batch.length == 4 && batch.lookahead == 1)
  }

  @Test func lookaheadStopsAtTheEnd() throws {
    let batch = try dataset([8], context: 4, lookahead: 3).samples(at: 0..<2)
    #expect(batch.tokens == [0, 1, 2, 3, 4, 5, 6] + [4, 5, 6, 7, 999, 999, 999])
    #expect(batch.documentIDs == [0, 0, 0, 0, 0, 0, 0] + [0, 0, 0, 0, -1, -1, -1])
    #expect(try dataset([8], context: 4, lookahead: 0).samples(at: 1..<2).tokens == [4, 5, 6, 7])
  }

  @Test func framesHoldTheirWindow() throws {
    let dataset = try dataset([2, 3], context: 5, framing: .clsSep)
    #expect(dataset.samplesPerEpoch == 2)
    let batch = try dataset.samples(at: 0..<2)
    #expect(batch.tokens == [997, 0, 1, 2, 998, 999] + [997, 3, 4, 998, 999, 999])
    #expect(batch.documentIDs == [0, 0, 0, 1, 1, -1] + [0, 0, 0, 0, -1, -1])
  }

  /// Each document is a sample without its end; one that is nothing but its end is none.
  @Test func wholeDocuments() throws {
    let documents: [[Int32]] = [[5, 6, 7, 998], [998], [8, 9, 998], [1, 2]]
    func dataset(_ context: Int, unit: Int = 1) throws -> InMemoryDataset {
      try InMemoryDataset(
        documents: documents, vocabulary: Self.vocabulary, context: context, whole: WholeDocuments(unit: unit))
    }
    let batch = try dataset(3).samples(at: 0..<4)
    #expect(try dataset(3).samplesPerEpoch == 3)
    #expect(batch.tokens == [5, 6, 7, 999] + [8, 9, 999, 999] + [1, 2, 999, 999] + [5, 6, 7, 999])
    #expect(batch.documentIDs == [0, 0, 0, -1] + [0, 0, -1, -1] + [0, 0, -1, -1] + [0, 0, 0, -1])
    #expect(batch.indices == [0, 1, 2, 0])
    #expect(
      sentence { _ = try dataset(2) }
        == "the documents in memory: has a document of 3 tokens, and each must fit into a sample of 2. Set model.max_position to at least 3, or leave such documents out."
    )
    #expect(
      sentence { _ = try dataset(4, unit: 2) }.hasPrefix(
        "the documents in memory: has a document of 3 tokens, number 1, and they come in groups of 2."))
    #expect(
      sentence {
        _ = try InMemoryDataset(documents: [[998]], vocabulary: Self.vocabulary, context: 4, whole: WholeDocuments())
      } == "the documents in memory: holds no document with a token. Prepare a corpus with more text.")
  }

  @Test func impossibleDatasetsAreNamed() {
    let bare = Vocabulary(size: 10)
    #expect(
      sentence { _ = try InMemoryDataset(documents: [[1]], vocabulary: bare, context: 4, framing: .clsSep) }
        == "the documents in memory: has a tokeniser without [CLS] and [SEP], which the framing cls-sep needs. Use the framing none."
    )
    #expect(
      sentence { _ = try dataset([5], context: 2, framing: .clsSep) }
        == "the documents in memory: cannot be framed by [CLS] and [SEP] in a context of 2. Use a context of at least 3."
    )
    #expect(
      sentence { _ = try dataset([], context: 2) }
        == "the documents in memory: holds no tokens. Prepare a corpus with more text, or with a larger share for this split."
    )
  }

  @Test func anEpochHoldsEveryTokenOnceInAnOrderOfItsOwn() throws {
    let dataset = try dataset([40, 1, 60], context: 7, order: .shuffled(seed: 4))
    let count = UInt64(dataset.samplesPerEpoch)
    func epoch(_ number: UInt64) throws -> [Int32] {
      let batch = try dataset.samples(at: number * count..<(number + 1) * count)
      return (0..<batch.count).flatMap { row in (0..<7).map { batch.tokens[row * 8 + $0] } }.filter { $0 != 999 }
    }
    #expect(try epoch(0).sorted() == (0..<101).map { $0 })
    #expect(try epoch(1).sorted() == (0..<101).map { $0 })
    #expect(try epoch(0) != epoch(1) && epoch(0) != (0..<101).map { $0 })
  }

  /// A corpus of several shards, and the same documents in memory.
  private func corpus(in folder: TemporaryFolder) throws -> Corpus {
    try folder.write("all.txt", someDocuments(300).joined(separator: "\n<sep>\n"))
    let options = PreparationOptions(
      format: .byEnding(text: .separatorLine("<sep>")), split: .tail(fraction: 0.1), shardTokens: 3000, threads: 2)
    return try folder.prepare(["all.txt"], options)
  }

  @Test func shardsReadLikeOneStream() throws {
    let folder = try TemporaryFolder()
    let corpus = try corpus(in: folder)
    let shards = try corpus.shards(.train)
    #expect(shards.count > 3)
    let documents = shards.flatMap { shard in (0..<shard.documentCount).map(shard.document) }
    for (context, framing) in [(1, Framing.none), (64, .none), (33, .clsSep), (5000, .none)] {
      let memory = try InMemoryDataset(
        documents: documents, vocabulary: corpus.vocabulary, context: context, lookahead: 2, order: .shuffled(seed: 8),
        framing: framing)
      let mapped = try TokenDataset(
        corpus, split: .train, context: context, lookahead: 2, order: .shuffled(seed: 8), framing: framing)
      #expect(mapped.samplesPerEpoch == memory.samplesPerEpoch)
      let range = 0..<UInt64(min(2 * memory.samplesPerEpoch + 3, 2000))
      #expect(try mapped.samples(at: range) == memory.samples(at: range))
    }
  }

  @Test func samplesDoNotDependOnHowPositionsAreDivided() throws {
    let folder = try TemporaryFolder()
    let dataset = try TokenDataset(try corpus(in: folder), split: .train, context: 50, order: .shuffled(seed: 1))
    // More than an epoch, so that ranges cross its end.
    let total = UInt64(dataset.samplesPerEpoch + 40)
    let whole = try dataset.samples(at: 0..<total)
    for size in [1, 7, 64] as [UInt64] {
      var (tokens, documentIDs, positions): ([Int32], [Int32], [UInt64]) = ([], [], [])
      for start in stride(from: 0, to: total, by: Int(size)) {
        let part = try dataset.samples(at: start..<min(start + size, total))
        tokens += part.tokens
        documentIDs += part.documentIDs
        positions += part.sampleIDs
      }
      #expect(
        tokens == whole.tokens && documentIDs == whole.documentIDs && positions == whole.sampleIDs, "ranges of \(size)")
    }
  }

  @Test func anEmptySplitIsNamed() throws {
    let folder = try TemporaryFolder()
    try folder.write("a.txt", "text without validation")
    let corpus = try folder.prepare(["a.txt"], PreparationOptions(split: .tail(fraction: 0), threads: 1))
    #expect(
      sentence { _ = try TokenDataset(corpus, split: .validation, context: 4, order: .sequential) }
        == "\(corpus.folder), split validation: holds no tokens. Prepare a corpus with more text, or with a larger share for this split."
    )
  }

  @Test func syntheticSamplesAreAFunctionOfTheirPosition() throws {
    let dataset = SyntheticDataset(vocabulary: Vocabulary(size: 50), context: 16, seed: 3)
    let whole = try dataset.samples(at: 5..<9)
    #expect(
      whole.tokens.count == 4 * 17 && whole.tokens.allSatisfy { (0..<50).contains($0) } && Set(whole.tokens).count > 25)
    #expect(try dataset.samples(at: 7..<8).tokens == Array(whole.tokens[34..<51]))
    #expect(
      try SyntheticDataset(vocabulary: Vocabulary(size: 50), context: 16, seed: 4).samples(at: 5..<9).tokens
        != whole.tokens)
  }

  /// A part of a split stands for all of it: evenly spread, in order, each sample as it is when all are read.
  @Test(arguments: [1, 2, 3, 7, 9, 10, 25]) func aPartIsSpreadEvenly(count: Int) throws {
    let all = try dataset([40], context: 4)
    #expect(all.samplesPerEpoch == 10)
    let part = SpreadSource(all, count: count)
    let used = min(count, 10)
    #expect(part.samplesPerEpoch == used)
    let batch = try part.samples(at: 0..<UInt64(used))
    #expect(batch.sampleIDs.map(Int.init) == (0..<used).map { $0 * 10 / used })
    for (row, position) in batch.sampleIDs.enumerated() {
      let alone = try all.samples(at: position..<position + 1)
      #expect(
        Array(batch.tokens[row * 5..<row * 5 + 5]) == alone.tokens
          && Array(batch.documentIDs[row * 5..<row * 5 + 5]) == alone.documentIDs)
    }
    // The same samples whichever way a range is cut, which is what ranks do.
    let halves = try [0..<UInt64(used / 2), UInt64(used / 2)..<UInt64(used)].flatMap {
      try part.samples(at: $0).sampleIDs
    }
    #expect(halves == batch.sampleIDs)
    #expect(try part.samples(at: UInt64(used)..<UInt64(used) + 1).indices == [0])
  }

  @Test func noneMeansAll() throws {
    #expect(SpreadSource(try dataset([40], context: 4), count: 0).samplesPerEpoch == 10)
    #expect(SpreadSource.place(999_999_999, of: 1_000_000_000, in: 10_000_000_000_000) == 9_999_999_990_000)
  }
}
