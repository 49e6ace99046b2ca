import Core
import Layers
@testable import Objectives
import TestSupport
import Testing

/// Masks on grids: exact counts, the patterns, and what coloured noise does to them.
struct GridMaskTests {
  private func random(_ sample: UInt64) -> CounterGenerator {
    CounterGenerator(seed: 5, purpose: .corruption, position: sample)
  }

  @Test(arguments: GridMask.Pattern.allCases) func everyPatternHidesExactlyAsManyAsAsked(pattern: GridMask.Pattern) {
    for sample in 0..<20 as Range<UInt64> {
      for count in [0, 14, 28, 42] {
        let hidden = GridMask(pattern).hidden(count, of: [7, 8], random(sample))
        #expect(hidden.count == count && hidden == Array(Set(hidden)).sorted())
        #expect(hidden.allSatisfy { (0..<56).contains($0) })
      }
    }
  }

  @Test func patternsAreWhatTheySay() {
    let run = GridMask(.continuous).hidden(30, of: [40], random(1))
    #expect(run == Array(run[0]..<run[0] + 30))
    // Every fourth of 40 is visible.
    let periodic = Set(GridMask(.periodic).hidden(30, of: [40], random(2)))
    let visible = (0..<40).filter { !periodic.contains($0) }
    #expect(Set(visible.map { $0 % 4 }).count == 1)
    // Both coordinates of a visible position are even.
    let grid = Set(GridMask(.grid).hidden(48, of: [8, 8], random(3)))
    #expect((0..<64).filter { !grid.contains($0) } == (0..<64).filter { $0 / 8 % 2 == 0 && $0 % 2 == 0 })
    let tubes = GridMask(.tubes).hidden(12, of: [4, 3, 2], random(4))
    #expect(Dictionary(grouping: tubes) { $0 % 6 }.values.allSatisfy { $0.map { $0 / 6 } == [0, 1, 2, 3] })
    #expect(GridMask(.tubes).problem(hiding: 13, of: [4, 6]) != nil)
    #expect(GridMask(.tubes).problem(hiding: 12, of: [4, 6]) == nil)
  }

  /// Neighbours of one kind in a row or a column, of all pairs of neighbours: larger for larger clusters.
  private func likeNeighbours(_ color: NoiseMask.Color) -> Double {
    let (side, samples) = (14, 200)
    var (alike, pairs) = (0, 0)
    for sample in 0..<samples {
      let hidden = Set(NoiseMask(color, sigma: 1, wideSigma: 2).hidden(147, of: [side, side], random(UInt64(sample))))
      for position in 0..<side * side {
        for next in [position % side < side - 1 ? position + 1 : -1, position + side] where 0..<side * side ~= next {
          pairs += 1
          if hidden.contains(position) == hidden.contains(next) { alike += 1 }
        }
      }
    }
    return Double(alike) / Double(pairs)
  }

  @Test func coloursOrderTheSizesOfClusters() {
    let (red, green, white, blue) = (
      likeNeighbours(.red), likeNeighbours(.green), likeNeighbours(.white), likeNeighbours(.blue)
    )
    #expect(red > green + 0.02 && green > white + 0.02 && white > blue + 0.02, "\(red) \(green) \(white) \(blue)")
  }

  /// Each position is hidden equally often: χ² with 48 degrees of freedom stays below its 99.99 % point.
  @Test(arguments: NoiseMask.Color.allCases) func noPositionIsPreferred(color: NoiseMask.Color) {
    var counts = [Double](repeating: 0, count: 49)
    for sample in 0..<1000 as Range<UInt64> {
      let hidden = NoiseMask(color, sigma: 1, wideSigma: 2).hidden(37, of: [7, 7], random(sample))
      #expect(hidden.count == 37)
      for position in hidden { counts[position] += 1 }
    }
    let (expected, variance) = (1000.0 * 37 / 49, 1000.0 * 37 / 49 * 12 / 49)
    let statistic = counts.reduce(0) { $0 + ($1 - expected) * ($1 - expected) / variance } * 48 / 49
    #expect(statistic < 95, "\(statistic)")
  }

  @Test func countsAreThoseOfTheReferenceCode() {
    #expect(keptCount(0.75, of: 49) == 12 && keptCount(0.75, of: 196) == 49)
    // 10 · (1 - 0.9) is 0.9999… in floats.
    #expect(keptCount(0.9, of: 10) == 1 && keptCount(0.99, of: 10) == 1 && keptCount(0.01, of: 10) == 9)
  }

  /// The mean distance of hidden pixels to the nearest visible one grows with the cell.
  @Test func cellsAreHiddenWhole() {
    let clean = SampleBatch(
      sampleIDs: [0], length: 36, lookahead: 0, values: [Float](repeating: 1, count: 36), valueSize: 1,
      documentIDs: [Int32](repeating: 0, count: 36))
    for sample in 0..<10 as Range<UInt64> {
      let hidden = CellMask(cell: 2).hidden(ratio: 0.6, clean, 0, [6, 6], random(sample))
      // ⌈0.6 · 9⌉ cells of four.
      #expect(hidden.count == 24)
      let cells = Dictionary(grouping: hidden) { $0 / 12 * 3 + $0 % 6 / 2 }
      #expect(cells.count == 6 && cells.values.allSatisfy { $0.count == 4 })
    }
  }

  @Test func aShorterSeriesIsMaskedAtTheSameShare() {
    let clean = SampleBatch(
      sampleIDs: [0], length: 20, lookahead: 0, values: [Float](repeating: 1, count: 20), valueSize: 1,
      documentIDs: (0..<20).map { $0 < 8 ? 0 : -1 })
    let shown = shownPositions(clean, 0, kept: 5, GridMask(.random), grid: [20], random(1))
    #expect(shown.count == 5 && shown.filter { $0 < 8 }.count == 2 && shown.filter { $0 >= 8 } == [8, 9, 10])
  }

  @Test func normalizedTargetsHaveTheUnbiasedVariance() {
    let clean = SampleBatch(
      sampleIDs: [0], length: 2, lookahead: 0, values: [1, 2, 3, 6, 5, 5, 5, 5], valueSize: 4,
      documentIDs: [0, 0])
    var targets = ValueTargets(.normalized)
    targets.add(0, of: 0, in: clean)
    targets.add(1, of: 0, in: clean)
    let values = targets.targets().values
    // Mean 3, squares 4 + 1 + 0 + 9 over three.
    let deviation = Float((14.0 / 3 + 1e-6).squareRoot())
    #expect(zip(values[0..<4], [-2, -1, 0, 3]).allSatisfy { abs($0 - Float($1) / deviation) < 1e-6 })
    #expect(Array(values[4..<8]) == [0, 0, 0, 0])
  }
}
