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

/// y ← f(x), elementwise. The inputs are needed again by `activateBackward`.
public func activate(_ kind: PointwiseActivation, _ x: TensorView, into y: TensorView) {
  precondition(x.count == y.count, "\(x.count) inputs for \(y.count) outputs")
  let n = x.count
  switch kind {
  case .geluTanh:
    for i in stride(from: 0, to: n, by: 16) {
      let v = load(x.base, i, n)
      store(v * geluSigmoid(v), y.base, i, n)
    }
  case .gelu:
    for i in stride(from: 0, to: n, by: 16) {
      let v = load(x.base, i, n)
      store(v * normalDistribution(v).cumulative, y.base, i, n)
    }
  case .tanh:
    for i in stride(from: 0, to: n, by: 16) { store(hyperbolicTangent(load(x.base, i, n)), y.base, i, n) }
  }
}

/// dx ← dy · f'(x); `dx` may be `dy`.
public func activateBackward(_ kind: PointwiseActivation, x: TensorView, dy: TensorView, into dx: TensorView) {
  precondition(
    x.count == dy.count && dx.count == x.count, "\(x.count) inputs, \(dy.count) gradients, \(dx.count) results")
  let n = x.count
  switch kind {
  case .geluTanh:
    for i in stride(from: 0, to: n, by: 16) {
      let v = load(x.base, i, n)
      let s = geluSigmoid(v)
      // d/dx of the sigmoid's argument: 2·√(2/π)·(1 + 3·0.044715·x²)
      let slope = Lanes(repeating: 1.595_769_1).addingProduct(v * v, Lanes(repeating: 0.214_064_47))
      let derivative = s.addingProduct(v * s * (1 - s), slope)
      store(load(dy.base, i, n) * derivative, dx.base, i, n)
    }
  case .gelu:
    for i in stride(from: 0, to: n, by: 16) {
      let v = load(x.base, i, n)
      let (cumulative, density) = normalDistribution(v)
      store(load(dy.base, i, n) * cumulative.addingProduct(v, density), dx.base, i, n)
    }
  case .tanh:
    for i in stride(from: 0, to: n, by: 16) {
      let t = hyperbolicTangent(load(x.base, i, n))
      store(load(dy.base, i, n) * (1 - t * t), dx.base, i, n)
    }
  }
}

/// tanh x = 2·σ(2x) − 1; absolute error 1e-7.
@inline(__always) private func hyperbolicTangent(_ x: Lanes) -> Lanes { 2 / (1 + exp(-2 * x)) - 1 }

/// σ(2·√(2/π)·(x + 0.044715·x³)).
@inline(__always) private func geluSigmoid(_ x: Lanes) -> Lanes {
  let argument = x * Lanes(repeating: 1.595_769_1).addingProduct(x * x, Lanes(repeating: 0.071_354_816))
  return 1 / (1 + exp(-argument))
}

/// Φ(x) and φ(x) from one exponential: Φ(-|x|) = φ·√(2π)·R(t), t = 1 / (1 + 0.3·|x|), with R a polynomial of
/// degree 8 fitted by least squares at Chebyshev nodes (absolute error 2e-8 before rounding).
@inline(__always) private func normalDistribution(_ x: Lanes) -> (cumulative: Lanes, density: Lanes) {
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
/// Reference: Shazeer, "GLU variants improve transformer", 2020, arXiv 2002.05202.
public func swiglu(_ x: TensorView, into y: TensorView) {
  precondition(x.columns == 2 * y.columns && x.rows == y.rows, "SwiGLU needs [n, 2f] and [n, f]")
  let f = y.columns
  for row in 0..<y.rows {
    let (gate, up) = (x.base + row * 2 * f, x.base + row * 2 * f + f)
    for i in stride(from: 0, to: f, by: 16) {
      let g = load(gate, i, f)
      store(g / (1 + exp(-g)) * load(up, i, f), y.base + row * f, i, f)
    }
  }
}

/// The gradient of `swiglu`: `dx` [n, 2·f] from `dy` [n, f] and the inputs `x`.
public func swigluBackward(x: TensorView, dy: TensorView, into dx: TensorView) {
  precondition(
    x.columns == 2 * dy.columns && x.rows == dy.rows && dx.count == x.count, "SwiGLU needs [n, 2f] and [n, f]")
  let f = dy.columns
  for row in 0..<dy.rows {
    let offset = row * 2 * f
    for i in stride(from: 0, to: f, by: 16) {
      let g = load(x.base + offset, i, f)
      let u = load(x.base + offset + f, i, f)
      let d = load(dy.base + row * f, i, f)
      let s = 1 / (1 + exp(-g))
      store(d * u * s * (1 + g * (1 - s)), dx.base + offset, i, f)
      store(d * g * s, dx.base + offset + f, i, f)
    }
  }
}
