/// Byte strings to look for, sorted, so that all that go on as the text does lie side by side.
///
/// Costs the patterns and one number each, however long they are; a trie has a node a byte.
struct SortedPatterns: Sendable {
  /// Distinct and not empty, in rising order: one that begins another stands before it.
  private var patterns: [[UInt8]] = []
  /// What the caller calls each.
  private var values: [Int32] = []
  /// Where the patterns that begin with a byte lie in `patterns`.
  private var first = [Range<Int>](repeating: 0..<0, count: 256)

  /// - Parameter list: of two equal patterns the first counts; empty ones are passed over.
  init(_ list: [[UInt8]]) {
    let order = list.indices.filter { !list[$0].isEmpty }.sorted {
      list[$0] == list[$1] ? $0 < $1 : list[$0].lexicographicallyPrecedes(list[$1])
    }
    for index in order where patterns.last != list[index] {
      let byte = Int(list[index][0])
      first[byte] = (first[byte].isEmpty ? patterns.count : first[byte].lowerBound)..<patterns.count + 1
      patterns.append(list[index])
      values.append(Int32(index))
    }
  }

  var isEmpty: Bool { patterns.isEmpty }

  /// The longest pattern that `text[start ..< end]` begins with: its place in the list, and where it ends.
  /// - Complexity: O(length · log patterns).
  @inline(__always) func longest(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> (index: Int, end: Int)? {
    let candidates = first[Int(text[start])]
    return candidates.isEmpty ? nil : longest(text, start, end, candidates)
  }

  private func longest(_ text: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ begun: Range<Int>) -> (
    index: Int, end: Int
  )? {
    var (low, high) = (begun.lowerBound, begun.upperBound)
    var best: (index: Int, end: Int)?
    var depth = 1
    while low < high {
      if patterns[low].count == depth {
        best = (Int(values[low]), start + depth)
        low += 1
      }
      guard start + depth < end else { break }
      let byte = text[start + depth]
      low = boundary(low, high, depth) { $0 < byte }
      high = boundary(low, high, depth) { $0 <= byte }
      depth += 1
    }
    return best
  }

  /// The first of the patterns `low ..< high` whose byte at `depth` is not `isBefore`.
  @inline(__always) private func boundary(_ low: Int, _ high: Int, _ depth: Int, _ isBefore: (UInt8) -> Bool) -> Int {
    var (low, high) = (low, high)
    while low < high {
      let middle = (low + high) / 2
      if isBefore(patterns[middle][depth]) { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
