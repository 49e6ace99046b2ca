import Core
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct DropoutTests {
  private let random = CounterGenerator(seed: 4, purpose: .dropout)

  private func mask(_ positions: [UInt64], rows: Int, columns: Int, rate: Float, site: UInt32 = 3) -> [Float] {
    let m = Matrices()
    let ones = m.with([Float](repeating: 1, count: positions.count * rows * columns), positions.count * rows, columns)
    dropout(ones, rate: rate, rowsPerSample: rows, sampleIDs: positions, site: site, random)
    return ones.array
  }

  /// Every factor is the one that the written rule gives, at every length.
  @Test(arguments: lengths)
  func rule(n: Int) {
    let own = random.at(position: 77, site: 3)
    #expect(
      mask([77], rows: 1, columns: n, rate: 0.25).map(Double.init)
        == (0..<n).map { Scope.dropoutFactor(rate: 0.25, $0, own) })
  }

  /// What is kept is scaled so that the mean stays: binomial, six deviations.
  @Test(arguments: [0.0625, 0.1, 0.5, 0.9] as [Float])
  func rate(rate: Float) {
    let mask = mask([5], rows: 100, columns: 400, rate: rate)
    let dropped = Double(mask.count { $0 == 0 })
    let p = Double(rate)
    #expect(abs(dropped / 40_000 - p) < 6 * (p * (1 - p) / 40_000).squareRoot())
    let kept = 65_536 / (65_536 - (rate * 65_536).rounded())
    #expect(Set(mask) == [0, kept] && abs(kept * (1 - rate) - 1) < 1e-4)
    #expect(self.mask([5], rows: 3, columns: 5, rate: 0).allSatisfy { $0 == 1 })
  }

  /// A sample's mask belongs to its position and site, whatever else is in the batch.
  @Test func masksBelongToSamples() {
    let batch = mask([9, 4, 7], rows: 5, columns: 13, rate: 0.5)
    for (i, position) in [9, 4, 7].enumerated() {
      #expect(mask([UInt64(position)], rows: 5, columns: 13, rate: 0.5) == Array(batch[i * 65..<(i + 1) * 65]))
    }
    #expect(mask([9], rows: 5, columns: 13, rate: 0.5, site: 4) != Array(batch[..<65]))
    #expect(batch[..<65] != batch[65..<130] && batch[65..<130] != batch[130...])
  }

  /// Applied to a gradient it is its own backward pass: d(mask ⊙ x)/dx = mask.
  @Test func isItsOwnBackward() {
    let m = Matrices()
    let (x, dy) = (m.normal(6, 11), m.normal(6, 11))
    let (xs, dys, factors) = (x.array, dy.array, mask([1, 2], rows: 3, columns: 11, rate: 0.3))
    for view in [x, dy] { dropout(view, rate: 0.3, rowsPerSample: 3, sampleIDs: [1, 2], site: 3, random) }
    #expect(x.array == zip(xs, factors).map { $0 * $1 } && dy.array == zip(dys, factors).map { $0 * $1 })
  }

  @Test func showsNaNs() {
    let m = Matrices()
    let x = m.with([Float](repeating: .nan, count: 40), 1, 40)
    dropout(x, rate: 0.5, rowsPerSample: 1, sampleIDs: [0], site: 0, random)
    #expect(x.array.allSatisfy { $0.isNaN })
  }

  @Test("selected rows have the masks of their places", arguments: [32, 45, 7, 96])
  func selectedRowsHaveTheirMasks(columns: Int) {
    let (arena, random) = (Arena(floats: 1 << 14), CounterGenerator(seed: 5, purpose: .dropout))
    let (all, some) = (arena.matrix(10, columns), arena.matrix(4, columns))
    for i in 0..<all.count { all[i] = Float(i + 1) }
    let selection = RowSelection([0, 3, 6, 9], samples: 2, length: 5)
    gatherRows(all, at: selection.rows, into: some)
    dropout(all, rate: 0.4, rowsPerSample: 5, sampleIDs: [8, 9], site: 2, random)
    dropout(some, rate: 0.4, selection, sampleIDs: [8, 9], site: 2, random)
    for (i, row) in selection.rows.enumerated() {
      #expect(some.rows(i..<i + 1).array == all.rows(row..<row + 1).array, "row \(row)")
    }
  }
}
