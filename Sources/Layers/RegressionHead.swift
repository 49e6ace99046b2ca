import Core
import Kernels
import Tensors

/// Predicts k numbers at given rows of the hidden states: y = h·W + b, scored by a `RegressionLoss`.
///
/// Shapes: hidden [n, C]; W [k, C]. With a sink the gradient of the hidden states is added to the gradients of other
/// heads.
public struct RegressionHead: Sendable {
  public let output: Linear
  /// k.
  public let size: Int
  private let width: Int
  private let group: Range<Int>

  /// - Parameter size: numbers predicted per row.
  public init(_ name: String, _ c: ModelConfiguration, size: Int, into layout: inout ParameterLayout) {
    let start = layout.entries.count
    (self.size, width) = (size, c.hiddenSize)
    output = Linear(
      name, inputs: c.hiddenSize, outputs: size, bias: true, inputMajor: false, deviation: c.initializerRange,
      into: &layout)
    group = layout.group(from: start)
  }

  public struct Saved {
    let gathered: TensorView, predicted: TensorView

    public init(_ head: RegressionHead, rows: Int, _ arena: Arena) {
      (gathered, predicted) = (arena.matrix(rows, head.width), arena.matrix(rows, head.size))
    }
  }

  /// The predictions [m, k] at the given rows.
  public func predict(_ hidden: TensorView, rows: [Int], _ pass: Pass, _ s: Saved) -> TensorView {
    let (gathered, predicted) = (s.gathered.first(rows.count), s.predicted.first(rows.count))
    gatherRows(hidden, at: rows, into: gathered)
    output.forward(gathered, pass, into: predicted)
    return predicted
  }

  /// The weighted loss sum of m distinct rows. With a sink, scale · d(loss)/d(hidden) is added to `gradient`.
  ///
  /// - Parameter loss: scores the prediction [m, k] and, if its second argument is true, replaces it by scale ·
  ///   d(loss)/d(prediction).
  /// - Complexity: 6·m·C·k flops with a sink.
  public func loss(
    _ hidden: TensorView, rows: [Int], weights: [Float], _ pass: Pass, _ s: Saved, gradient: TensorView?,
    scoredBy loss: (_ predicted: TensorView, _ gradient: Bool, _ rowLosses: UnsafeMutablePointer<Double>?) -> Double
  ) -> Double {
    let predicted = predict(hidden, rows: rows, pass, s)
    let isTraining = pass.sink != nil
    let total = pass.loss(rows[...], of: hidden.rows, weights[...]) { loss(predicted, isTraining, $0) }
    guard isTraining, let gradient else { return total }
    // The gathered rows are read for the weights' gradient first, and then overwritten by their own gradient.
    let gathered = s.gathered.first(rows.count)
    output.backward(x: gathered, dy: predicted, pass, in: group, into: gathered)
    pass.gradients.add(group)
    addRows(gathered, at: rows, into: gradient)
    return total
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
