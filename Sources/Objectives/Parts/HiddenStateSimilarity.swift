import Glibc
import Kernels
import Tensors

/// Losses on the states at hidden positions, by their similarity to visible positions of the same sample and to each
/// other.
struct HiddenStateSimilarity: Sendable {
  /// τ of the softmax of cosines.
  let temperature: Float

  /// Rows of a sample.
  typealias Group = (hidden: [Int], visible: [Int])

  /// Memory of a worker.
  struct Workspace {
    fileprivate let hidden: TensorView, visible: TensorView, dhidden: TensorView, dvisible: TensorView
    fileprivate let softmax: CosineSoftmax
    private let first: TensorView, last: TensorView

    /// - Parameters:
    ///   - rows: of all samples, leading ones included.
    ///   - length: positions of a sample.
    init(rows: Int, length: Int, width: Int, _ arena: Arena) {
      (hidden, visible) = (arena.matrix(length, width), arena.matrix(length, width))
      (dhidden, dvisible) = (arena.matrix(length, width), arena.matrix(length, width))
      softmax = CosineSoftmax(queries: length, keys: length, size: width, arena)
      (first, last) = (arena.matrix(rows, width), arena.matrix(rows, width))
    }

    /// Zeros for the gradient of the states of the first block; nil without a backward pass.
    func begin(_ rows: Int, isTraining: Bool) -> TensorView? { zeros(first, rows, isTraining) }

    /// The same of the last block.
    func beginLast(_ rows: Int, isTraining: Bool) -> TensorView? { zeros(last, rows, isTraining) }

    private func zeros(_ memory: TensorView, _ rows: Int, _ isTraining: Bool) -> TensorView? {
      guard isTraining else { return nil }
      memory.first(rows).fill(0)
      return memory.first(rows)
    }
  }

  /// e of each hidden row, its entropy in units of ln V; 1 - e where `isFlat`.
  ///
  /// - Parameters:
  ///   - states: [rows, width].
  ///   - groups: each with two visible rows at least.
  ///   - gradient: scale · d(sum)/d(states) is added to it.
  /// - Complexity: 6 · hidden · visible · width flops for a sample.
  func entropies(
    _ states: TensorView, _ groups: [Group], isFlat: Bool, scale: Float, _ gradient: TensorView?, _ w: Workspace
  ) -> [Double] {
    groups.flatMap { group -> [Double] in
      let (hidden, visible) = (w.hidden.first(group.hidden.count), w.visible.first(group.visible.count))
      gatherRows(states, at: group.hidden, into: hidden)
      gatherRows(states, at: group.visible, into: visible)
      let p = w.softmax.forward(hidden, visible, temperature: temperature)
      let sign = isFlat ? -1.0 : 1
      let entropies = rowEntropies(
        p, unit: log(Double(group.visible.count)), factor: gradient == nil ? nil : sign * Double(scale))
      if let gradient {
        let (dh, dv) = (w.dhidden.first(hidden.rows), w.dvisible.first(visible.rows))
        dh.fill(0)
        dv.fill(0)
        w.softmax.backward(dlogits: p, temperature: temperature, to: dh, dv)
        addRows(dh, at: group.hidden, into: gradient)
        addRows(dv, at: group.visible, into: gradient)
      }
      return isFlat ? entropies.map { 1 - $0 } : entropies
    }
  }

  /// The mean square of each hidden row's difference from the mean of the sample's hidden rows.
  ///
  /// - Parameter gradient: scale · d(sum)/d(states) is added to it.
  func deviations(_ states: TensorView, _ groups: [Group], scale: Float, _ gradient: TensorView?) -> [Double] {
    let width = states.columns
    return groups.flatMap { group -> [Double] in
      var mean = [Double](repeating: 0, count: width)
      for row in group.hidden {
        for j in 0..<width { mean[j] += Double(states[row, j]) / Double(group.hidden.count) }
      }
      return group.hidden.map { row in
        var sum = 0.0
        for j in 0..<width {
          let difference = Double(states[row, j]) - mean[j]
          sum += difference * difference
          // What the mean itself gives adds up to zero over the rows.
          if let gradient { gradient[row, j] += Float(Double(scale) * 2 * difference / Double(width)) }
        }
        return sum / Double(width)
      }
    }
  }
}
