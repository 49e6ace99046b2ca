import Core
import Layers
import Testing

@testable import Objectives

struct MaskedBatchTests {
  private let tokens = SampleBatch(
    sampleIDs: [0, 1], length: 4, lookahead: 0, tokens: [5, 6, 7, 8, 9, 10, 11, 12],
    documentIDs: [Int32](repeating: 0, count: 8))

  @Test("hidden positions become targets with their tokens and weights, and only they change")
  func tokensAreHidden() {
    var masked = MaskedBatch(tokens.input(attentionMask: .bidirectional, documentMasking: false))
    masked.hide([1, 3], of: 0, weight: 0.5) { token, position in token + Int32(100 * position) }
    masked.hide([], of: 1) { _, _ in 0 }
    masked.predict([2], of: 1)
    #expect(masked.input.tokens == [5, 106, 7, 308, 9, 10, 11, 12])
    #expect(masked.targets() == TermTargets(rows: [1, 3, 6], ids: [6, 8, 11], weights: [0.5, 0.5, 1]))
    #expect(masked.samples == 2 && masked.targets().count == 2 && masked.targets(count: 7).count == 7)
  }

  @Test("of hidden numbers only those count that were measured, and a position without any is hidden but no target")
  func numbersAreHidden() {
    func batch(_ observed: [Bool]) -> SampleBatch {
      SampleBatch(
        sampleIDs: [0], length: 3, lookahead: 0, values: [1, 2, 3, 4, 5, 6], valueSize: 2, documentIDs: [0, 0, 0],
        observed: observed)
    }
    var clean = batch([true, true, true, false, false, false])
    var masked = MaskedBatch(clean.input(attentionMask: .bidirectional, documentMasking: false))
    masked.hide([1, 2], of: 0, in: clean)
    #expect(masked.input.values == [1, 2, 0, 0, 0, 0])
    #expect(masked.targets() == TermTargets(rows: [1], values: [3, 4], elementWeights: [0.5, 0], count: 0.5))
    clean = batch([])
    masked = MaskedBatch(clean.input(attentionMask: .bidirectional, documentMasking: false))
    masked.hide([0], of: 0, in: clean)
    #expect(masked.targets() == TermTargets(rows: [0], values: [1, 2]))
  }

  @Test("counts stay in 1 … n under every distribution, and reach n where they may")
  func countsAreInRange() {
    let random = (0..<200).map { CounterGenerator(seed: 1, purpose: .corruption, position: UInt64($0)) }
    for distribution in MaskCount.Distribution.allCases {
      let count = MaskCount(distribution, ratios: 0...1, fixedRatio: 0)
      let drawn = random.map { count(of: 5, $0) }
      #expect(drawn.allSatisfy { (1...5).contains($0) }, "\(distribution)")
      #expect(Set(drawn).count == (distribution == .fixed ? 1 : 5), "\(distribution)")
    }
    #expect((maskCount(0.15, of: 2), maskCount(0.15, of: 100), maskCount(1, of: 7)) == (1, 15, 7))
  }
}
