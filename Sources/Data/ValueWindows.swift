/// Where the samples of a split of numbers lie: whole records, or windows of records and sequences that never cross
/// from one into the next.
///
/// A document of n rows has windows that begin at rows 0, stride, 2 · stride, … until one reaches its end; the last may
/// be shorter than the window, and so is that of a shorter document.
struct ValueWindows: Sendable {
  /// One sample.
  struct Place: Equatable {
    let shard: Int
    /// The record or sequence in the shard.
    let document: Int
    /// Rows of it, at most a window.
    let rows: Range<Int>
  }

  /// What the windows of a shard are.
  private enum Cut: Sendable {
    /// So many windows in each record, which has so many rows.
    case equal(perRecord: Int, rows: Int)
    /// The rows at which sequences begin, and the number of windows before each sequence.
    case unequal(starts: [Int], before: [Int])
  }

  private let cuts: [Cut]
  /// Samples before each shard, and the number of all.
  private let before: [Int]
  private let window: Int
  private let stride: Int
  /// Whether some sample has fewer rows than the window.
  let isPadded: Bool

  /// - Parameters:
  ///   - rowsPerRecord: rows of each record; nil for sequences.
  ///   - window: rows of a sample; `stride`: rows from one to the next. Both are above 0.
  /// - Complexity: O(sequences).
  init(_ shards: [ValueShard], rowsPerRecord: Int?, window: Int, stride: Int) {
    precondition(window > 0 && stride > 0, "windows of \(window) rows every \(stride)")
    (self.window, self.stride) = (window, stride)
    var (cuts, before) = ([Cut](), [0])
    for shard in shards {
      if let rows = rowsPerRecord {
        let perRecord = Self.count(rows, window, stride)
        cuts.append(.equal(perRecord: perRecord, rows: rows))
        before.append(before[before.count - 1] + shard.count * perRecord)
      } else {
        let counts = zip(shard.starts, shard.starts.dropFirst()).map { Self.count($1 - $0, window, stride) }
        let sums = counts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) }
        cuts.append(.unequal(starts: shard.starts, before: sums))
        before.append(before[before.count - 1] + sums[sums.count - 1])
      }
    }
    (self.cuts, self.before) = (cuts, before)
    isPadded = rowsPerRecord.map { Self.lastIsShort($0, window, stride) } ?? true
  }

  /// Samples of all shards.
  var count: Int { before[before.count - 1] }

  /// The number of windows of `rows` rows: 1 + ⌈(rows - window) / stride⌉, but none that would begin behind the end.
  static func count(_ rows: Int, _ window: Int, _ stride: Int) -> Int {
    guard rows > window else { return 1 }
    return min(1 + (rows - window + stride - 1) / stride, (rows + stride - 1) / stride)
  }

  private static func lastIsShort(_ rows: Int, _ window: Int, _ stride: Int) -> Bool {
    (count(rows, window, stride) - 1) * stride + window > rows
  }

  /// Where sample `index` lies. - Complexity: O(log shards + log sequences).
  func place(_ index: Int) -> Place {
    let shard = Self.lastIndex(of: before, notAbove: index)
    let inShard = index - before[shard]
    switch cuts[shard] {
    case .equal(let perRecord, let rows):
      return Place(shard: shard, document: inShard / perRecord, rows: cut(inShard % perRecord, rows))
    case .unequal(let starts, let before):
      let document = Self.lastIndex(of: before, notAbove: inShard)
      return Place(
        shard: shard, document: document,
        rows: cut(inShard - before[document], starts[document + 1] - starts[document]))
    }
  }

  private func cut(_ number: Int, _ rows: Int) -> Range<Int> {
    number * stride..<min(number * stride + window, rows)
  }

  /// The last place whose number is not above `index`; the numbers rise, and the last one lies above it.
  private static func lastIndex(of numbers: [Int], notAbove index: Int) -> Int {
    var (low, high) = (0, numbers.count - 1)
    while high - low > 1 {
      let middle = (low + high) / 2
      if numbers[middle] <= index { low = middle } else { high = middle }
    }
    return low
  }
}
