import Core
import Kernels
import Tensors

/// The position-wise feed-forward layer: `y = f(x·W_up + b_up) · W_down + b_down`, with f GELU, or SwiGLU over a
/// doubled `up`.
///
/// Shapes: x, y [n, C].
public struct FeedForward: Sendable {
  public let up: Linear
  public let down: Linear
  public let activation: ModelConfiguration.Activation

  public init(_ name: String, _ c: ModelConfiguration, inputMajor: Bool, into layout: inout ParameterLayout) {
    activation = c.activation
    down = Linear(
      "\(name).down", inputs: c.intermediateSize, outputs: c.hiddenSize, bias: c.bias, inputMajor: inputMajor,
      deviation: c.residualDeviation,
      into: &layout)
    up = Linear(
      "\(name).up", inputs: c.hiddenSize, outputs: Self.upWidth(c), bias: c.bias, inputMajor: inputMajor,
      deviation: c.initializerRange, into: &layout)
  }

  public static func upWidth(_ c: ModelConfiguration) -> Int {
    c.activation == .swiglu ? 2 * c.intermediateSize : c.intermediateSize
  }

  /// What backward reads besides x, for up to `rows` rows.
  public struct Saved {
    /// x·W_up + b_up [rows, F], or [rows, 2F] with the gate first; after a forward pass with a sink the derivatives of
    /// f there.
    let up: TensorView
    /// f(up) [rows, F].
    let inner: TensorView

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      up = arena.matrix(rows, upWidth(c))
      inner = arena.matrix(rows, c.intermediateSize)
    }
  }

  public struct Scratch {
    /// The gradient of f(up) [rows, F].
    let dinner: TensorView

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) { dinner = arena.matrix(rows, c.intermediateSize) }
  }

  public func forward(_ x: TensorView, _ pass: Pass, _ s: Saved, into y: TensorView) {
    let (u, inner) = (s.up.first(x.rows), s.inner.first(x.rows))
    up.forward(x, pass, into: u)
    let keepingSlope = pass.sink != nil
    switch activation {
    case .geluTanh: activate(.geluTanh, u, into: inner, keepingSlope: keepingSlope)
    case .gelu: activate(.gelu, u, into: inner, keepingSlope: keepingSlope)
    case .swiglu: swiglu(u, into: inner, keepingSlope: keepingSlope)
    }
    down.forward(inner, pass, into: y)
  }

  /// The gradient of x from `dy` [n, C]; parameter gradients go into the scratch of `group`. `dx` may add to `dy`
  /// itself.
  public func backward(
    x: TensorView, _ s: Saved, dy: TensorView, _ pass: Pass, in group: Range<Int>, _ scratch: Scratch,
    into dx: GradientTarget
  ) {
    let n = x.rows
    let (u, inner, dinner) = (s.up.first(n), s.inner.first(n), scratch.dinner.first(n))
    down.backward(x: inner, dy: dy, pass, in: group, into: dinner)
    switch activation {
    case .geluTanh, .gelu: multiply(u, by: dinner)
    case .swiglu: swigluBackward(slopes: u, dy: dinner, into: u)
    }
    // The derivatives have become the gradient of what they were taken at.
    up.backward(x: x, dy: u, pass, in: group, into: dx.view, accumulate: dx.accumulate)
  }
}

extension ModelConfiguration {
  /// Deviation of the projections that write into the residual stream: `initializerRange` / √(2·layers) for pre-norm
  /// models, as GPT-2's paper scales them, `initializerRange` for post-norm ones, as BERT.
  public var residualDeviation: Float {
    normPlacement == .pre ? initializerRange / Float(2 * numLayers).squareRoot() : initializerRange
  }
}
