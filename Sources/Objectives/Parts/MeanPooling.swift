import Core
import Kernels
import Layers
import Tensors

/// The mean of a sample's positions in a network's output, without [CLS] and padding.
struct MeanPooling {
  /// The rows of each sample that is pooled.
  let rows: [Range<Int>]

  /// - Parameters:
  ///   - samples: those that are pooled; the first row behind the leading ones of each is no padding, and padding is
  ///     last.
  init(_ input: SequenceInput, samples: [Int], leading: Int) {
    rows = samples.map { sample in
      let start = sample * input.length
      return start + leading..<start + Int(input.ranges.end[start + leading])
    }
  }

  /// `pooled` [samples, C] ← the means.
  func forward(_ hidden: TensorView, into pooled: TensorView) {
    pooled.fill(0)
    for (i, own) in rows.enumerated() {
      for row in own { for j in 0..<hidden.columns { pooled[i, j] += hidden[row, j] / Float(own.count) } }
    }
  }

  /// Adds the gradient `d` [samples, C] of the means to that of the output.
  func addBackward(_ d: TensorView, to gradient: TensorView) {
    for (i, own) in rows.enumerated() {
      for row in own { for j in 0..<d.columns { gradient[row, j] += d[i, j] / Float(own.count) } }
    }
  }
}
