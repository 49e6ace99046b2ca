import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct ExactSumTests {
  /// Sums of `parts` in this order, as integers.
  private func sum(_ parts: [[Float]], scale: Double) -> (integers: [Int64], largest: UInt32) {
    let n = parts[0].count
    let m = Matrices()
    var (integers, largest) = ([Int64](repeating: 0, count: n), UInt32(0))
    for part in parts {
      let view = m.with(part, 1, n)
      integers.withUnsafeMutableBufferPointer { buffer in
        guard let base = buffer.baseAddress else { return }
        largest = max(largest, accumulateExactly(view, scale: scale, into: base))
      }
    }
    return (integers, largest)
  }

  private func rounded(_ integers: [Int64], inverse: Double) -> [Float] {
    let m = Matrices()
    let y = m.empty(1, integers.count)
    integers.withUnsafeBufferPointer { buffer in
      if let base = buffer.baseAddress {
        roundExactSum(
          of: base, ranks: 1, count: integers.count, range: 0..<integers.count, inverse: inverse, into: y.base)
      }
    }
    return y.array
  }

  /// Permuted additions give equal bits; the same permutations of float additions do not.
  @Test func orderDoesNotMatter() {
    var numbers = SeededNumbers(1)
    let parts = (0..<9).map { _ in numbers.normal(65) }
    let orders = [Array(0..<9), Array((0..<9).reversed()), [4, 0, 8, 2, 6, 1, 5, 3, 7]]
    let sums = orders.map { order in sum(order.map { parts[$0] }, scale: 0x1p40).integers }
    #expect(sums[0] == sums[1] && sums[0] == sums[2])
    let floats = orders.map { order -> [Float] in
      let m = Matrices()
      let total = m.with([Float](repeating: 0, count: 65), 1, 65)
      for i in order { _ = accumulateFloats(m.with(parts[i], 1, 65), into: total.base) }
      return total.array
    }
    #expect(floats[0] != floats[1] && floats[0] != floats[2])
    let expected = (0..<65).map { i in parts.reduce(0.0) { $0 + Double($1[i]) } }
    #expect(mismatch("sum", rounded(sums[0], inverse: 0x1p-40), expected, tolerance: Tolerance.ulp) == nil)
    #expect(mismatch("float sum", floats[0], expected, tolerance: Tolerance.float(sum: 9)) == nil)
  }

  /// To nearest, ties to even, on both sides of zero.
  @Test func roundsToNearest() {
    let values: [Float] = [0, 0.25, 0.5, 0.75, 1.5, 2.5, 3.5, -0.25, -0.5, -0.75, -1.5, -2.5, 1e6, -1e6]
    #expect(sum([values], scale: 1).integers == [0, 0, 0, 1, 2, 2, 4, 0, 0, -1, -2, -2, 1_000_000, -1_000_000])
    #expect(sum([values.map { $0 * 0x1p-30 }], scale: 0x1p30).integers == sum([values], scale: 1).integers)
  }

  /// Up to the limit nothing is lost.
  @Test func limit() {
    let near = Float(0x1p51).nextDown
    #expect(sum([[near, -near]], scale: 1).integers == [Int64(near), -Int64(near)])
    #expect(exactLimit == 0x1p51)
    #expect(Double(Float(bitPattern: sum([[1, -3, 2]], scale: 0x1p40).largest)) == 3)
  }

  /// A NaN or an infinity raises the largest magnitude to at least that of infinity.
  @Test(arguments: [Float.nan, .infinity, -.infinity, -.nan])
  func notFinite(value: Float) {
    #expect(sum([[1, value, 2]], scale: 1).largest >= Float.infinity.bitPattern)
    #expect(sum([[1, .greatestFiniteMagnitude]], scale: 1).largest < Float.infinity.bitPattern)
    let m = Matrices()
    let total = m.with([0, 0], 1, 2)
    #expect(accumulateFloats(m.with([value, 1], 1, 2), into: total.base) >= Float.infinity.bitPattern)
  }

  /// Integers become the nearest floats: zero, small ones, both signs, halves of 2³², and near the ends of 64 bits.
  @Test func integersBecomeDoubles() {
    let values: [Int64] = [
      0, 1, -1, 2, 1 << 31, 1 << 32, -(1 << 32), (1 << 32) - 1, 1 - (1 << 32), (1 << 53) - 1, 1 - (1 << 53), 1 << 62,
      -(1 << 62), .max, .min,
      .min + 1, 0x7FFF_FFFF_0000_0000, 0x1234_5678_9ABC_DEF0, -0x1234_5678_9ABC_DEF0,
    ]
    for inverse in [1, 0x1p-40] {
      // One at a time, and eight at a time through the squares and the optimiser's kernel.
      #expect(rounded(values, inverse: inverse) == values.map { Float(Double($0) * inverse) })
      for value in values {
        let eight = [Int64](repeating: value, count: 8)
        let largest = eight.withUnsafeBufferPointer { buffer in
          buffer.baseAddress.map { squaresOfExactSum($0, count: 8, inverse: inverse).largest } ?? .nan
        }
        #expect(largest == abs(Float(Double(value) * inverse)))
      }
    }
  }

  @Test(arguments: lengths)
  func squares(n: Int) {
    var numbers = SeededNumbers(UInt64(n) + 1)
    let integers = numbers.normal(n).map { Int64($0 * 0x1p30) }
    let floats = integers.map { Float(Double($0) * 0x1p-30) }
    let expected = floats.reduce(0.0) { $0 + Double($1) * Double($1) }
    let exact = integers.withUnsafeBufferPointer { b in
      b.baseAddress.map { squaresOfExactSum($0, count: n, inverse: 0x1p-30) }
    }
    let plain = floats.withUnsafeBufferPointer { b in b.baseAddress.map { squaresOfFloats($0, count: n) } }
    guard let exact, let plain else { return }
    #expect(abs(exact.squares - expected) <= 1e-14 * expected)
    #expect(exact.squares == plain.squares && exact.largest == plain.largest)
    #expect(exact.largest == floats.map(abs).max() ?? 0)
  }

  /// What the owner of a part does: integers of all ranks added, one rounding, only the tensor's own range.
  @Test(arguments: [1, 2, 5]) func partsOfAllRanksAreAddedAndRoundedOnce(ranks: Int) {
    var numbers = SeededNumbers(9)
    let count = 45
    let parts = (0..<ranks * count).map { _ in Int64(Double(numbers.normal(1)[0]) * 0x1p41) }
    var result = [Float](repeating: -1, count: 30)
    parts.withUnsafeBufferPointer { buffer in
      result.withUnsafeMutableBufferPointer { floats in
        guard let source = buffer.baseAddress, let target = floats.baseAddress else { return }
        roundExactSum(of: source, ranks: ranks, count: count, range: 7..<36, inverse: 0x1p-40, into: target)
      }
    }
    let expected = (7..<36).map { i in
      Float(Double((0..<ranks).reduce(Int64(0)) { $0 + parts[$1 * count + i] }) * 0x1p-40)
    }
    #expect(Array(result[..<29]) == expected)
    #expect(result[29] == -1)
  }
}
