import Core
import Kernels
import Tensors

/// A perceptron of two layers: y = W₂·ReLU(LN(W₁·x + b₁)) + b₂, as projectors and predictors of representations are.
///
/// Shapes: x [n, in], W₁ [inner, in], W₂ [size, inner], y [n, size].
///
/// Difference from the reference codes, on purpose: a layer norm stands in place of the batch norm, which would make a
/// sample's result depend on the other samples of its batch.
///
/// Reference: Grill et al., "Bootstrap your own latent", 2020, arXiv 2006.07733, section 3.
public struct ProjectionHead: Sendable {
  /// Numbers of a row of y.
  public let size: Int
  private let output: Linear
  private let norm: Norm
  private let inner: Linear
  private let innerSize: Int
  private let group: Range<Int>

  /// Declares `name.output`, `name.norm` and `name.inner`.
  /// - Parameter c: gives the deviation of initial weights and the norm's epsilon.
  public init(
    _ name: String, _ c: ModelConfiguration, inputs: Int, inner innerSize: Int, size: Int,
    into layout: inout ParameterLayout
  ) {
    let start = layout.entries.count
    (self.size, self.innerSize) = (size, innerSize)
    output = Linear(
      "\(name).output", inputs: innerSize, outputs: size, bias: true, inputMajor: false,
      deviation: c.initializerRange, into: &layout)
    norm = Norm("\(name).norm", width: innerSize, kind: .layer, epsilon: c.normEps, into: &layout)
    inner = Linear(
      "\(name).inner", inputs: inputs, outputs: innerSize, bias: true, inputMajor: false,
      deviation: c.initializerRange, into: &layout)
    group = layout.group(from: start)
  }

  /// What forward keeps for backward, for up to so many rows.
  public struct Saved {
    let inner: TensorView, active: TensorView, statistics: TensorView, output: TensorView, gradient: TensorView

    /// - Parameter forBackward: whether there is memory for gradients.
    public init(_ head: ProjectionHead, rows: Int, forBackward: Bool = true, _ arena: Arena) {
      (inner, active) = (arena.matrix(rows, head.innerSize), arena.matrix(rows, head.innerSize))
      (statistics, output) = (arena.matrix(rows, 2), arena.matrix(rows, head.size))
      gradient = arena.matrix(forBackward ? rows : 0, head.innerSize)
    }
  }

  /// y [n, size], in the memory of `s`.
  /// - Complexity: 2·n·inner·(in + size) flops.
  public func forward(_ x: TensorView, _ pass: Pass, _ s: Saved) -> TensorView {
    let (hidden, active, y) = (s.inner.first(x.rows), s.active.first(x.rows), s.output.first(x.rows))
    inner.forward(x, pass, into: hidden)
    norm.forward(hidden, pass, into: active, statistics: s.statistics)
    for i in 0..<active.count { active[i] = max(active[i], 0) }
    output.forward(active, pass, into: y)
    return y
  }

  /// The gradients of the parameters, and `dx` from the gradient `dy` of y.
  /// - Complexity: 4·n·inner·(in + size) flops.
  public func backward(x: TensorView, dy: TensorView, _ pass: Pass, _ s: Saved, into dx: TensorView) {
    let (hidden, active, d) = (s.inner.first(x.rows), s.active.first(x.rows), s.gradient.first(x.rows))
    output.backward(x: active, dy: dy, pass, in: group, into: d)
    for i in 0..<d.count where !(active[i] > 0) { d[i] = 0 }
    norm.backward(x: hidden, dy: d, statistics: s.statistics, pass, in: group, into: d)
    inner.backward(x: x, dy: d, pass, in: group, into: dx)
    pass.gradients.add(group)
  }
}
