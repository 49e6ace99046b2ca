import Tensors
import TestSupport

/// Lengths around the widths of vectors.
let lengths = [0, 1, 7, 8, 9, 15, 16, 17, 31, 64, 65, 1000]

/// Matrices of a test, in memory that starts as NaNs. Keep it in a variable: views do not keep their memory.
final class Matrices {
  private let arena = Arena(floats: 1 << 17)
  private var numbers: SeededNumbers

  init(seed: UInt64 = 1) {
    numbers = SeededNumbers(seed)
    arena.fill(.nan)
  }

  func empty(_ rows: Int, _ columns: Int) -> TensorView { arena.matrix(rows, columns) }

  func normal(_ rows: Int, _ columns: Int, deviation: Float = 1) -> TensorView {
    with(numbers.normal(rows * columns, deviation: deviation), rows, columns)
  }

  func with(_ values: [Float], _ rows: Int, _ columns: Int) -> TensorView {
    let view = arena.matrix(rows, columns)
    view.copy(from: values)
    return view
  }
}

extension TensorView {
  var doubles: [Double] { array.map(Double.init) }
}

/// The largest relative error in ulp, element by element, where values are not tiny.
func relativeUlp(_ values: [Float], _ expected: [Double], above floor: Double = 1e-30) -> Double {
  zip(values, expected).reduce(0) { worst, pair in
    abs(pair.1) < floor ? worst : max(worst, abs(Double(pair.0) - pair.1) / abs(pair.1) / Tolerance.ulp)
  }
}
