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
      epochs: positions.map { $0 / UInt64(samplesPerEpoch) }, length: length, lookahead: lookahead, tokens: tokens, documentIDs: documentIDs)
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

/// Samples of continuous rows: sines whose frequencies and phases are the sample's own. A function of the position alone.
public struct ToyValues: SampleSource {
  public let length: Int
  public let width: Int
  public let samplesPerEpoch: Int

  public init(length: Int, width: Int, samplesPerEpoch: Int = 64) {
    (self.length, self.width, self.samplesPerEpoch) = (length, width, samplesPerEpoch)
  }

  public func samples(at positions: Range<UInt64>) -> SampleBatch {
    let values = positions.flatMap { position -> [Float] in
      let random = CounterGenerator(seed: 0x7A1, purpose: .order, position: position % UInt64(samplesPerEpoch))
      return (0..<length * width).map { i in
        let (row, column) = (i / width, i % width)
        let phase = 6.283_185 * random.uniform(2 * column)
        return sinf(phase + Float(row) * (0.3 + random.uniform(2 * column + 1)))
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), length: length, lookahead: 0, values: values, valueSize: width,
      documentIDs: [Int32](repeating: 0, count: positions.count * length))
  }
}
