import Core

/// Chooses the positions of a grid that are hidden: always exactly as many as asked for, so that shapes do not depend
/// on the draw.
public protocol PositionMask: Sendable {
  /// The positions hidden, in rising order.
  ///
  /// - Parameters:
  ///   - count: how many, at most all.
  ///   - grid: positions along each axis; position p is cell p in row-major order.
  ///   - random: the sample's generator.
  func hidden(_ count: Int, of grid: [Int], _ random: CounterGenerator) -> [Int]
}

/// Masks in the patterns that papers compare.
///
/// Reference: He et al., "Masked autoencoders are scalable vision learners", 2021, arXiv 2111.06377, table 1f; Bao et
/// al., "BEiT", 2021, arXiv 2106.08254, algorithm 1; "Ti-MAE", 2023, arXiv 2301.08871, table 6.
public struct GridMask: PositionMask {
  /// Which positions are hidden.
  public enum Pattern: String, Codable, Sendable, CaseIterable {
    /// Any positions, evenly.
    case random
    /// Boxes, drawn one after another until enough is hidden (BEiT).
    case block
    /// Positions with an odd coordinate before those whose coordinates are all even: of two axes at a ratio of 0.75
    /// every second position of every second row is visible.
    case grid
    /// One run of neighbours in row-major order; of a series, one stretch of time.
    case continuous
    /// All but every k-th position, k the inverse of the visible share, from a random start.
    case periodic
    /// The same cells at every index of the first axis, such as time.
    case tubes
  }

  /// Which positions are hidden.
  public let pattern: Pattern

  /// Sites of the generator of a sample: 0 for single positions, 1 for boxes.
  private static let boxSite: UInt32 = 1

  public init(_ pattern: Pattern) { self.pattern = pattern }

  /// Why the pattern cannot hide exactly `count` positions, as the end of a sentence; nil where it can.
  public func problem(hiding count: Int, of grid: [Int]) -> String? {
    guard pattern == .tubes else { return nil }
    guard grid.count >= 2 else { return "needs records of two axes or more, the first of which is time." }
    return count % grid[0] == 0
      ? nil : "hides \(count) of \(grid.reduce(1, *)) positions, which are not the same at each of \(grid[0]) times."
  }

  /// - Complexity: O(positions · log positions).
  public func hidden(_ count: Int, of grid: [Int], _ random: CounterGenerator) -> [Int] {
    guard count > 0 else { return [] }
    let all = Array(0..<grid.reduce(1, *))
    switch pattern {
    case .random: return randomSubset(all, count: count, random)
    case .block: return boxes(count, grid, random.at(position: random.position, site: Self.boxSite))
    case .grid: return ranked(count, of: all.count, random) { coordinates($0, grid).contains { $0 % 2 == 1 } ? 0 : 1 }
    case .continuous:
      let start = random.below(all.count - count + 1, 0)
      return Array(start..<start + count)
    case .periodic:
      let period = max(1, Int((Double(all.count) / Double(max(all.count - count, 1))).rounded()))
      let shift = random.below(period, 0)
      return ranked(count, of: all.count, random) { ($0 + shift) % period == 0 ? 1 : 0 }
    case .tubes:
      let cells = all.count / grid[0]
      let own = randomSubset(Array(0..<cells), count: count / grid[0], random)
      return (0..<grid[0]).flatMap { time in own.map { time * cells + $0 } }
    }
  }

  /// Positions by the class of each, the lowest first, and by random words inside a class. Element p is that of p.
  private func ranked(_ count: Int, of positions: Int, _ random: CounterGenerator, _ rank: (Int) -> Int) -> [Int] {
    let keys = (0..<positions).map { (rank($0), random.word(1 + $0), $0) }
    return keys.sorted { $0 < $1 }.prefix(count).map(\.2).sorted()
  }

  private func coordinates(_ position: Int, _ grid: [Int]) -> [Int] {
    var (rest, result) = (position, [Int](repeating: 0, count: grid.count))
    for axis in grid.indices.reversed() { (rest, result[axis]) = rest.quotientAndRemainder(dividingBy: grid[axis]) }
    return result
  }

  /// Draw k takes elements from 2·axes·k on: along each axis a size of a quarter to a half of it and a start.
  private func boxes(_ count: Int, _ grid: [Int], _ random: CounterGenerator) -> [Int] {
    var (hidden, draw) = (Set<Int>(), 0)
    while hidden.count < count {
      let box = grid.indices.map { axis -> Range<Int> in
        let (n, place) = (grid[axis], 2 * (grid.count * draw + axis))
        let size = min(n, max(1, n / 4) + random.below(max(n / 2 - n / 4, 0) + 1, place))
        let start = random.below(n - size + 1, place + 1)
        return start..<start + size
      }
      for position in 0..<grid.reduce(1, *) where hidden.count < count {
        if zip(coordinates(position, grid), box).allSatisfy({ $1.contains($0) }) { hidden.insert(position) }
      }
      draw += 1
    }
    return hidden.sorted()
  }
}

/// How many of n positions an encoder keeps at a share hidden, n · (1 - share) rounded down, but at least one and at
/// most n - 1.
///
/// The 10⁻⁹ keeps 10 · (1 - 0.9) from being 0.
public func keptCount(_ share: Double, of n: Int) -> Int {
  min(max(1, Int(Double(n) * (1 - share) + 1e-9)), max(1, n - 1))
}

/// The positions of a sample that an encoder sees, in rising order: always `kept`.
///
/// Of a sample with padding, which a series alone can have, the real positions are masked at the same share as a
/// shorter series of their own, and padding fills up what is missing.
///
/// - Parameters:
///   - kept: how many are shown.
///   - grid: positions along each axis.
public func shownPositions(
  _ clean: SampleBatch, _ sample: Int, kept: Int, _ mask: some PositionMask, grid: [Int], _ random: CounterGenerator
) -> [Int] {
  let real = clean.realPositions(sample)
  guard !real.isEmpty else { return Array(0..<kept) }
  precondition(real.last == real.count - 1, "padding in front of positions of a sample")
  let isWhole = real.count == clean.length
  let wanted = isWhole ? kept : max(1, real.count * kept / clean.length)
  let hidden = Set(mask.hidden(real.count - wanted, of: isWhole ? grid : [real.count], random))
  return real.indices.filter { !hidden.contains($0) }.map { real[$0] }
    + (real.count..<clean.length).prefix(kept - wanted)
}
