import Core
import Layers
import Objectives
import TestSupport
import Testing

/// The distributions of `mlm-varlen`; everything else is in the conformance check.
@Suite struct VariableLengthMasksTests {
  private func objective(_ change: (inout VariableLengthMasks.Options) -> Void = { _ in }) throws -> VariableLengthMasks
  {
    var options = VariableLengthMasks.Options()
    change(&options)
    return try VariableLengthMasks(options, model: MaskFixture.model, vocabulary: MaskFixture.vocabulary)
  }

  /// What is hidden of `samples` samples with 20 eligible positions, 1 ... 20.
  private func hidden(_ samples: Int, _ change: (inout VariableLengthMasks.Options) -> Void) throws -> [[Int]] {
    let example = try objective(change).corrupt(MaskFixture.samples(samples, body: 20), MaskFixture.context)
    return MaskFixture.hidden(example, samples: samples, length: 22)
  }

  // MARK: - Counts

  /// All of 1 ... 20, L included, equally often: χ² with 19 degrees of freedom exceeds 50 with probability 1.3e-4.
  @Test func uniformCount() throws {
    let counts = try hidden(20_000) { $0.maskCountDistribution = .uniformCount }.map(\.count)
    #expect(Set(counts) == Set(1...20))
    #expect(MaskFixture.evenness((1...20).map { n in counts.filter { $0 == n }.count }) < 50)
  }

