import Tensors

/// The pointwise functions of feed-forward layers.
public enum PointwiseActivation: Sendable {
  /// x · σ(2·√(2/π)·(x + 0.044715·x³)), the tanh form of GELU (Hendrycks and Gimpel 2016, arXiv 1606.08415).
  case geluTanh
  /// x · Φ(x) with the normal distribution function.
  case gelu
  /// The hyperbolic tangent, as in the pooler of BERT.
  case tanh
}

/// y ← f(x), elementwise.
///
/// - Parameter keepingSlope: whether x becomes f'(x), which `multiply` turns into the gradient: one exponential serves
///   both. `y` may be `x` without it.
public func activate(_ kind: PointwiseActivation, _ x: TensorView, into y: TensorView, keepingSlope: Bool = false) {
  precondition(x.count == y.count, "\(x.count) inputs for \(y.count) outputs")
  switch kind {
  case .geluTanh: map(x, into: y, keepingSlope) { geluTanh($0) }
  case .gelu: map(x, into: y, keepingSlope) { gelu($0) }
  case .tanh: map(x, into: y, keepingSlope) { hyperbolicTangent($0) }
  }
}

@inline(always) private func map(
  _ x: TensorView, into y: TensorView, _ keepingSlope: Bool, _ f: (Lanes) -> (value: Lanes, slope: Lanes)
) {
  let n = x.count
  // Two loops: without the slope, what makes it is not computed.
  if keepingSlope {
    for i in stride(from: 0, to: n, by: 16) {
      let (value, slope) = f(load(x.base, i, n))
      store(value, y.base, i, n)
      store(slope, x.base, i, n)
    }
  } else {
    for i in stride(from: 0, to: n, by: 16) { store(f(load(x.base, i, n)).value, y.base, i, n) }
  }
}

@inline(always) private func geluTanh(_ x: Lanes) -> (value: Lanes, slope: Lanes) {
  let s = geluSigmoid(x)
  // d/dx of the sigmoid's argument: 2·√(2/π)·(1 + 3·0.044715·x²)
  let inner = Lanes(repeating: 1.595_769_1).addingProduct(x * x, Lanes(repeating: 0.214_064_47))
  return (x * s, s.addingProduct(x * s * (1 - s), inner))
}

@inline(always) private func gelu(_ x: Lanes) -> (value: Lanes, slope: Lanes) {
  let (cumulative, density) = normalDistribution(x)
  return (x * cumulative, cumulative.addingProduct(x, density))
}

@inline(always) private func hyperbolicTangent(_ x: Lanes) -> (value: Lanes, slope: Lanes) {
  let t = tanh(x)
  return (t, 1 - t * t)
}

/// tanh x = 2·σ(2x) − 1; absolute error 1e-7.
@inline(always) private func tanh(_ x: Lanes) -> Lanes { 2 / (1 + exp(-2 * x)) - 1 }

/// σ(2·√(2/π)·(x + 0.044715·x³)).
@inline(always) private func geluSigmoid(_ x: Lanes) -> Lanes {
  let argument = x * Lanes(repeating: 1.595_769_1).addingProduct(x * x, Lanes(repeating: 0.071_354_816))
  return 1 / (1 + exp(-argument))
}

/// Φ(x) and φ(x) from one exponential: Φ(-|x|) = φ·√(2π)·R(t), t = 1 / (1 + 0.3·|x|), with R a polynomial of
/// degree 8 fitted by least squares at Chebyshev nodes (absolute error 2e-8 before rounding).
@inline(always) private func normalDistribution(_ x: Lanes) -> (cumulative: Lanes, density: Lanes) {
  let magnitude = x.replacing(with: -x, where: x .< 0)
  let e = exp(magnitude * magnitude * -0.5)
  let t = 1 / Lanes(repeating: 1).addingProduct(magnitude, Lanes(repeating: 0.3))
  var r = Lanes(repeating: 0.036_719_732)
  r = Lanes(repeating: -0.161_398_23).addingProduct(r, t)
  r = Lanes(repeating: 0.213_282_69).addingProduct(r, t)
  r = Lanes(repeating: -0.059_759_46).addingProduct(r, t)
  r = Lanes(repeating: 0.131_601_26).addingProduct(r, t)
  r = Lanes(repeating: 0.099_050_07).addingProduct(r, t)
  r = Lanes(repeating: 0.120_882_33).addingProduct(r, t)
  r = Lanes(repeating: 0.119_621_61).addingProduct(r, t)
  let tail = e * (r * t)
  return (tail.replacing(with: 1 - tail, where: x .> 0), e * 0.398_942_28)
}

/// y ← silu(gate) ⊙ up, where a row of `x` [n, 2·f] is gate then up, and `y` is [n, f].
///
/// - Parameter keepingSlope: whether x becomes the derivatives of y by gate and up, for `swigluBackward`.
/// Reference: Shazeer, "GLU variants improve transformer", 2020, arXiv 2002.05202.
public func swiglu(_ x: TensorView, into y: TensorView, keepingSlope: Bool = false) {
  precondition(x.columns == 2 * y.columns && x.rows == y.rows, "SwiGLU needs [n, 2f] and [n, f]")
  let f = y.columns
  for row in 0..<y.rows {
    let (gate, up, out) = (x.base + row * 2 * f, x.base + row * 2 * f + f, y.base + row * f)
    for i in stride(from: 0, to: f, by: 16) {
      let (g, u) = (load(gate, i, f), load(up, i, f))
      let s = 1 / (1 + exp(-g))
      let silu = g * s
      store(silu * u, out, i, f)
      guard keepingSlope else { continue }
      store(u * s * (1 + g * (1 - s)), gate, i, f)
      store(silu, up, i, f)
    }
  }
}

/// The gradient `dx` [n, 2·f] of the inputs of `swiglu` from `dy` [n, f] and the `slopes` [n, 2·f] that it kept; `dx`
/// may be `slopes`.
public func swigluBackward(slopes: TensorView, dy: TensorView, into dx: TensorView) {
  precondition(
    slopes.columns == 2 * dy.columns && slopes.rows == dy.rows && dx.count == slopes.count,
    "SwiGLU needs [n, 2f] and [n, f]")
  let f = dy.columns
  for row in 0..<dy.rows {
    for half in [row * 2 * f, row * 2 * f + f] {
      for i in stride(from: 0, to: f, by: 16) {
        store(load(dy.base + row * f, i, f) * load(slopes.base + half, i, f), dx.base + half, i, f)
      }
    }
  }
}
