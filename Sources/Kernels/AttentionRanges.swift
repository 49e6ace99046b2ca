/// Which keys each position of self-attention sees: one contiguous range, because documents are contiguous.
public struct AttentionRanges: Sendable {
  /// First visible key of each row, inside its sample.
  public private(set) var first: [Int32]
  /// One past the last visible key.
  public private(set) var end: [Int32]
  public let samples: Int
  public let length: Int

  /// - Parameters:
  ///   - documentIDs: for every row of [samples, length] the document it belongs to, -1 for padding; a document is a
  ///     run of equal numbers.
  ///   - causal: a position sees no later one.
  ///   - documentMasking: a position sees its own document only; otherwise everything but padding (padding sees
  ///     padding).
  public init(samples: Int, length: Int, documentIDs: some Collection<Int32>, causal: Bool, documentMasking: Bool) {
    precondition(documentIDs.count == samples * length, "one document per position")
    let documentIDs = Array(documentIDs)
    self.samples = samples
    self.length = length
    first = [Int32](repeating: 0, count: documentIDs.count)
    end = first
    for sample in 0..<samples {
      var start = 0
      while start < length {
        let group = documentIDs[sample * length + start]
        var stop = start + 1
        while stop < length, Self.together(group, documentIDs[sample * length + stop], documentMasking) { stop += 1 }
        for row in start..<stop {
          first[sample * length + row] = Int32(start)
          end[sample * length + row] = Int32(causal ? row + 1 : stop)
        }
        start = stop
      }
    }
  }

  private static func together(_ a: Int32, _ b: Int32, _ documentMasking: Bool) -> Bool {
    documentMasking ? a == b : (a < 0) == (b < 0)
  }
}

extension AttentionRanges: VisibleKeys {
  var keys: Int { length }
  var positions: Int { length }

  func queries(of sample: Int) -> Range<Int> { sample * length..<(sample + 1) * length }

  @inline(always) func position(of query: Int, sample: Int) -> Int { query - sample * length }

  func keys(of queries: Range<Int>, sample: Int) -> Range<Int> {
    var (lowest, highest) = (length, 0)
    for row in queries {
      lowest = min(lowest, Int(first[row]))
      highest = max(highest, Int(end[row]))
    }
    return lowest - lowest % maskGroup..<highest
  }

  @inline(always) func row(_ query: Int, sample: Int, keys: Range<Int>) -> VisibleRange {
    VisibleRange(first: Int(first[query]) - keys.lowerBound, end: Int(end[query]) - keys.lowerBound)
  }
}
