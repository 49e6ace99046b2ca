import Core
import Kernels
import Layers

/// A small model of prime sizes, to be changed by the tests.
func smallModel(
  attentionMask: ModelConfiguration.AttentionMask = .causal, context: Int = 7, width: Int = 6, heads: Int = 3,
  feedForward: Int = 11,
  vocabulary: Int = 13
) -> ModelConfiguration {
  ModelConfiguration(
    attentionMask: attentionMask, vocabSize: vocabulary, maxPosition: context, hiddenSize: width, numLayers: 1,
    numHeads: heads, intermediateSize: feedForward)
}

/// Samples of one length whose documents are given as one number per position.
struct Documents {
  var samples: Int
  var length: Int
  var documentIDs: [Int32]
  var causal: Bool
  var documentMasking: Bool

  /// Documents of `lengths`, repeated for each sample but turned by one, and `padding` positions of nothing at the end.
  init(samples: Int, lengths: [Int], padding: Int = 0, causal: Bool, documentMasking: Bool) {
    (self.samples, self.causal, self.documentMasking) = (samples, causal, documentMasking)
    length = lengths.reduce(0, +) + padding
    documentIDs = (0..<samples).flatMap { sample in
      let turned = Array(lengths[(sample % lengths.count)...] + lengths[..<(sample % lengths.count)])
      return turned.enumerated().flatMap { [Int32](repeating: Int32($0.offset), count: $0.element) }
        + [Int32](repeating: -1, count: padding)
    }
  }

  func input(_ tokens: [Int32] = []) -> SequenceInput {
    SequenceInput(
      sampleIDs: (0..<samples).map { UInt64(1000 + 7 * $0) }, length: length, tokens: tokens,
      ranges: AttentionRanges(
        samples: samples, length: length, documentIDs: documentIDs, causal: causal, documentMasking: documentMasking))
  }

  /// AttentionMask by its definition, position by position.
  func visible(_ sample: Int, _ query: Int, _ key: Int) -> Bool {
    let (a, b) = (documentIDs[sample * length + query], documentIDs[sample * length + key])
    let together = documentMasking ? a == b : (a < 0) == (b < 0)
    return together && (!causal || key <= query)
  }
}
