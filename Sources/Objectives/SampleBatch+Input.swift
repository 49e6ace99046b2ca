import Core
import Glibc
import Kernels
import Layers

extension SampleBatch {
  /// The samples as a network's input, lookahead removed.
  public func input(attentionMask: ModelConfiguration.AttentionMask, documentMasking: Bool) -> SequenceInput {
    SequenceInput(
      sampleIDs: sampleIDs, length: length, tokens: withoutLookahead(tokens), values: values,
      ranges: AttentionRanges(
        samples: count, length: length, documentIDs: withoutLookahead(documentIDs), causal: attentionMask == .causal,
        documentMasking: documentMasking))
  }

  /// [count, length + lookahead] → [count, length].
  func withoutLookahead(_ rows: [Int32]) -> [Int32] {
    guard lookahead > 0, !rows.isEmpty else { return rows }
    var result: [Int32] = []
    result.reserveCapacity(count * length)
    for sample in 0..<count { result += rows[sample * stride..<sample * stride + length] }
    return result
  }
}

/// ln n, the loss of a uniform guess among n.
public func naturalLogarithm(ofCount n: Int) -> Double { log(Double(n)) }