  /// r ~ U[0.25, 0.75] of 20 rounds to 5 and 15 half as often as to 6 ... 14.
  @Test func uniformRatio() throws {
    let counts = try hidden(20_000) {
      ($0.maskCountDistribution, $0.lowRatio, $0.highRatio) = (.uniformRatio, 0.25, 0.75)
    }.map(\.count)
    #expect(Set(counts) == Set(5...15))
    let cells = (5...15).map { n in Double(counts.filter { $0 == n }.count) }
    let statistic = zip(cells, [0.5] + [Double](repeating: 1, count: 9) + [0.5]).reduce(0.0) { sum, cell in
      let expected = 2000 * cell.1
      return sum + (cell.0 - expected) * (cell.0 - expected) / expected
    }
    // 10 degrees of freedom; 36 has probability 8e-5.
    #expect(statistic < 36)
    #expect(
      try hidden(50) { ($0.maskCountDistribution, $0.lowRatio, $0.highRatio) = (.uniformRatio, 0, 0) }.allSatisfy {
        $0.count == 1
      })
    #expect(
      try hidden(50) { ($0.maskCountDistribution, $0.lowRatio, $0.highRatio) = (.uniformRatio, 1, 1) }.allSatisfy {
        $0.count == 20
      })
  }

  /// P(n ≤ k) = P(cos(πu/2) ≤ k/L) = 1 − (2/π)·arccos(k/L): the quarters of L are at these shares, each within four
  /// deviations.
  @Test func cosine() throws {
    let counts = try hidden(20_000) { $0.maskCountDistribution = .cosine }.map(\.count)
    #expect(Set(counts).isSubset(of: Set(1...20)) && counts.contains(20))
    for (k, share) in [(5, 0.160861), (10, 1.0 / 3), (15, 0.539893)] {
      let seen = Double(counts.filter { $0 <= k }.count) / 20_000
      #expect(
        abs(seen - share) < 4 * (share * (1 - share) / 20_000).squareRoot(), "P(n ≤ \(k)) is \(seen), not \(share)")
    }
  }

  // MARK: - Positions

  @Test func suffixHidesTheEnd() throws {
    #expect(try hidden(200) { $0.maskingStrategy = .suffix }.allSatisfy { $0 == Array(21 - $0.count...20) })
  }

  /// With n fixed every position is hidden in its share; without replacement the cells vary less, by 1 − n/L.
  @Test func randomSubsetIsEven() throws {
    let all = try hidden(10_000) { ($0.maskCountDistribution, $0.fixedRatio) = (.fixed, 0.25) }
    #expect(all.allSatisfy { $0.count == 5 })
    let hits = all.joined().reduce(into: [Int](repeating: 0, count: 22)) { $0[$1] += 1 }
    #expect(hits[0] == 0 && hits[21] == 0)
    let statistic = MaskFixture.evenness(hits[1...20])
    #expect(statistic > 0.75 * 19 * 0.25 && statistic < 0.75 * 50)
  }

  @Test(arguments: [0.0, 0.3, 1.0])
  func mixHidesTheEndOfItsShare(lambda: Double) throws {
    // Five of twenty at random are the last five once in 15,504 samples.
    let all = try hidden(4000) {
      ($0.maskCountDistribution, $0.fixedRatio, $0.maskingStrategy, $0.suffixShare) = (.fixed, 0.25, .mix, lambda)
    }
    let ends = Double(all.filter { $0 == Array(16...20) }.count) / 4000
    #expect(abs(ends - lambda) <= 4 * (lambda * (1 - lambda) / 4000).squareRoot() + 0.001)
  }

  // MARK: - Weights

  @Test func perSampleWeightsAreAMeanOfMeans() throws {
    let batch = MaskFixture.samples(40, body: 20)
    let target = try objective().corrupt(batch, MaskFixture.context).targets[0]
    #expect(target.count == 40)
    for (sample, rows) in MaskFixture.hidden(
      try objective().corrupt(batch, MaskFixture.context), samples: 40, length: 22
    ).enumerated() {
      let weights = zip(target.rows, target.weights).filter { $0.0 / 22 == sample }.map(\.1)
      #expect(weights.count == rows.count && weights.allSatisfy { $0 == 1 / Float(rows.count) })
    }
    let sum = try objective { $0.lossNormalization = .batchSum }.corrupt(batch, MaskFixture.context).targets[0]
    #expect(sum.count == Double(sum.rows.count) && sum.weights.allSatisfy { $0 == 1 })
    #expect(sum.rows == target.rows)
    // A sample without an eligible position is no sample of the mean.
    #expect(try objective().corrupt(batch.padded(to: 45), MaskFixture.context).targets[0].count == 40)
  }

  /// With counts uniform and weights per sample, every count has the same weight in the loss: what makes it the mean
  /// over all orders.
  @Test func everyCountHasTheSameWeight() throws {
    let example = try objective().corrupt(MaskFixture.samples(20_000, body: 20), MaskFixture.context)
    var weight = [Double](repeating: 0, count: 21)
    let all = MaskFixture.hidden(example, samples: 20_000, length: 22)
    for (row, w) in zip(example.targets[0].rows, example.targets[0].weights) {
      weight[all[row / 22].count] += Double(w)
    }
    #expect(weight[1...20].allSatisfy { abs($0 - 1000) < 130 })
  }

  // MARK: - Identities and errors

  /// A fixed share in [MASK] alone is `mlm` in [MASK] alone, to the last id.
  @Test func fixedCountIsMaskedLanguageModelling() throws {
    var options = MaskedLanguageModel.Options()
    (options.maskRatio, options.maskReplaceProb, options.randomReplaceProb) = (0.3, 1, 0)
    let mlm = try MaskedLanguageModel(options, model: MaskFixture.model, vocabulary: MaskFixture.vocabulary)
    let batch = MaskFixture.samples(30, body: 20)
    let (a, b) = (
      mlm.corrupt(batch, MaskFixture.context),
      try objective { ($0.maskCountDistribution, $0.fixedRatio, $0.lossNormalization) = (.fixed, 0.3, .batchSum) }
        .corrupt(batch, MaskFixture.context)
    )
    #expect(a.inputs[0].tokens == b.inputs[0].tokens && a.targets == b.targets)
  }

  @Test func everythingHiddenIsAMask() throws {
    let batch = MaskFixture.samples(100, body: 20)
    let example = try objective { ($0.maskCountDistribution, $0.fixedRatio) = (.fixed, 1) }.corrupt(
      batch, MaskFixture.context)
    #expect(
      example.targets[0].rows.count == 2000 && example.targets[0].rows.allSatisfy { example.inputs[0].tokens[$0] == 1 })
  }

  @Test func errors() {
    #expect {
      _ = try objective { ($0.lowRatio, $0.highRatio, $0.suffixShare) = (0.8, 0.5, -1) }
    } throws: {
      "\($0)" == """
        objective.low_ratio is 0.8; it must not exceed objective.high_ratio = 0.5.
        objective.suffix_share is -1.0; it must lie in 0.0...1.0.
        """
    }
  }
}
