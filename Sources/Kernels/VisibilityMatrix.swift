/// Which keys each query of a sample sees, a bit a pair: for attention whose rows differ without any order.
///
/// A row that sees nothing is allowed; attention gives zeros for it.
public struct AttentionBitmask: Sendable, Equatable {
  public let samples: Int
  /// Queries and keys a sample.
  public let queries: Int
  public let keys: Int
  /// Rows of ⌈keys / 32⌉ words, key j in bit j mod 32 of word j / 32; bits past the last key are zero.
  public private(set) var words: [UInt32]

  /// Nothing is visible yet.
  public init(samples: Int, queries: Int, keys: Int) {
    precondition(samples >= 0 && queries >= 1 && keys >= 1, "a matrix of \(samples) samples, \(queries) queries and \(keys) keys")
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
}

/// Which of keys i ..< i + 16 a row does not see; i is a multiple of 16.
@inline(__always) func hiddenLanes(_ row: UnsafePointer<UInt32>, _ i: Int) -> SIMDMask<SIMD16<Int32>> {
  let bits = Int32(truncatingIfNeeded: row[i &>> 5] &>> UInt32(truncatingIfNeeded: i & 31))
  return (SIMD16<Int32>(repeating: bits) & laneBits) .== 0
}

private let laneBits = SIMD16<Int32>(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
