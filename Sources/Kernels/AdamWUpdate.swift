import Tensors

/// The numbers of one AdamW step that do not change from element to element.
public struct AdamWFactors: Sendable {
  public var learningRate: Float
  public var beta1: Float
  public var beta2: Float
  public var epsilon: Float
  /// 1 - beta1^t.
  public var correction1: Float
  /// 1 - beta2^t.
  public var correction2: Float
  /// What every gradient is multiplied by: 1, or less when the global norm is clipped.
  public var gradientFactor: Float

  public init(
    learningRate: Float, beta1: Float, beta2: Float, epsilon: Float, correction1: Float, correction2: Float, gradientFactor: Float
  ) {
    (self.learningRate, self.beta1, self.beta2, self.epsilon) = (learningRate, beta1, beta2, epsilon)
    (self.correction1, self.correction2, self.gradientFactor) = (correction1, correction2, gradientFactor)
  }
}

/// One AdamW step over a range of one tensor, reading the gradient from the exact sum and leaving the sum zero:
///
/// g = float(sum · inverse) · factor, m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g²,
/// p ← p - lr·decay·p - lr · (m / c₁) / (√(v / c₂) + ε).
///
/// - Complexity: 40 bytes of traffic an element: the floor is the memory's bandwidth.
/// Reference: Loshchilov, Hutter, "Decoupled weight decay regularization", 2017, arXiv 1711.05101, algorithm 2.
public func adamWUpdate(
  parameters p: UnsafeMutablePointer<Float>, firstMoment m: UnsafeMutablePointer<Float>, secondMoment v: UnsafeMutablePointer<Float>,
  exactSum sum: UnsafeMutablePointer<Int64>, count: Int, inverse: Double, decay: Float, _ f: AdamWFactors
) {
  let shrink = 1 - f.learningRate * decay
  let rate = f.learningRate / f.correction1
  let root = 1 / f.correction2.squareRoot()
  let (take1, take2) = (1 - f.beta1, 1 - f.beta2)
  @inline(__always) func update(_ g: SIMD8<Float>, _ p8: SIMD8<Float>, _ m8: SIMD8<Float>, _ v8: SIMD8<Float>) -> (
    SIMD8<Float>, SIMD8<Float>, SIMD8<Float>
  ) {
    let first = f.beta1 * m8 + take1 * g
    let second = f.beta2 * v8 + take2 * g * g
    return (p8 * shrink - rate * first / (squareRoot(second) * root + f.epsilon), first, second)
  }
  var i = 0
  while i &+ 8 <= count {
    let g = eightFloats(sum + i, inverse) * f.gradientFactor
    let (p8, m8, v8) = update(g, load8(p + i), load8(m + i), load8(v + i))
    store8(p8, p + i)
    store8(m8, m + i)
    store8(v8, v + i)
    UnsafeMutableRawPointer(sum + i).storeBytes(of: .zero, as: SIMD8<Int64>.self)
    i &+= 8
  }
  while i < count {
    let g = SIMD8(repeating: Float(double(sum[i]) * inverse)) * f.gradientFactor
    let (p8, m8, v8) = update(g, SIMD8(repeating: p[i]), SIMD8(repeating: m[i]), SIMD8(repeating: v[i]))
    (p[i], m[i], v[i], sum[i]) = (p8[0], m8[0], v8[0], 0)
    i &+= 1
  }
}

@inline(__always) private func load8(_ p: UnsafeMutablePointer<Float>) -> SIMD8<Float> {
  UnsafeRawPointer(p).loadUnaligned(as: SIMD8<Float>.self)
}

@inline(__always) private func store8(_ x: SIMD8<Float>, _ p: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(p).storeBytes(of: x, as: SIMD8<Float>.self)
}

@inline(__always) private func squareRoot(_ x: SIMD8<Float>) -> SIMD8<Float> {
  var y = SIMD8<Float>()
  for k in 0..<8 { y[k] = x[k].squareRoot() }
  return y
}
