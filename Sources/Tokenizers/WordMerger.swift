/// Applies merges to one piece: always the pair of lowest rank, the leftmost of equals, until none is left.
///
/// Reference: Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016,
/// arXiv:1508.07909, algorithm 1.
struct WordMerger {
  private var symbols: [Int32] = []
  /// `pairs[i]`: what merging symbols i and i + 1 would be.
  private var pairs: [UInt64] = []

  /// Up to here a linear search for the least pair beats a heap.
  static let longestScanned = 128

  mutating func merge(
    _ piece: UnsafeBufferPointer<UInt8>, _ model: BytePairModel, into ids: inout [Int32],
    longestScanned: Int = WordMerger.longestScanned
  ) {
    symbols.removeAll(keepingCapacity: true)
    for byte in piece where model.byteIDs[Int(byte)] >= 0 { symbols.append(model.byteIDs[Int(byte)]) }
    if symbols.count <= longestScanned {
      mergeByScanning(model.merges)
      ids.append(contentsOf: symbols)
    } else {
      mergeByHeap(model.merges, into: &ids)
    }
  }

  /// O(n²) with a small constant.
  private mutating func mergeByScanning(_ merges: PairMap) {
    pairs.removeAll(keepingCapacity: true)
    guard var last = symbols.first else { return }
    for symbol in symbols.dropFirst() {
      pairs.append(merges.find(last, symbol))
      last = symbol
    }
    while let (at, best) = leastPair() {
      symbols[at] = Int32(truncatingIfNeeded: best)
      symbols.remove(at: at + 1)
      pairs.remove(at: at)
      if at > 0 { pairs[at - 1] = merges.find(symbols[at - 1], symbols[at]) }
      if at < pairs.count { pairs[at] = merges.find(symbols[at], symbols[at + 1]) }
    }
  }

  private func leastPair() -> (index: Int, value: UInt64)? {
    var best = PairMap.absent
    var index = 0
    for position in 0..<pairs.count where pairs[position] < best {
      best = pairs[position]
      index = position
    }
    return best == PairMap.absent ? nil : (index, best)
  }

  /// O(n · log n): symbols in a linked list, pairs in a heap by (rank, position). A popped pair that is no
  /// longer there is dropped.
  private mutating func mergeByHeap(_ merges: PairMap, into ids: inout [Int32]) {
    let count = symbols.count
    var next = (1...count).map { $0 }
    var previous = (-1..<count - 1).map { $0 }
    func entry(_ left: Int) -> Candidate? {
      guard next[left] < count else { return nil }
      let value = merges.find(symbols[left], symbols[next[left]])
      return value == PairMap.absent ? nil : Candidate(value: value, position: left)
    }
    var heap = BinaryHeap((0..<count).compactMap(entry))
    while let candidate = heap.pop() {
      let left = candidate.position
      guard symbols[left] >= 0, entry(left)?.value == candidate.value else { continue }
      let right = next[left]
      symbols[left] = Int32(truncatingIfNeeded: candidate.value)
      symbols[right] = -1
      next[left] = next[right]
      if next[left] < count { previous[next[left]] = left }
      if let pair = entry(left) { heap.push(pair) }
      if previous[left] >= 0, let pair = entry(previous[left]) { heap.push(pair) }
    }
    for symbol in symbols where symbol >= 0 { ids.append(symbol) }
  }

  private struct Candidate: Comparable {
    let value: UInt64
    let position: Int

    static func < (a: Candidate, b: Candidate) -> Bool { (a.value, a.position) < (b.value, b.position) }
  }
}
