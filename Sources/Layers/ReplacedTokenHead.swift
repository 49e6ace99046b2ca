import Core
import Kernels
import Tensors

/// The discriminator head: predicts which tokens were replaced, with one logit per row, z = W₂·f(W₁·h + b₁) + b₂ with f
/// GELU.
///
/// Shapes: hidden [n, C]; W₁ [C, C]; W₂ [1, C]. Both layers always have biases, as ELECTRA's class in `transformers`
/// has them. Reference: Clark et al., "ELECTRA", 2020, arXiv 2003.10555.
public struct ReplacedTokenHead: Sendable {
  public let dense: Linear
  public let output: Linear
  private let group: Range<Int>
  private let activation: PointwiseActivation

  public init(_ name: String, _ c: ModelConfiguration, into layout: inout ParameterLayout) {
    let start = layout.entries.count
    output = Linear(
      "\(name).output", inputs: c.hiddenSize, outputs: 1, bias: true, inputMajor: false, deviation: c.initializerRange,
      into: &layout)
    dense = Linear(
      "\(name).dense", inputs: c.hiddenSize, outputs: c.hiddenSize, bias: true, inputMajor: false,
      deviation: c.initializerRange, into: &layout)
    group = layout.group(from: start)
    activation = c.activation == .geluTanh ? .geluTanh : .gelu
  }

  public struct Saved {
    let gathered: TensorView, dense: TensorView, active: TensorView, logits: TensorView

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      gathered = arena.matrix(rows, c.hiddenSize)
      dense = arena.matrix(rows, c.hiddenSize)
      active = arena.matrix(rows, c.hiddenSize)
      logits = arena.matrix(rows, 1)
    }
  }

  /// Targets for m distinct rows of the hidden states.
  public struct Targets {
    public var rows: [Int]
    /// 1 where the token was replaced, 0 where it was not.
    public var labels: [Float]
    public var weights: [Float]
    /// Constants added to the logits; none when empty.
    public var offsets: [Float]

    public init(rows: [Int], labels: [Float], weights: [Float], offsets: [Float] = []) {
      (self.rows, self.labels, self.weights, self.offsets) = (rows, labels, weights, offsets)
    }
  }

  /// The logits [m, 1] of the given rows.
  public func logits(_ hidden: TensorView, rows: [Int], _ pass: Pass, _ s: Saved) -> TensorView {
    let m = rows.count
    gatherRows(hidden, at: rows, into: s.gathered.first(m))
    dense.forward(s.gathered.first(m), pass, into: s.dense.first(m))
    activate(activation, s.dense.first(m), into: s.active.first(m), keepingSlope: pass.sink != nil)
    output.forward(s.active.first(m), pass, into: s.logits.first(m))
    return s.logits.first(m)
  }

  /// The weighted loss sum. With a sink, scale · d(loss)/d(hidden) is added to `gradient`.
  public func loss(
    _ hidden: TensorView, _ targets: Targets, scale: Float, _ pass: Pass, _ s: Saved, gradient: TensorView? = nil
  ) -> Double {
    let (m, backward) = (targets.rows.count, pass.sink != nil)
    let z = logits(hidden, rows: targets.rows, pass, s)
    let loss = pass.loss(targets.rows[...], of: hidden.rows, targets.weights[...]) {
      sigmoidCrossEntropy(
        logits: z, targets: targets.labels, offsets: targets.offsets, weights: targets.weights, scale: scale,
        gradient: backward, rowLosses: $0)
    }
    guard backward else { return loss }
    guard let gradient else {
      preconditionFailure("backward through a replaced-token head needs the gradient of the hidden states")
    }
    // Each buffer is read for the weights' gradient first, and then overwritten by its own gradient.
    output.backward(x: s.active.first(m), dy: z, pass, in: group, into: s.active.first(m))
    multiply(s.dense.first(m), by: s.active.first(m))
    dense.backward(x: s.gathered.first(m), dy: s.dense.first(m), pass, in: group, into: s.gathered.first(m))
    pass.gradients.add(group)
    addRows(s.gathered.first(m), at: targets.rows, into: gradient)
    return loss
  }
}
