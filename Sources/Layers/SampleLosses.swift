/// Loss sums and counts of single samples, recorded by the loss layers of one micro-batch. A replay shows them; an
/// ordinary step does not compute them.
///
/// Invariant: one thread uses it, for one micro-batch at a time.
public final class SampleLosses {
  public let samples: Int
  public let terms: Int
  /// Σ w·ℓ, [samples][terms]; the rows of a sample are added in order.
  public private(set) var sums: [[Double]]
  /// Σ w, [samples][terms].
  public private(set) var counts: [[Double]]
  /// Rows recorded, by term; 0 for a term whose layer records nothing.
  public private(set) var rows: [Int]

  public init(samples: Int, terms: Int) {
    (self.samples, self.terms) = (samples, terms)
    sums = [[Double]](repeating: [Double](repeating: 0, count: terms), count: samples)
    counts = sums
    rows = [Int](repeating: 0, count: terms)
  }

  /// Runs `loss` with room for one number per row, and adds the numbers to the samples that the rows belong to.
  ///
  /// - Parameters:
  ///   - rows: rows of the network's output, which has `total` rows, equally many per sample.
  ///   - loss: writes the weighted losses of the rows.
  /// - Returns: the result of `loss`.
  public func note(
    _ rows: ArraySlice<Int>, of total: Int, _ weights: ArraySlice<Float>, term: Int,
    _ loss: (UnsafeMutablePointer<Double>?) -> Double
  ) -> Double {
    precondition(total % samples == 0, "\(total) rows do not belong equally to \(samples) samples")
    precondition(rows.count == weights.count, "\(rows.count) rows with \(weights.count) weights")
    var values = [Double](repeating: 0, count: rows.count)
    let sum = values.withUnsafeMutableBufferPointer { loss($0.baseAddress) }
    let length = total / samples
    for ((row, weight), value) in zip(zip(rows, weights), values) {
      sums[row / length][term] += value
      counts[row / length][term] += Double(weight)
    }
    self.rows[term] += rows.count
    return sum
  }
}
