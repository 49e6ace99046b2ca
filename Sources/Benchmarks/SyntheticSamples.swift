import Core
import Data
import Objectives

/// Random samples in the form that an objective reads, for measurements that need no corpus.
enum SyntheticSamples {
  /// - Parameter length: positions of a sample.
  static func source(for requirements: ObjectiveRequirements, _ data: DataShape, length: Int) -> any SampleSource {
    switch requirements.input {
    case .values: SyntheticValues(data, seed: 1)
    case .tokens:
      SyntheticDataset(
        vocabulary: data.vocabulary, context: length, lookahead: requirements.lookahead, seed: 1,
        framed: requirements.samples == .framed)
    }
  }
}

extension DataShape {
  /// Tokens of a measurement: `size` ids, of which the first four are [PAD], [CLS], [SEP] and [MASK].
  public static func syntheticTokens(_ size: Int) -> DataShape {
    DataShape(Vocabulary(size: size, pad: 0, mask: 3, cls: 1, sep: 2))
  }
}
