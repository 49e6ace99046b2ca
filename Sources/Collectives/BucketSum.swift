import Kernels
import Tensors

/// Adds the buckets of a gradient sum over ranks: at the end every rank has the rounded floats of all of them.
///
/// Invariant: buckets are taken up in index order on every rank.
protocol BucketSum: AnyObject {
  /// Before backward.
  func begin()

  /// Takes up buckets 0 ..< final, whose integers this rank will not change any more, and moves what is under way.
  /// - Returns: whether anything has happened, here or on another rank.
  func advance(final: Int) throws(CollectiveError) -> Bool

  /// Whether a bucket that was taken up is not complete on every rank that matters to this one.
  var isBusy: Bool { get }
}

/// Each rank's part of a range of `count` elements, relative to its start: whole cache lines, as equal as they can be.
func parts(of count: Int, ranks: Int) -> [Range<Int>] {
  let unit = 16
  let units = (count + unit - 1) / unit
  return (0..<ranks).map { rank in
    let start = min(units * rank / ranks * unit, count)
    return start..<min(units * (rank + 1) / ranks * unit, count)
  }
}

extension GradientSum {
  /// Adds the integers of all ranks in `part` and rounds them to floats: every tensor with its own exponent.
  ///
  /// - Parameters:
  ///   - part: elements of the layout.
  ///   - integers: those of the first rank at `part.lowerBound`; the next rank's follow `stride` elements later.
  func round(_ part: Range<Int>, of integers: UnsafePointer<Int64>, ranks: Int, stride: Int) {
    guard !part.isEmpty else { return }
    var entry = layout.entry(at: part.lowerBound)
    while entry < layout.entries.count, layout.entries[entry].offset < part.upperBound {
      let range = max(layout.entries[entry].offset, part.lowerBound)..<min(layout.end(of: entry), part.upperBound)
      roundExactSum(
        of: integers, ranks: ranks, count: stride,
        range: range.lowerBound - part.lowerBound..<range.upperBound - part.lowerBound,
        inverse: inverseScale(entry), into: rounded.memory + range.lowerBound)
      entry += 1
    }
  }
}
