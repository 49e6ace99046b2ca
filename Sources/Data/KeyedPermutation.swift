import Core

/// A permutation of 0 ..< count that needs no memory: where every element goes is computed on demand.
///
/// Concretely: a balanced Feistel network of eight rounds over the smallest even number of bits that
/// covers `count`, (L, R) ← (R, L ⊕ F(round, R)), with F from Philox keyed by the seed and the epoch.
/// A result outside 0 ..< count goes through the network again until it falls inside (cycle walking);
/// the domain is less than four times `count`, so fewer than four passes are expected.
///
/// Reference: Luby, Rackoff, "How to construct pseudorandom permutations from pseudorandom functions",
/// SIAM J. Comput. 17 (1988), doi:10.1137/0217022. Cycle walking: Black, Rogaway, "Ciphers with
/// arbitrary finite domains", CT-RSA 2002, doi:10.1007/3-540-45760-7_9.
public struct KeyedPermutation: Sendable {
  /// Elements permuted.
  public let count: Int
  private let halfBits: Int
  private let generator: CounterGenerator

  /// - Parameters:
  ///   - count: 1 ... 2^62.
  ///   - seed: the run's seed.
  ///   - epoch: every epoch has a permutation of its own.
  public init(count: Int, seed: UInt64, epoch: UInt64) {
    precondition(count >= 1 && count <= 1 << 62, "a permutation needs 1 ... 2^62 elements, not \(count)")
    self.count = count
    let bits = Int.bitWidth - (count - 1).leadingZeroBitCount
    self.halfBits = max(1, (bits + 1) / 2)
    self.generator = CounterGenerator(seed: seed, purpose: .order, position: epoch)
  }

  /// The element at place `index`. - Complexity: at most four passes of eight Philox blocks, on average.
  public subscript(index: Int) -> Int {
    precondition(index >= 0 && index < count, "index \(index) is outside a permutation of \(count)")
    if count == 1 { return 0 }
    var value = UInt64(index)
    repeat { value = network(value) } while value >= UInt64(count)
    return Int(value)
  }

  private func network(_ value: UInt64) -> UInt64 {
    let mask = (UInt64(1) << UInt64(halfBits)) - 1
    var (left, right) = (value >> UInt64(halfBits), value & mask)
    for round in 0..<8 as Range<UInt32> {
      let word = generator.at(position: generator.position, site: round).block(UInt32(truncatingIfNeeded: right)).x
      (left, right) = (right, left ^ (UInt64(word) & mask))
    }
    return left << UInt64(halfBits) | right
  }
}
