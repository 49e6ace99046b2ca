import Core
import Testing

/// Where the numbers of a patch stand in a record, counted by hand.
@Suite struct GridShapeTests {
  /// Two channels of 4 × 6 numbers in patches of 2 × 3: patches in row-major order, inside them channel, row, column.
  @Test func patchesOfAnImage() {
    let shape = GridShape(channels: 2, extent: [4, 6], patch: [2, 3])
    #expect(shape.grid == [2, 2] && shape.positions == 4 && shape.size == 12 && shape.count == 48)
    var expected: [Int] = []
    for patchRow in 0..<2 {
      for patchColumn in 0..<2 {
        for channel in 0..<2 {
          for row in 0..<2 {
            for column in 0..<3 { expected.append(channel * 24 + (patchRow * 2 + row) * 6 + patchColumn * 3 + column) }
          }
        }
      }
    }
    #expect((0..<48).map { shape.element($0 / 12, $0 % 12) } == expected)
  }

  /// Three channels of a series in patches of 2: positions of channel 0 come first.
  @Test func separateChannelsOfASeries() {
    let shape = GridShape(channels: 3, extent: [8], patch: [2], separateChannels: true)
    #expect(shape.positions == 12 && shape.size == 2)
    #expect((0..<24).map { shape.element($0 / 2, $0 % 2) } == Array(0..<24))
    let together = GridShape(channels: 3, extent: [8], patch: [2])
    #expect((0..<6).map { together.element(1, $0) } == [2, 3, 10, 11, 18, 19])
  }

  @Test func patchesTileARecordOfThreeAxes() {
    for separate in [false, true] {
      let shape = GridShape(channels: 2, extent: [4, 3, 6], patch: [2, 1, 3], separateChannels: separate)
      let elements = (0..<shape.count).map { shape.element($0 / shape.size, $0 % shape.size) }
      #expect(elements.sorted() == Array(0..<144))
      // The second patch begins three columns on, the second number is the next column.
      #expect(elements[1] == 1 && elements[shape.size] == 3)
    }
  }
}
