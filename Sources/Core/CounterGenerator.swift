/// What a stream of random numbers is for. Streams of different purposes are independent.
public enum RandomPurpose: UInt32, Sendable {
  case order = 1
  case corruption = 2
  case dropout = 3
  case initialization = 4
  case generation = 5
  case evaluation = 6
}

/// A counter-based generator: every number is a function of (seed, purpose, position, site, element)
/// and of nothing else, so that order, masks, dropout and initial weights are the same on any rank,
/// any thread and after any restart.
///
/// Concretely: Philox4x32-10 with the 64-bit key `mix(seed, purpose)` and the 128-bit counter
/// `(element / 4, site, position low, position high)`; each block gives four 32-bit words.
///
/// Reference: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
/// doi:10.1145/2063384.2063405. The published known-answer vectors are in the tests.
@frozen public struct CounterGenerator: Sendable {
  public let key: SIMD2<UInt32>
  public let site: UInt32
  public let position: UInt64

  /// - Parameters:
  ///   - seed: the run's seed.
  ///   - purpose: what the numbers are for.
  ///   - position: the sample's position in the stream (step × batch + i), or another index that names the owner.
  ///   - site: the place of use: a layer, a term, a view.
  public init(seed: UInt64, purpose: RandomPurpose, position: UInt64 = 0, site: UInt32 = 0) {
    let mixed = Self.mix(seed ^ (UInt64(purpose.rawValue) &* 0x9E37_79B9_7F4A_7C15))
    self.init(key: SIMD2(UInt32(truncatingIfNeeded: mixed), UInt32(mixed >> 32)), position: position, site: site)
  }

  @inlinable public init(key: SIMD2<UInt32>, position: UInt64, site: UInt32) {
    self.key = key
    self.position = position
    self.site = site
  }

  /// The same seed and purpose at another stream position or site.
  @inlinable public func at(position: UInt64, site: UInt32) -> CounterGenerator {
    CounterGenerator(key: key, position: position, site: site)
  }

  /// The four words of block `index`. - Complexity: 20 multiplications.
  @inlinable public func block(_ index: UInt32) -> SIMD4<UInt32> {
    Self.philox(
      counter: SIMD4(index, site, UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32)),
      key: key)
  }

  /// Word `element`, uniform over all 32-bit values.
  @inlinable public func word(_ element: Int) -> UInt32 {
    block(UInt32(truncatingIfNeeded: element >> 2))[element & 3]
  }

  /// 64 bits for `element`: words 2·element and 2·element + 1.
  @inlinable public func bits64(_ element: Int) -> UInt64 {
    let words = block(UInt32(truncatingIfNeeded: element >> 1))
    let pair = (element & 1) * 2
    return UInt64(words[pair]) | UInt64(words[pair + 1]) << 32
  }

  /// Uniform in [0, 1) with 24 bits.
  @inlinable public func uniform(_ element: Int) -> Float { Float(word(element) >> 8) * 0x1p-24 }

  /// Uniform in [0, 1) with 53 bits.
  @inlinable public func uniformDouble(_ element: Int) -> Double { Double(bits64(element) >> 11) * 0x1p-53 }

  /// A sum of four uniform numbers with mean 0 and variance 1: near enough to normal for noise, and the same on every
  /// machine. Numbers 4·element … 4·element + 3 of `uniform`.
  public func almostNormal(_ element: Int) -> Float {
    (0..<4).reduce(-2) { $0 + uniform(4 * element + $1) } * 1.732_050_8
  }

  /// Uniform in 0 ..< bound by the high half of a 128-bit product; the bias is below bound · 2⁻⁶⁴.
  @inlinable public func below(_ bound: Int, _ element: Int) -> Int {
    Int(truncatingIfNeeded: bits64(element).multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// The permutation of Philox4x32 with ten rounds.
  @inlinable public static func philox(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var (c0, c1, c2, c3) = (counter.x, counter.y, counter.z, counter.w)
    var (k0, k1) = (key.x, key.y)
    for _ in 0..<10 {
      let p0 = UInt64(c0) &* 0xD251_1F53
      let p1 = UInt64(c2) &* 0xCD9E_8D57
      (c0, c1, c2, c3) = (
        UInt32(truncatingIfNeeded: p1 >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: p1),
        UInt32(truncatingIfNeeded: p0 >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: p0)
      )
      k0 = k0 &+ 0x9E37_79B9
      k1 = k1 &+ 0xBB67_AE85
    }
    return SIMD4(c0, c1, c2, c3)
  }

  /// A bijective mix of 64 bits (the finaliser of SplitMix64).
  @inlinable public static func mix(_ value: UInt64) -> UInt64 {
    var z = value &+ 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
