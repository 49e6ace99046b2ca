/// Which keys each query of a sample sees, one bit per pair: for attention whose rows see keys in no order.
///
/// A row that sees nothing is allowed; attention gives zeros for it.
public struct AttentionBitmask: Sendable, Equatable {
  public let samples: Int
  /// Queries per sample.
  public let queries: Int
  /// Keys per sample.
  public let keys: Int
  /// Rows of ⌈keys / 32⌉ words, key j in bit j mod 32 of word j / 32; bits past the last key are zero.
  public private(set) var words: [UInt32]

  /// A mask that hides every key.
  public init(samples: Int, queries: Int, keys: Int) {
    precondition(
      samples >= 0 && queries >= 1 && keys >= 1, "a matrix of \(samples) samples, \(queries) queries and \(keys) keys")
    (self.samples, self.queries, self.keys) = (samples, queries, keys)
    words = [UInt32](repeating: 0, count: samples * queries * ((keys + 31) / 32))
  }

  public var wordsPerRow: Int { (keys + 31) / 32 }

  public subscript(sample: Int, query: Int, key: Int) -> Bool {
    get { words[place(sample, query, key)] >> UInt32(key & 31) & 1 == 1 }
    set {
      let bit: UInt32 = 1 << UInt32(key & 31)
      if newValue { words[place(sample, query, key)] |= bit } else { words[place(sample, query, key)] &= ~bit }
    }
  }

  private func place(_ sample: Int, _ query: Int, _ key: Int) -> Int {
    precondition(
      (0..<samples).contains(sample) && (0..<queries).contains(query) && (0..<keys).contains(key),
      "(\(sample), \(query), \(key)) is outside [\(samples), \(queries), \(keys)]")
    return (sample * queries + query) * wordsPerRow + key / 32
  }

  /// Runs `body` with the mask as the attention kernels read it; not at all where there are no samples.
  func withVisibleKeys(_ body: (BitmaskKeys) -> Void) {
    words.withUnsafeBufferPointer { words in
      guard samples > 0, let base = words.baseAddress else { return }
      body(BitmaskKeys(samples: samples, positions: queries, keys: keys, words: base))
    }
  }
}

/// An `AttentionBitmask` whose words are borrowed.
struct BitmaskKeys: VisibleKeys {
  let samples: Int
  /// Queries per sample.
  let positions: Int
  let keys: Int
  let words: UnsafePointer<UInt32>

  func queries(of sample: Int) -> Range<Int> { sample * positions..<(sample + 1) * positions }

  @inline(always) func position(of query: Int, sample: Int) -> Int { query - sample * positions }

  private var wordsPerRow: Int { (keys + 31) / 32 }

  /// From the first word in which any of these queries sees a key to the last; one word where none sees any.
  func keys(of queries: Range<Int>, sample: Int) -> Range<Int> {
    let occupied = (0..<wordsPerRow).filter { word in queries.contains { words[$0 * wordsPerRow + word] != 0 } }
    guard let first = occupied.first, let last = occupied.last else { return 0..<min(32, keys) }
    return 32 * first..<min(32 * last + 32, keys)
  }

  @inline(always) func row(_ query: Int, sample: Int, keys: Range<Int>) -> VisibleBits {
    VisibleBits(words: words + (query * wordsPerRow + keys.lowerBound / 32), end: keys.count)
  }
}
