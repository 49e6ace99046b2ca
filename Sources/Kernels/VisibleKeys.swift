/// Which keys the queries of a micro-batch see. Attention is generic over it, so that each kind of mask has its own
/// specialised loops.
protocol VisibleKeys {
  associatedtype Row: VisibleRow

  var samples: Int { get }
  /// Keys per sample.
  var keys: Int { get }
  /// Positions per sample that a query may have.
  var positions: Int { get }

  /// The rows of the matrix of queries that belong to a sample.
  func queries(of sample: Int) -> Range<Int>

  /// Where a query stands in its sample: the key of its dropout.
  func position(of query: Int, sample: Int) -> Int

  /// A range of keys that holds all keys that any of these queries of a sample sees. It starts at a multiple of
  /// `maskGroup`, so that the groups of dropout start at its first key.
  func keys(of queries: Range<Int>, sample: Int) -> Range<Int>

  /// The keys that one query of a sample sees, among `keys` and numbered from the first of these.
  func row(_ query: Int, sample: Int, keys: Range<Int>) -> Row
}

/// The keys that one query sees.
protocol VisibleRow {
  /// Whether a query may see no key. Its weights are then zero.
  static var mayBeEmpty: Bool { get }

  /// All visible keys lie in first ..< end.
  var first: Int { get }
  var end: Int { get }

  /// The scores of keys i ..< i + 16 with -∞ for hidden keys; i is a multiple of 16. Lanes past the last key hold
  /// anything.
  func masked(_ scores: Lanes, _ i: Int) -> Lanes
}

/// A query that sees every key of first ..< end, at least one.
struct VisibleRange: VisibleRow {
  static var mayBeEmpty: Bool { false }
  let first: Int
  let end: Int

  @inline(always) func masked(_ scores: Lanes, _ i: Int) -> Lanes {
    guard i < first || end < i &+ 16 else { return scores }
    let (first, end) = (SIMD16<Int32>(repeating: Int32(first &- i)), SIMD16<Int32>(repeating: Int32(end &- i)))
    return scores.replacing(with: -.infinity, where: (laneIndices .< first) .| (laneIndices .>= end))
  }
}

/// A query that sees key j of 0 ..< end if bit j mod 32 of word j / 32 is set.
struct VisibleBits: VisibleRow {
  static var mayBeEmpty: Bool { true }
  let words: UnsafePointer<UInt32>
  let end: Int
  var first: Int { 0 }

  @inline(always) func masked(_ scores: Lanes, _ i: Int) -> Lanes {
    let bits = Int32(truncatingIfNeeded: words[i &>> 5] &>> UInt32(truncatingIfNeeded: i & 31))
    return scores.replacing(with: -.infinity, where: (SIMD16<Int32>(repeating: bits) & laneBits) .== 0)
  }
}

private let laneIndices = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
private let laneBits = SIMD16<Int32>(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
