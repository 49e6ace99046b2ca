import Core
import Objectives
import Testing

/// Samples and statistics that tests of samplers share.
enum MaskFixture {
  static let vocabulary = Vocabulary(size: 50, pad: 0, mask: 1, cls: 2, sep: 3)
  static let model = ModelConfiguration.bert(vocabSize: 50, maxPosition: 100, hiddenSize: 8, numLayers: 1, numHeads: 1)
  static let causal = ModelConfiguration.gpt2(vocabSize: 50, maxPosition: 100, hiddenSize: 8, numLayers: 1, numHeads: 1)
  static let context = StepContext(seed: 1, step: 0, steps: 1)
  static let evaluation = StepContext(seed: 1, step: 0, steps: 0, purpose: .evaluation)

  /// `count` samples of [CLS], `body` ordinary tokens and [SEP].
  static func samples(_ count: Int, body: Int, epochs: UInt64 = 0, from position: UInt64 = 0, lookahead: Int = 0)
    -> SampleBatch
  {
    let length = body + 2
    let tokens = (0..<count * (length + lookahead)).map { index -> Int32 in
      let (sample, i) = index.quotientAndRemainder(dividingBy: length + lookahead)
      return i == 0 ? 2 : (i == length - 1 ? 3 : Int32(4 + (i * 7 + sample) % 46))
    }
    return SampleBatch(
      sampleIDs: (0..<UInt64(count)).map { position + $0 }, indices: (0..<UInt64(count)).map { $0 },
      epochs: [UInt64](repeating: epochs, count: count), length: length, lookahead: lookahead, tokens: tokens,
      documentIDs: [Int32](repeating: 0, count: tokens.count))
  }

  /// Target positions, by sample.
  static func hidden(_ example: TrainingExample, samples: Int, length: Int) -> [[Int]] {
    example.targets[0].rows.reduce(into: [[Int]](repeating: [], count: samples)) { $0[$1 / length].append($1 % length) }
  }

  /// χ² of counts against even ones. With k cells its mean is k − 1 and its deviation √(2(k − 1)) for independent
  /// draws.
  static func evenness(_ counts: some Collection<Int>) -> Double {
    let expected = Double(counts.reduce(0, +)) / Double(counts.count)
    return counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
  }
}
