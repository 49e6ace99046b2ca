import Core
import Glibc

/// Token samples that a small model can learn: each sample counts through the ordinary ids by a step of its own, in
/// documents that [CLS] opens and [SEP] ends; now and then a sample ends in padding.
///
/// A function of the position alone.
public struct ToyTokens: SampleSource {
  /// Four special ids, then nineteen ordinary ones.
  public static let vocabulary = Vocabulary(size: 23, pad: 0, mask: 1, cls: 2, sep: 3)
  public let length: Int
  public let lookahead: Int
  public let samplesPerEpoch: Int

  public init(length: Int, lookahead: Int = 1, samplesPerEpoch: Int = 64) {
    (self.length, self.lookahead, self.samplesPerEpoch) = (length, lookahead, samplesPerEpoch)
  }

  public func samples(at positions: Range<UInt64>) -> SampleBatch {
    var (tokens, documentIDs) = ([Int32](), [Int32]())
    for position in positions {
      let sample = sample(position % UInt64(samplesPerEpoch))
      tokens += sample.tokens
      documentIDs += sample.documentIDs
    }
    return SampleBatch(
      sampleIDs: Array(positions), indices: positions.map { $0 % UInt64(samplesPerEpoch) },
      epochs: positions.map { $0 / UInt64(samplesPerEpoch) }, length: length, lookahead: lookahead, tokens: tokens,
      documentIDs: documentIDs)
  }

  private func sample(_ index: UInt64) -> (tokens: [Int32], documentIDs: [Int32]) {
    let random = CounterGenerator(seed: 0x70F, purpose: .order, position: index)
    let (start, step) = (random.below(19, 0), 1 + random.below(5, 1))
    let count = length + lookahead
    // The second document starts past the middle; every third sample is padded.
    let second = count / 2 + random.below(max(count / 4, 1), 2)
    let end = index % 3 == 2 ? count - 1 - random.below(max(count / 4, 1), 3) : count
    let documentIDs = (0..<count).map { Int32($0 >= end ? -1 : ($0 >= second ? 1 : 0)) }
    let tokens = (0..<count).map { i -> Int32 in
      if i >= end { return 0 }
      if i == 0 || i == second { return 2 }
      if i == second - 1 || i == end - 1 { return 3 }
      return 4 + Int32((start + i * step) % 19)
    }
    return (tokens, documentIDs)
  }
}

/// Records of numbers [1, 4, 6] in patches of 2 × 2: sines whose frequencies and phases are the sample's own. A
/// function of the position alone.
public struct ToyValues: SampleSource {
  /// Six positions of four numbers.
  public static let shape = DataShape(grid: GridShape(channels: 1, extent: [4, 6], patch: [2, 2]), unit: .patches)
  public let samplesPerEpoch: Int
  /// Whether some numbers of each sample are missing.
  public let hasMissing: Bool

  public init(samplesPerEpoch: Int = 64, hasMissing: Bool = false) {
    (self.samplesPerEpoch, self.hasMissing) = (samplesPerEpoch, hasMissing)
  }

  /// A small encoder of them.
  public static func model() -> ModelConfiguration {
    var model = ModelConfiguration(
      attentionMask: .bidirectional, vocabSize: 0, maxPosition: 0, hiddenSize: 6, numLayers: 2, numHeads: 3,
      intermediateSize: 7, tieWordEmbeddings: false)
    model.head = .none
    shape.fill(&model)
    return model
  }

  /// Number `index` of a record, in row-major order.
  public static func number(_ sample: UInt64, _ index: Int) -> Float {
    let random = CounterGenerator(seed: 0x7A1, purpose: .order, position: sample)
    let (row, column) = (index / 6, index % 6)
    return sinf(
      6.283_185 * random.uniform(0) + Float(row) * (0.3 + random.uniform(1)) + Float(column) * (0.3 + random.uniform(2))
    )
  }

  /// Whether it was measured: about four in five are.
  public static func isMeasured(_ sample: UInt64, _ index: Int) -> Bool {
    CounterGenerator(seed: 0x7A2, purpose: .order, position: sample).uniform(index) < 0.8
  }

  public func samples(at positions: Range<UInt64>) -> SampleBatch {
    guard let grid = Self.shape.grid else { preconditionFailure("the toy has a grid") }
    var (values, observed) = ([Float](), [Bool]())
    for position in positions {
      let sample = position % UInt64(samplesPerEpoch)
      for place in (0..<grid.count).map({ grid.element($0 / grid.size, $0 % grid.size) }) {
        let isMeasured = !hasMissing || Self.isMeasured(sample, place)
        values.append(isMeasured ? Self.number(sample, place) : 0)
        observed.append(isMeasured)
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), length: grid.positions, lookahead: 0, values: values, valueSize: grid.size,
      documentIDs: [Int32](repeating: 0, count: positions.count * grid.positions), observed: hasMissing ? observed : [])
  }
}
