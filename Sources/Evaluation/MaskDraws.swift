import Core

/// Masks of one text, all hiding `size` of its `positions`, drawn so that pairs have every Hamming distance.
///
/// *Concretely:* a round is a random order π of the positions; a mask is the window π[a ..< a + size]. Two windows of a
/// round whose starts differ by d share max(0, size - d) positions: their Hamming distance is H = 2·min(d, size). Each
/// window is a uniform subset, and two of them a uniform pair of their distance. The windows at 0, size, 2·size … are a
/// partition into `sets` disjoint sets.
struct MaskDraws: Sendable {
  /// Positions that may be hidden.
  let positions: [Int]
  /// n, positions that a mask hides.
  let size: Int
  /// K.
  let sets: Int
  /// Starts of a round's windows, rising: a chain that leads from the first set to the second, and the other sets.
  let starts: [Int]
  /// Numbers for orders; one site a round.
  let random: CounterGenerator

  /// - Parameter steps: from the first set to the second in so many steps at most; 0 for n, one token at a time, which
  ///   covers every distance.
  init(positions: [Int], size: Int, sets: Int, steps: Int = 0, random: CounterGenerator) {
    precondition(
      sets >= 2 && size >= 1 && sets * size <= positions.count,
      "\(sets) sets of \(size) among \(positions.count) positions")
    (self.positions, self.size, self.sets, self.random) = (positions, size, sets, random)
    starts = Self.starts(size: size, sets: sets, steps: steps)
  }

  static func starts(size: Int, sets: Int, steps: Int) -> [Int] {
    let steps = steps == 0 ? size : min(steps, size)
    return (0...steps).map { $0 * size / steps } + (2..<max(sets, 2)).map { $0 * size }
  }

  /// Places of the partition's sets among `starts`.
  var partition: [Int] { starts.indices.filter { starts[$0] % size == 0 } }

  /// H / 2 of the windows at two places of `starts`.
  func level(_ i: Int, _ j: Int) -> Int { min(abs(starts[i] - starts[j]), size) }

  /// A random order of the positions. Sites below 2³⁰.
  func order(site: Int) -> [Int] {
    let generator = random.at(position: random.position, site: UInt32(truncatingIfNeeded: site))
    return positions.map { UInt64(generator.word($0)) << 32 | UInt64($0) }.sorted().map { Int($0 & 0xFFFF_FFFF) }
  }

  /// The window of an order, in rising order.
  func window(_ order: [Int], at start: Int) -> [Int] { order[start..<start + size].sorted() }

  /// The generator of what stands in place of hidden tokens, for the mask with this number.
  func replacements(_ mask: Int) -> CounterGenerator {
    random.at(position: random.position, site: 1 << 30 | UInt32(truncatingIfNeeded: mask))
  }
}
