import Core
import Kernels
import Layers

/// A small model of prime sizes, to be changed by the tests.
func smallModel(
  visibility: ModelConfiguration.Visibility = .causal, context: Int = 7, width: Int = 6, heads: Int = 3, feedForward: Int = 11,
  vocabulary: Int = 13
) -> ModelConfiguration {
  ModelConfiguration(
    visibility: visibility, vocabulary: vocabulary, context: context, width: width, layers: 1, heads: heads, feedForward: feedForward)
}

/// Samples of one length whose documents are given as one number a position.
struct Documents {
  var samples: Int
  var length: Int
  var segments: [Int32]
  var causal: Bool
  var insideDocuments: Bool

  /// Documents of `lengths`, repeated for each sample but turned by one, and `padding` positions of nothing at the end.
  init(samples: Int, lengths: [Int], padding: Int = 0, causal: Bool, insideDocuments: Bool) {
    (self.samples, self.causal, self.insideDocuments) = (samples, causal, insideDocuments)
    length = lengths.reduce(0, +) + padding
    segments = (0..<samples).flatMap { sample in
      let turned = Array(lengths[(sample % lengths.count)...] + lengths[..<(sample % lengths.count)])
      return turned.enumerated().flatMap { [Int32](repeating: Int32($0.offset), count: $0.element) }
        + [Int32](repeating: -1, count: padding)
    }
  }

  func input(_ tokens: [Int32] = []) -> SequenceInput {
    SequenceInput(
      positions: (0..<samples).map { UInt64(1000 + 7 * $0) }, length: length, tokens: tokens,
      ranges: AttentionRanges(
        samples: samples, length: length, segments: segments, causal: causal, insideDocuments: insideDocuments))
  }

  /// Visibility by its definition, position by position.
  func visible(_ sample: Int, _ query: Int, _ key: Int) -> Bool {
    let (a, b) = (segments[sample * length + query], segments[sample * length + key])
    let together = insideDocuments ? a == b : (a < 0) == (b < 0)
    return together && (!causal || key <= query)
  }
}
