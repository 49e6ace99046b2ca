import Core
import Kernels
import Tensors

/// The position-wise feed-forward layer: `y = f(x·W_up + b_up) · W_down + b_down`, with f GELU, or SwiGLU over a doubled `up`.
///
/// Shapes: x, y [n, C]; `up` [n, F] or [n, 2F] (gate first); `inner` [n, F]. Saved for backward: x, up, inner.
public struct FeedForward: Sendable {
  public let up: Linear
  public let down: Linear
  public let activation: ModelConfiguration.Activation

  public init(_ name: String, _ c: ModelConfiguration, inputMajor: Bool, into layout: inout ParameterLayout) {
    activation = c.activation
    down = Linear(
      "\(name).down", inputs: c.intermediateSize, outputs: c.hiddenSize, bias: c.bias, inputMajor: inputMajor, deviation: c.residualDeviation,
      into: &layout)
    up = Linear(
      "\(name).up", inputs: c.hiddenSize, outputs: Self.upWidth(c), bias: c.bias, inputMajor: inputMajor, deviation: c.initializerRange, into: &layout)
  }

  public static func upWidth(_ c: ModelConfiguration) -> Int { c.activation == .swiglu ? 2 * c.intermediateSize : c.intermediateSize }

  public func forward(_ x: TensorView, _ pass: Pass, up u: TensorView, inner: TensorView, into y: TensorView) {
    up.forward(x, pass, into: u)
    switch activation {
    case .geluTanh: activate(.geluTanh, u, into: inner)
    case .gelu: activate(.gelu, u, into: inner)
    case .swiglu: swiglu(u, into: inner)
    }
    down.forward(inner, pass, into: y)
  }

  /// - Parameters:
  ///   - dinner: scratch [n, F].
  ///   - dup: scratch [n, up width]; may be `dinner` for GELU.
  public func backward(
    x: TensorView, up u: TensorView, inner: TensorView, dy: TensorView, _ pass: Pass, in group: Range<Int>, dinner: TensorView,
    dup: TensorView, into dx: TensorView, accumulate: Bool
  ) {
    down.backward(x: inner, dy: dy, pass, in: group, into: dinner)
    switch activation {
    case .geluTanh: activateBackward(.geluTanh, x: u, dy: dinner, into: dup)
    case .gelu: activateBackward(.gelu, x: u, dy: dinner, into: dup)
    case .swiglu: swigluBackward(x: u, dy: dinner, into: dup)
    }
    up.backward(x: x, dy: dup, pass, in: group, into: dx, accumulate: accumulate)
  }
}

extension ModelConfiguration {
  /// Deviation of the projections that write into the residual stream: `initializerRange` / √(2·layers) for pre-norm models, as GPT-2's
  /// paper scales them, `initializerRange` for post-norm ones, as BERT.
  public var residualDeviation: Float {
    normPlacement == .pre ? initializerRange / Float(2 * numLayers).squareRoot() : initializerRange
  }
}
