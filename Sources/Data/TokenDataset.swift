import Core

/// The samples of one split of a corpus folder, all its shards mapped into memory.
///
/// A sample is a pure function of (corpus, context, framing, order, position): the same on every rank, after
/// every restart, and for any division of the positions. A range may cross the end of an epoch.
public struct TokenDataset: SampleSource {
  public let corpus: Corpus
  public let split: CorpusSplit
  private let windows: TokenWindows<ShardStream>

  /// - Parameters:
  ///   - context: positions per sample.
  ///   - lookahead: tokens after them that targets may read.
  ///   - order: shuffled for training, sequential for validation.
  ///   - documents: each document is a sample; not together with a framing.
  /// - Throws: `DataError` or `FileError` when the corpus is damaged, the split empty or the framing impossible.
  public init(
    _ corpus: Corpus, split: CorpusSplit, context: Int, lookahead: Int = 1, order: SampleOrder,
    framing: Framing = .none,
    documents: WholeDocuments? = nil
  ) throws {
    self.corpus = corpus
    self.split = split
    self.windows = try TokenWindows(
      ShardStream(try corpus.shards(split)), vocabulary: corpus.vocabulary, context: context, lookahead: lookahead,
      order: order,
      framing: framing, documents: documents, name: "\(corpus.folder), split \(split.rawValue)")
  }

  public var vocabulary: Vocabulary { corpus.vocabulary }
  public var tokenCount: Int { windows.stream.tokenCount }
  /// Bytes of raw text the tokens of this split stand for.
  public var textBytes: Int { corpus.manifest.shards(split).textBytes }
  public var samplesPerEpoch: Int { windows.samplesPerEpoch }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch { try windows.samples(at: positions) }
}

/// Samples of tokens held in memory, cut and ordered like those of a corpus.
public struct InMemoryDataset: SampleSource {
  public let vocabulary: Vocabulary
  private let windows: TokenWindows<ArrayStream>

  /// - Parameter documents: the ids of each document, its end included.
  /// - Throws: `DataError` when there are no tokens or the framing is impossible.
  public init(
    documents: [[Int32]], vocabulary: Vocabulary, context: Int, lookahead: Int = 1, order: SampleOrder = .sequential,
    framing: Framing = .none, whole: WholeDocuments? = nil
  ) throws(DataError) {
    let kept = documents.filter { !$0.isEmpty }
    let starts = kept.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    self.vocabulary = vocabulary
    self.windows = try TokenWindows(
      ArrayStream(tokens: Array(kept.joined()), documentStarts: Array(starts.dropLast())), vocabulary: vocabulary,
      context: context,
      lookahead: lookahead, order: order, framing: framing, documents: whole, name: "the documents in memory")
  }

  public var samplesPerEpoch: Int { windows.samplesPerEpoch }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch { try windows.samples(at: positions) }
}

/// Uniform random ids that are ordinary text, for measurements that need no data. Every position is a sample of its
/// own.
public struct SyntheticDataset: SampleSource {
  public let vocabulary: Vocabulary
  public let context: Int
  public let lookahead: Int
  public let samplesPerEpoch: Int
  private let framed: Bool
  private let ordinary: [Int32]
  private let generator: CounterGenerator

  /// A site apart from those of the order's permutation.
  private static let site: UInt32 = 0x5359_4E54

  /// - Parameter framed: samples begin with [CLS] and end with [SEP].
  public init(
    vocabulary: Vocabulary, context: Int, lookahead: Int = 1, seed: UInt64, samplesPerEpoch: Int = 1 << 20,
    framed: Bool = false
  ) {
    (self.framed, ordinary) = (framed, (0..<Int32(vocabulary.size)).filter { !vocabulary.special.contains($0) })
    precondition(
      !ordinary.isEmpty && context >= 1 && lookahead >= 0 && samplesPerEpoch >= 1,
      "a synthetic dataset needs ids, positions and samples")
    (self.vocabulary, self.context, self.lookahead) = (vocabulary, context, lookahead)
    self.samplesPerEpoch = samplesPerEpoch
    self.generator = CounterGenerator(seed: seed, purpose: .order, site: Self.site)
  }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let stride = context + lookahead
    var tokens = [Int32](repeating: 0, count: positions.count * stride)
    for (row, position) in positions.enumerated() {
      let stream = generator.at(position: position, site: Self.site)
      for element in 0..<stride { tokens[row * stride + element] = ordinary[stream.below(ordinary.count, element)] }
      if framed, let cls = vocabulary.cls, let sep = vocabulary.sep {
        (tokens[row * stride], tokens[row * stride + context - 1]) = (cls, sep)
      }
    }
    let documentIDs = [Int32](repeating: 0, count: tokens.count)
    return SampleBatch(
      sampleIDs: Array(positions), length: context, lookahead: lookahead, tokens: tokens, documentIDs: documentIDs)
  }
}
