/// A running hash of the bits of floats, cheap enough to compute in a pass that reads them for another purpose.
///
/// *Concretely:* element i goes to lane i mod 8; each lane keeps s₁ += x and s₂ += s₁ modulo 2³² (Fletcher's sums), so
/// that any flipped bit changes s₁, and exchanged values change s₂. `value` mixes the sixteen sums into 64 bits.
/// It detects accidental errors and is not a cryptographic hash.
public struct ReplicaHash: Sendable {
  @usableFromInline var first = SIMD8<UInt32>.zero
  @usableFromInline var second = SIMD8<UInt32>.zero

  @inlinable public init() {}

  @inlinable @inline(always) public mutating func add(_ values: SIMD8<Float>) {
    first &+= unsafeBitCast(values, to: SIMD8<UInt32>.self)
    second &+= first
  }

  /// A last group of fewer than eight: the rest counts as zeros.
  @inlinable @inline(always) public mutating func add(_ value: Float, lane: Int) {
    first[lane] &+= value.bitPattern
    second[lane] &+= first[lane]
  }

  public var value: UInt64 {
    var hash: UInt64 = 0x9E37_79B9_7F4A_7C15
    for lane in 0..<8 { hash = mixed(hash, UInt64(first[lane]) << 32 | UInt64(second[lane])) }
    return hash
  }
}

/// `hash` with one more word in it: xor, then the finaliser of SplitMix64, so that every bit reaches every bit.
public func mixed(_ hash: UInt64, _ word: UInt64) -> UInt64 {
  var x = (hash ^ word) &+ 0x9E37_79B9_7F4A_7C15
  x = (x ^ (x >> 30)) &* 0xBF58_476D_1CE4_E5B9
  x = (x ^ (x >> 27)) &* 0x94D0_49BB_1331_11EB
  return x ^ (x >> 31)
}

/// The hash of `count` floats.
///
/// - Complexity: one read of 4 bytes per element.
public func replicaHash(_ values: UnsafePointer<Float>, count: Int) -> UInt64 {
  var hash = ReplicaHash()
  var i = 0
  while i &+ 8 <= count {
    hash.add(UnsafeRawPointer(values + i).loadUnaligned(as: SIMD8<Float>.self))
    i &+= 8
  }
  while i < count {
    hash.add(values[i], lane: i & 7)
    i &+= 1
  }
  return hash.value
}
