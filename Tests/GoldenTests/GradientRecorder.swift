import Kernels
import Tensors

/// Gradients of one backward pass, added up in floats as they come.
final class GradientRecorder: GradientSink {
  let sums: ParameterStore
  private let arena: Arena
  private let buffer: TensorView

  init(_ layout: ParameterLayout) {
    sums = ParameterStore(layout)
    arena = Arena(floats: layout.largestGroup)
    buffer = arena.matrix(1, layout.largestGroup)
    // Whoever hands over what it never wrote hands over NaNs.
    arena.fill(.nan)
  }

  func scratch(for group: Range<Int>) -> UnsafeMutablePointer<Float> { buffer.base }

  func add(_ group: Range<Int>) {
    let start = sums.layout.entries[group.lowerBound].offset
    for index in group {
      let (entry, sum) = (sums.layout.entries[index], sums.view(index))
      for i in 0..<entry.count { sum[i] += buffer[entry.offset - start + i] }
    }
  }

  func addRows(_ rows: [Int32], _ gradient: TensorView, of entry: Int) {
    let sum = sums.view(entry)
    for (i, row) in rows.enumerated() {
      for column in 0..<gradient.columns { sum[Int(row), column] += gradient[i, column] }
    }
  }
}
