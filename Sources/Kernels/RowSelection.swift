/// Some rows of the samples of a micro-batch, in rising order: those of a last block that anything reads.
public struct RowSelection: Sendable {
  /// Positions per sample.
  public let length: Int
  /// Rows of [samples · length].
  public let rows: [Int]
  /// Where the rows of each sample start among `rows`, and one past the last.
  let starts: [Int]

  /// - Precondition: `rows` rise, and lie in samples · length.
  public init(_ rows: [Int], samples: Int, length: Int) {
    precondition(zip(rows, rows.dropFirst()).allSatisfy { $0 < $1 }, "selected rows must rise")
    precondition(rows.allSatisfy { (0..<samples * length).contains($0) }, "a selected row outside of the samples")
    (self.rows, self.length) = (rows, length)
    var starts = [0]
    for sample in 0..<samples {
      var end = starts[sample]
      while end < rows.count, rows[end] < (sample + 1) * length { end += 1 }
      starts.append(end)
    }
    self.starts = starts
  }

  /// How many rows are selected.
  public var count: Int { rows.count }
}

/// The queries of selected rows over all keys of their samples.
struct SelectedRanges: VisibleKeys {
  let ranges: AttentionRanges
  let selection: RowSelection

  var samples: Int { ranges.samples }
  var keys: Int { ranges.length }
  var positions: Int { ranges.length }

  func queries(of sample: Int) -> Range<Int> { selection.starts[sample]..<selection.starts[sample + 1] }

  @inline(always) func position(of query: Int, sample: Int) -> Int {
    selection.rows[query] - sample * ranges.length
  }

  func keys(of queries: Range<Int>, sample: Int) -> Range<Int> {
    var (lowest, highest) = (ranges.length, 0)
    for query in queries {
      let row = selection.rows[query]
      lowest = min(lowest, Int(ranges.first[row]))
      highest = max(highest, Int(ranges.end[row]))
    }
    return lowest - lowest % maskGroup..<highest
  }

  @inline(always) func row(_ query: Int, sample: Int, keys: Range<Int>) -> VisibleRange {
    let (row, start) = (selection.rows[query], keys.lowerBound)
    return VisibleRange(first: Int(ranges.first[row]) - start, end: Int(ranges.end[row]) - start)
  }
}
