import Tensors

/// The decay β of a moment, kept in double precision until it meets a moment.
///
/// A float β near 1 is off by half a unit, and 1 - β by as much: 1.7e-4 of it at 0.9999, 19 % at 0.9999999, while the
/// bias correction divides by the exact 1 - βᵗ. So β is the sum of two floats, and 1 - β is rounded once, after the
/// subtraction.
public struct MomentDecay: Sendable {
  /// β = high + low.
  public let high: Float
  public let low: Float
  /// 1 - β.
  public let take: Float

  public init(_ beta: Double) {
    high = Float(beta)
    low = Float(beta - Double(high))
    take = Float(1 - beta)
  }

  /// βm + (1 - β)x; the large product is rounded with the sum, once.
  @inline(always) func next(_ m: SIMD8<Float>, _ x: SIMD8<Float>) -> SIMD8<Float> {
    (low * m + take * x).addingProduct(m, SIMD8(repeating: high))
  }
}

/// The numbers of one AdamW step that do not change from element to element.
public struct AdamWFactors: Sendable {
  public var learningRate: Float
  public var decay1: MomentDecay
  public var decay2: MomentDecay
  public var epsilon: Float
  /// 1 - beta1^t.
  public var correction1: Float
  /// 1 - beta2^t.
  public var correction2: Float
  /// What every gradient is multiplied by: 1, or less when the global norm is clipped.
  public var gradientFactor: Float

  public init(
    learningRate: Float, beta1: Double, beta2: Double, epsilon: Float, correction1: Float, correction2: Float,
    gradientFactor: Float
  ) {
    (self.learningRate, self.epsilon) = (learningRate, epsilon)
    (decay1, decay2) = (MomentDecay(beta1), MomentDecay(beta2))
    (self.correction1, self.correction2, self.gradientFactor) = (correction1, correction2, gradientFactor)
  }
}

/// A range of one tensor and of its moments, as an AdamW step updates them.
public struct AdamWSlice {
  /// p.
  public let parameters: UnsafeMutablePointer<Float>
  /// m.
  public let firstMoment: UnsafeMutablePointer<Float>
  /// v.
  public let secondMoment: UnsafeMutablePointer<Float>
  /// Elements of each.
  public let count: Int
  /// The decoupled weight decay of this tensor.
  public let decay: Float

  public init(
    parameters: UnsafeMutablePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
    secondMoment: UnsafeMutablePointer<Float>,
    count: Int, decay: Float
  ) {
    (self.parameters, self.firstMoment, self.secondMoment) = (parameters, firstMoment, secondMoment)
    (self.count, self.decay) = (count, decay)
  }
}

/// Hashes of the moments as a step read them.
public struct MomentHashes: Sendable, Equatable {
  public var first: UInt64
  public var second: UInt64

  public init(first: UInt64, second: UInt64) { (self.first, self.second) = (first, second) }
}

/// One AdamW step over a slice, which reads the gradient from the exact sum:
///
/// g = float(sum · inverse) · factor, m ← β₁m + (1-β₁)g, v ← β₂v + (1-β₂)g²,
/// p ← p - (lr·decay·p + lr · (m / c₁) / (√(v / c₂) + ε)).
///
/// Small numbers beside 1 (1 - β, lr·decay) are never the difference of two floats.
///
/// - Parameter hashing: whether m and v are hashed in the same pass.
/// - Returns: hashes of m and v as they were before; those of nothing without `hashing`.
/// - Complexity: 32 bytes of traffic per element; memory bandwidth is the limit.
/// Reference: Loshchilov, Hutter, "Decoupled weight decay regularization", 2017, arXiv 1711.05101, algorithm 2.
@discardableResult public func adamWUpdate(
  _ slice: AdamWSlice, exactSum sum: UnsafePointer<Int64>, inverse: Double, hashing: Bool = true,
  _ f: AdamWFactors
) -> MomentHashes {
  // Two copies of the loop, each with its own constant.
  return hashing
    ? update(
      slice, hashing: true, f, eight: { eightFloats(sum + $0, inverse) }, one: { Float(double(sum[$0]) * inverse) })
    : update(
      slice, hashing: false, f, eight: { eightFloats(sum + $0, inverse) }, one: { Float(double(sum[$0]) * inverse) })
}

/// The same step from gradients that are floats already and stay unchanged.
@discardableResult public func adamWUpdate(
  _ slice: AdamWSlice, gradient: UnsafePointer<Float>, hashing: Bool = true, _ f: AdamWFactors
) -> MomentHashes {
  hashing
    ? update(slice, hashing: true, f, eight: { load8(gradient + $0) }, one: { gradient[$0] })
    : update(slice, hashing: false, f, eight: { load8(gradient + $0) }, one: { gradient[$0] })
}

@inline(always) private func update(
  _ slice: AdamWSlice, hashing: Bool, _ f: AdamWFactors, eight: (Int) -> SIMD8<Float>, one: (Int) -> Float
) -> MomentHashes {
  let (p, m, v, count) = (slice.parameters, slice.firstMoment, slice.secondMoment, slice.count)
  let fade = f.learningRate * slice.decay
  let rate = f.learningRate / f.correction1
  let root = 1 / f.correction2.squareRoot()
  var (hash1, hash2) = (ReplicaHash(), ReplicaHash())
  @inline(always) func step(_ g: SIMD8<Float>, _ p8: SIMD8<Float>, _ m8: SIMD8<Float>, _ v8: SIMD8<Float>) -> (
    SIMD8<Float>, SIMD8<Float>, SIMD8<Float>
  ) {
    let first = f.decay1.next(m8, g)
    let second = f.decay2.next(v8, g * g)
    return (p8 - (fade * p8 + rate * first / (squareRoot(second) * root + f.epsilon)), first, second)
  }
  var i = 0
  while i &+ 8 <= count {
    let (m0, v0) = (load8(m + i), load8(v + i))
    if hashing {
      hash1.add(m0)
      hash2.add(v0)
    }
    let (p8, m8, v8) = step(eight(i) * f.gradientFactor, load8(p + i), m0, v0)
    store8(p8, p + i)
    store8(m8, m + i)
    store8(v8, v + i)
    i &+= 8
  }
  while i < count {
    if hashing {
      hash1.add(m[i], lane: i & 7)
      hash2.add(v[i], lane: i & 7)
    }
    let g = SIMD8(repeating: one(i) * f.gradientFactor)
    let (p8, m8, v8) = step(g, SIMD8(repeating: p[i]), SIMD8(repeating: m[i]), SIMD8(repeating: v[i]))
    (p[i], m[i], v[i]) = (p8[0], m8[0], v8[0])
    i &+= 1
  }
  return MomentHashes(first: hash1.value, second: hash2.value)
}

@inline(always) private func load8(_ p: UnsafePointer<Float>) -> SIMD8<Float> {
  UnsafeRawPointer(p).loadUnaligned(as: SIMD8<Float>.self)
}

@inline(always) private func store8(_ x: SIMD8<Float>, _ p: UnsafeMutablePointer<Float>) {
  UnsafeMutableRawPointer(p).storeBytes(of: x, as: SIMD8<Float>.self)
}

@inline(always) private func squareRoot(_ x: SIMD8<Float>) -> SIMD8<Float> {
  var y = SIMD8<Float>()
  for k in 0..<8 { y[k] = x[k].squareRoot() }
  return y
}
