/// The words of a training text as rows of symbols, with the count of each pair of neighbours and the words it is in.
struct TrainingWords {
  /// All words' symbols; word `w` is `symbols[starts[w] ..< starts[w] + lengths[w]]`. Merging shortens a word in place.
  private var symbols: [Int32] = []
  private var starts: [Int] = []
  private var lengths: [Int32] = []
  private var counts: [Int64] = []

  /// Pair → its number.
  private var numbers = PairMap(capacity: 1 << 16)
  private var pairs: [UInt64] = []
  private var pairCounts: [Int64] = []
  /// Words a pair is or was in. A word may be listed twice; the second visit finds nothing.
  private var places: [[Int32]] = []
  /// Pairs that became more frequent during the current merge, each once.
  private var risen: [Int32] = []
  private var risenAt: [Int32] = []
  private var mergeNumber: Int32 = 0

  /// - Parameter firstSymbol: symbol of each byte.
  init(_ words: WordCounts, firstSymbol: [Int32]) {
    words.forEach { word, count in
      starts.append(symbols.count)
      lengths.append(Int32(word.count))
      counts.append(count)
      for byte in word { symbols.append(firstSymbol[Int(byte)]) }
    }
    for word in starts.indices {
      for index in starts[word]..<starts[word] + Int(lengths[word]) - 1 {
        change(symbols[index], symbols[index + 1], word, 1)
      }
    }
  }

  /// Every pair with its count, in no particular order.
  var candidates: [PairCandidate] { pairs.indices.map { PairCandidate(count: pairCounts[$0], pair: pairs[$0]) } }

  func count(of pair: UInt64) -> Int64 {
    let number = numbers.find(Self.left(pair), Self.right(pair))
    return number == PairMap.absent ? 0 : pairCounts[Int(number)]
  }

  static func left(_ pair: UInt64) -> Int32 { Int32(truncatingIfNeeded: pair >> 32) }
  static func right(_ pair: UInt64) -> Int32 { Int32(truncatingIfNeeded: pair) }

  /// Replaces `pair` by `merged` in every word, from the left.
  ///
  /// - Returns: the pairs whose counts rose.
  /// - Complexity: O(total length of the words the pair is in).
  mutating func merge(_ pair: UInt64, into merged: Int32) -> [PairCandidate] {
    let number = numbers.find(Self.left(pair), Self.right(pair))
    guard number != PairMap.absent else { return [] }
    mergeNumber += 1
    risen.removeAll(keepingCapacity: true)
    let words = places[Int(number)]
    places[Int(number)] = []
    for word in words { merge(Self.left(pair), Self.right(pair), into: merged, word: Int(word)) }
    return risen.compactMap {
      pairCounts[Int($0)] > 0 ? PairCandidate(count: pairCounts[Int($0)], pair: pairs[Int($0)]) : nil
    }
  }

  private mutating func merge(_ left: Int32, _ right: Int32, into merged: Int32, word: Int) {
    let start = starts[word]
    let end = start + Int(lengths[word])
    var read = start
    var write = start
    while read < end {
      guard read + 1 < end, symbols[read] == left, symbols[read + 1] == right else {
        symbols[write] = symbols[read]
        read += 1
        write += 1
        continue
      }
      change(left, right, word, -1)
      if write > start {
        change(symbols[write - 1], left, word, -1)
        change(symbols[write - 1], merged, word, 1)
      }
      if read + 2 < end {
        change(right, symbols[read + 2], word, -1)
        change(merged, symbols[read + 2], word, 1)
      }
      symbols[write] = merged
      read += 2
      write += 1
    }
    lengths[word] = Int32(write - start)
  }

  private mutating func change(_ left: Int32, _ right: Int32, _ word: Int, _ sign: Int64) {
    let number = numbered(left, right)
    pairCounts[number] += sign * counts[word]
    guard sign > 0 else { return }
    if places[number].last != Int32(word) { places[number].append(Int32(word)) }
    if risenAt[number] != mergeNumber {
      risenAt[number] = mergeNumber
      risen.append(Int32(number))
    }
  }

  private mutating func numbered(_ left: Int32, _ right: Int32) -> Int {
    let known = numbers.find(left, right)
    if known != PairMap.absent { return Int(known) }
    numbers.set(PairMap.key(left, right), UInt64(pairs.count))
    pairs.append(PairMap.key(left, right))
    pairCounts.append(0)
    places.append([])
    risenAt.append(-1)
    return pairs.count - 1
  }
}

/// A pair with the count it had when it was queued. The most frequent comes first, then the one of lower ids, so that
/// the order of words cannot matter.
struct PairCandidate: Comparable {
  let count: Int64
  let pair: UInt64

  static func < (a: PairCandidate, b: PairCandidate) -> Bool {
    a.count != b.count ? a.count > b.count : a.pair < b.pair
  }
}
