import Core

/// A mask of which the networks choose a part, in `settled`: how much is fixed beforehand, so that counts and shapes do
/// not depend on the choice.
public struct LateMask: Sendable {
  /// The samples with nothing hidden.
  public var clean: SampleBatch
  /// How many of the hidden positions of each sample the networks choose.
  public var chosen: [Int]

  /// - Parameter chosen: one number for each sample.
  public init(_ clean: SampleBatch, chosen: [Int]) { (self.clean, self.chosen) = (clean, chosen) }
}

/// Hides the positions with the largest scores, and random ones of the others.
///
/// With none chosen by score it is `GridMask(.random)`. Of equal scores the lower position comes first; NaN counts as
/// the lowest.
///
/// Reference: Wang et al., "Hard patches mining for masked image modeling", 2023, arXiv 2304.05919.
public struct HardestPositions: PositionMask {
  /// One for each position of the grid.
  public let scores: [Float]
  /// How many are chosen by score.
  public let hardest: Int

  /// - Parameters:
  ///   - scores: one for each position.
  ///   - hardest: how many are chosen by score.
  public init(_ scores: [Float], hardest: Int) { (self.scores, self.hardest) = (scores, hardest) }

  /// - Complexity: O(positions · log positions).
  public func hidden(_ count: Int, of grid: [Int], _ random: CounterGenerator) -> [Int] {
    let keys = scores.map { $0.isNaN ? -Float.infinity : $0 }
    let order = keys.indices.sorted { keys[$0] != keys[$1] ? keys[$0] > keys[$1] : $0 < $1 }
    let hard = Set(order.prefix(min(hardest, count)))
    let others = keys.indices.filter { !hard.contains($0) }
    return (hard + randomSubset(others, count: count - hard.count, random)).sorted()
  }
}
