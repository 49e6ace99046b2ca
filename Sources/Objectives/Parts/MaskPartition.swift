import Core

/// A text's eligible positions divided into sets that do not overlap and leave nothing out.
///
/// *Concretely:* of n positions, in rising order, the one with index j belongs to set
/// - `random`: rank(j) mod K, with rank(j) its place among n random keys;
/// - `strided`: (j + r) mod K with r ~ U{0 … K-1};
/// - `contiguous`: ⌊((j + r) mod n) · K / n⌋ with r ~ U{0 … n-1}: blocks, one of which may go around the end.
///
/// Sizes differ by one at most; with fewer positions than sets some sets are empty.
public struct MaskPartition: Sendable {
  public enum Assignment: String, Codable, Sendable, CaseIterable { case random, strided, contiguous }

  public let sets: Int
  public let assignment: Assignment

  public init(sets: Int, assignment: Assignment) {
    precondition(sets >= 1, "a partition into \(sets) sets")
    (self.sets, self.assignment) = (sets, assignment)
  }

  /// The positions of one set, in rising order.
  ///
  /// - Parameters:
  ///   - random: the same for all sets of a text.
  /// - Complexity: O(n log n) for `random`, else O(n).
  public func members(of set: Int, _ eligible: [Int], _ random: CounterGenerator) -> [Int] {
    precondition((0..<sets).contains(set), "set \(set) of \(sets)")
    let n = eligible.count
    guard n > 0 else { return [] }
    switch assignment {
    case .random:
      let keys = eligible.map { UInt64(random.word($0)) << 32 | UInt64($0) }.sorted()
      return stride(from: set, to: n, by: sets).map { Int(keys[$0] & 0xFFFF_FFFF) }.sorted()
    case .strided:
      let shift = random.below(sets, 0)
      return eligible.indices.filter { ($0 + shift) % sets == set }.map { eligible[$0] }
    case .contiguous:
      let shift = random.below(n, 0)
      return eligible.indices.filter { ($0 + shift) % n * sets / n == set }.map { eligible[$0] }
    }
  }
}
