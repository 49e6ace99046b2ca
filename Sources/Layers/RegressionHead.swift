import Core
import Kernels
import Tensors

/// Predicts k numbers at given rows of the hidden states, scored by a `RegressionLoss`: y = W·x + b, with x the hidden
/// state h, or with a transform LN(GELU(V·h + c)) of it, as TERA has it.
///
/// Shapes: hidden [n, C]; W [k, C]; V [C, C]. With a sink the gradient of the hidden states is added to the gradients
/// of other heads.
public struct RegressionHead: Sendable {
  public let output: Linear
  /// k.
  public let size: Int
  private let transform: Transform?
  /// Whether V, c and a norm stand before W.
  public var hasTransform: Bool { transform != nil }
  private let width: Int
  private let group: Range<Int>

  private struct Transform: Sendable {
    let norm: Norm
    let dense: Linear
  }

  /// - Parameters:
  ///   - size: numbers predicted per row.
  ///   - transform: whether V, c and a norm stand before W, named `name.dense` and `name.norm`.
  public init(
    _ name: String, _ c: ModelConfiguration, size: Int, transform hasTransform: Bool = false,
    into layout: inout ParameterLayout
  ) {
    let start = layout.entries.count
    (self.size, width) = (size, c.hiddenSize)
    output = Linear(
      name, inputs: c.hiddenSize, outputs: size, bias: true, inputMajor: false, deviation: c.initializerRange,
      into: &layout)
    transform =
      hasTransform
      ? Transform(
        norm: Norm("\(name).norm", width: c.hiddenSize, kind: .layer, epsilon: c.normEps, into: &layout),
        dense: Linear(
          "\(name).dense", inputs: c.hiddenSize, outputs: c.hiddenSize, bias: true, inputMajor: false,
          deviation: c.initializerRange, into: &layout)) : nil
    group = layout.group(from: start)
  }

  public struct Saved {
    let gathered: TensorView, predicted: TensorView
    /// V·h + c and GELU of it, the norm's output and statistics; without rows where there is no transform.
    let dense: TensorView, active: TensorView, normed: TensorView, statistics: TensorView

    public init(_ head: RegressionHead, rows: Int, _ arena: Arena) {
      (gathered, predicted) = (arena.matrix(rows, head.width), arena.matrix(rows, head.size))
      let own = head.transform == nil ? 0 : rows
      (dense, active) = (arena.matrix(own, head.width), arena.matrix(own, head.width))
      (normed, statistics) = (arena.matrix(own, head.width), arena.matrix(own, 2))
    }
  }

  /// The predictions [m, k] at the given rows.
  public func predict(_ hidden: TensorView, rows: [Int], _ pass: Pass, _ s: Saved) -> TensorView {
    let (gathered, predicted) = (s.gathered.first(rows.count), s.predicted.first(rows.count))
    gatherRows(hidden, at: rows, into: gathered)
    guard let transform else {
      output.forward(gathered, pass, into: predicted)
      return predicted
    }
    let (dense, active, normed) = (s.dense.first(rows.count), s.active.first(rows.count), s.normed.first(rows.count))
    transform.dense.forward(gathered, pass, into: dense)
    activate(.gelu, dense, into: active, keepingSlope: pass.sink != nil)
    transform.norm.forward(active, pass, into: normed, statistics: s.statistics)
    output.forward(normed, pass, into: predicted)
    return predicted
  }

  /// The weighted loss sum of m distinct rows. With a sink, scale · d(loss)/d(hidden) is added to `gradient`.
  ///
  /// - Parameter loss: scores the prediction [m, k] and, if its second argument is true, replaces it by scale ·
  ///   d(loss)/d(prediction).
  /// - Complexity: 6·m·C·k flops with a sink, and 6·m·C² for a transform.
  public func loss(
    _ hidden: TensorView, rows: [Int], weights: [Float], _ pass: Pass, _ s: Saved, gradient: TensorView?,
    scoredBy loss: (_ predicted: TensorView, _ gradient: Bool, _ rowLosses: UnsafeMutablePointer<Double>?) -> Double
  ) -> Double {
    let predicted = predict(hidden, rows: rows, pass, s)
    let isTraining = pass.sink != nil
    let total = pass.loss(rows[...], of: hidden.rows, weights[...]) { loss(predicted, isTraining, $0) }
    guard isTraining, let gradient else { return total }
    backward(predicted, pass, s)
    pass.gradients.add(group)
    addRows(s.gathered.first(rows.count), at: rows, into: gradient)
    return total
  }

  /// From the gradient `dy` of the predictions to that of the gathered rows. Each buffer is read for the weights'
  /// gradient first, and then overwritten by its own gradient.
  private func backward(_ dy: TensorView, _ pass: Pass, _ s: Saved) {
    let m = dy.rows
    let gathered = s.gathered.first(m)
    guard let transform else { return output.backward(x: gathered, dy: dy, pass, in: group, into: gathered) }
    let (dense, active, normed) = (s.dense.first(m), s.active.first(m), s.normed.first(m))
    output.backward(x: normed, dy: dy, pass, in: group, into: normed)
    transform.norm.backward(x: active, dy: normed, statistics: s.statistics, pass, in: group, into: normed)
    // The slope of GELU is what `dense` holds now.
    multiply(dense, by: normed)
    transform.dense.backward(x: gathered, dy: dense, pass, in: group, into: gathered)
  }

  /// The same with a regression loss.
  public func loss(
    _ kind: RegressionLoss, _ hidden: TensorView, rows: [Int], _ targets: RegressionTargets, scale: Float, _ pass: Pass,
    _ s: Saved,
    gradient: TensorView?
  ) -> Double {
    loss(hidden, rows: rows, weights: targets.weights, pass, s, gradient: gradient) {
      regressionLoss(kind, $0, targets, scale: scale, gradient: $1, rowLosses: $2)
    }
  }
}
