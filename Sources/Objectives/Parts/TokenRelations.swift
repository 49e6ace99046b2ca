import Kernels
import Tensors

/// How the relations between the tokens of a student differ from those of a teacher.
///
/// *Concretely:* with S_ij = softmax over j ≠ i of cos(sᵢ, sⱼ)/τ among the tokens of a sample, and T the same of the
/// teacher's states of the same tokens, the loss of token i is KL(Tᵢ‖Sᵢ). No gradient flows to the teacher.
struct TokenRelations: Sendable {
  let temperature: Float

  /// The rows of the same tokens of a sample in both networks, two at least.
  struct Group {
    var student: [Int]
    var teacher: [Int]
  }

  /// Memory of a worker.
  struct Workspace {
    fileprivate let student: TensorView, teacher: TensorView, dstudent: TensorView
    fileprivate let own: CosineSoftmax, taught: CosineSoftmax
    private let injected: TensorView

    /// - Parameters:
    ///   - rows: of all samples, leading ones included.
    ///   - length: tokens of a sample.
    init(rows: Int, length: Int, width: Int, _ arena: Arena) {
      (student, teacher) = (arena.matrix(length, width), arena.matrix(length, width))
      dstudent = arena.matrix(length, width)
      own = CosineSoftmax(queries: length, keys: length, size: width, arena)
      taught = CosineSoftmax(queries: length, keys: length, size: width, arena)
      injected = arena.matrix(rows, width)
    }

    /// Zeros for the gradient of the student's states.
    func begin(_ rows: Int) -> TensorView {
      injected.first(rows).fill(0)
      return injected.first(rows)
    }
  }

  /// The divergence of each token of all groups.
  ///
  /// - Parameter gradient: scale · d(sum)/d(states) is added to it.
  /// - Complexity: 8 · tokens² · width flops for a sample.
  func divergences(
    _ states: TensorView, from teacher: TensorView, _ groups: [Group], scale: Float, _ gradient: TensorView?,
    _ w: Workspace
  ) -> [Double] {
    groups.flatMap { group -> [Double] in
      let n = group.student.count
      let (own, other, down) = (w.student.first(n), w.teacher.first(n), w.dstudent.first(n))
      gatherRows(states, at: group.student, into: own)
      gatherRows(teacher, at: group.teacher, into: other)
      let target = w.taught.forward(other, other, temperature: temperature, skipsSelf: true)
      let p = w.own.forward(own, own, temperature: temperature, skipsSelf: true)
      let divergences = rowDivergences(p, from: target, factor: gradient == nil ? nil : Double(scale))
      guard let gradient else { return divergences }
      down.fill(0)
      w.own.backward(dlogits: p, temperature: temperature, to: down, down)
      addRows(down, at: group.student, into: gradient)
      return divergences
    }
  }
}
