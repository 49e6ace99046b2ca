import Core
import Testing

@Suite struct CounterGeneratorTests {
  /// The vectors published with Random123 for philox4x32-10.
  @Test func knownAnswers() {
    let ones = UInt32.max
    #expect(
      CounterGenerator.philox(counter: SIMD4(0, 0, 0, 0), key: SIMD2(0, 0))
        == SIMD4(0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8))
    #expect(
      CounterGenerator.philox(counter: SIMD4(ones, ones, ones, ones), key: SIMD2(ones, ones))
        == SIMD4(0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD))
    #expect(
      CounterGenerator.philox(
        counter: SIMD4(0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344), key: SIMD2(0xA409_3822, 0x299F_31D0))
        == SIMD4(0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1))
  }

  /// Words, halves of 64 bits and blocks are views of the same stream.
  @Test func wordsAreOfBlocks() {
    let random = CounterGenerator(seed: 7, purpose: .order, position: 1 << 40 | 3, site: 5)
    for element in [0, 1, 2, 3, 4, 17, 1 << 20] {
      #expect(random.word(element) == random.block(UInt32(element / 4))[element % 4])
      #expect(random.bits64(element) == UInt64(random.word(2 * element)) | UInt64(random.word(2 * element + 1)) << 32)
    }
    let counter = SIMD4<UInt32>(9, 5, 3, 1 << 8)
    #expect(random.block(9) == CounterGenerator.philox(counter: counter, key: random.key))
  }

  /// χ² over 64 cells; 63 degrees of freedom have mean 63 and deviation 11.2, so 120 is beyond five deviations.
  @Test(arguments: [RandomPurpose.order, .corruption, .dropout, .initialization, .generation, .evaluation])
  func uniformity(purpose: RandomPurpose) {
    let random = CounterGenerator(seed: 1, purpose: purpose)
    let n = 64 * 512
    for value in [{ Double(random.uniform($0)) }, { random.uniformDouble($0) }] as [(Int) -> Double] {
      var cells = [Int](repeating: 0, count: 64)
      for element in 0..<n {
        let x = value(element)
        #expect(x >= 0 && x < 1)
        cells[Int(x * 64)] += 1
      }
      let statistic = cells.reduce(0.0) { $0 + Double(($1 - 512) * ($1 - 512)) / 512 }
      #expect(statistic > 20 && statistic < 120)
    }
  }

  /// Bounds that are no power of two are hit evenly: χ² over 7 cells, 6 degrees of freedom; 30 has probability 4e-5.
  @Test func belowABound() {
    let random = CounterGenerator(seed: 3, purpose: .corruption)
    var cells = [Int](repeating: 0, count: 7)
    for element in 0..<7000 { cells[random.below(7, element)] += 1 }
    #expect(cells.reduce(0.0) { $0 + Double(($1 - 1000) * ($1 - 1000)) / 1000 } < 30)
    #expect((0..<100).allSatisfy { random.below(1, $0) == 0 })
  }

  /// Streams that differ in seed, purpose, position or site alone agree in no more words than chance allows, which is
  /// none.
  @Test func streamsAreIndependent() {
    let base = CounterGenerator(seed: 1, purpose: .corruption, position: 9, site: 2)
    let others = [
      CounterGenerator(seed: 2, purpose: .corruption, position: 9, site: 2),
      CounterGenerator(seed: 1, purpose: .dropout, position: 9, site: 2),
      base.at(position: 10, site: 2), base.at(position: 9 + 1 << 32, site: 2), base.at(position: 9, site: 3),
    ]
    for other in others {
      #expect((0..<1000).allSatisfy { base.word($0) != other.word($0) })
      // The correlation of 4000 pairs has deviation 0.016.
      let products = (0..<4000).map { (base.uniformDouble($0) - 0.5) * (other.uniformDouble($0) - 0.5) * 12 }
      #expect(abs(products.reduce(0, +) / 4000) < 0.08)
    }
    #expect(base.at(position: 9, site: 2).word(5) == base.word(5))
  }

  @Test func mixIsABijectionOnASample() {
    #expect(Set((0..<10_000).map { CounterGenerator.mix($0) }).count == 10_000)
  }
}
