import Core
import Layers
import Objectives
import TestSupport
import Testing

/// The sampler of masks by statistics; everything else is in the conformance check.
@Suite struct MaskedLanguageModelTests {
  private let vocabulary = Vocabulary(size: 50, pad: 0, mask: 1, cls: 2, sep: 3)

  private func objective(_ change: (inout MaskedLanguageModel.Options) -> Void = { _ in }) throws -> MaskedLanguageModel
  {
    var options = MaskedLanguageModel.Options()
    change(&options)
    let model = ModelConfiguration.bert(vocabSize: 50, maxPosition: 100, hiddenSize: 8, numLayers: 1, numHeads: 1)
    return try MaskedLanguageModel(options, model: model, vocabulary: vocabulary)
  }

  /// 102 positions per sample, of which the first and the last are special.
  private func samples(_ count: Int) -> SampleBatch {
    let tokens = (0..<count * 102).map { index -> Int32 in
      let (sample, i) = (index / 102, index % 102)
      return i == 0 ? 2 : (i == 101 ? 3 : Int32(4 + (i * 7 + sample) % 46))
    }
    return SampleBatch(
      sampleIDs: (0..<UInt64(count)).map { $0 }, length: 102, lookahead: 0, tokens: tokens,
      documentIDs: [Int32](repeating: 0, count: count * 102))
  }

  private let context = StepContext(seed: 1, step: 0, steps: 1)

  /// Exactly round(0.15 · 100) of a sample, evenly over positions: χ² with 99 degrees of freedom has mean 99 and
  /// deviation 14.
  @Test func countAndPlace() throws {
    let (batch, count) = (samples(2000), 15)
    let rows = try objective().corrupt(batch, context).targets[0].rows
    var (bySample, byPosition) = ([Int](repeating: 0, count: 2000), [Int](repeating: 0, count: 102))
    for row in rows {
      bySample[row / 102] += 1
      byPosition[row % 102] += 1
    }
    #expect(bySample.allSatisfy { $0 == count })
    #expect(byPosition[0] == 0 && byPosition[101] == 0)
    let expected = 2000 * 0.15
    let statistic = byPosition[1...100].reduce(0.0) {
      $0 + (Double($1) - expected) * (Double($1) - expected) / expected
    }
    // Without replacement the cells vary less, by the factor 0.85.
    #expect(statistic > 99 * 0.85 - 70 && statistic < 99 * 0.85 + 70)
  }

  /// 80 % [MASK], 10 % random, 10 % as they are: χ² with 2 degrees of freedom; 20 has probability 5e-5.
  @Test func shares() throws {
    let batch = samples(2000)
    let example = try objective().corrupt(batch, context)
    let (rows, ids) = (example.targets[0].rows, example.targets[0].ids)
    var (masked, random, drawn) = (0, 0, [Int](repeating: 0, count: 50))
    for (row, id) in zip(rows, ids) {
      let shown = example.inputs[0].tokens[row]
      #expect(id == batch.tokens[row])
      if shown == 1 {
        masked += 1
      } else if shown != id {
        random += 1
        drawn[Int(shown)] += 1
      }
    }
    // A random token is the original one in 1 of 46 draws, and then counts as unchanged.
    let n = Double(rows.count)
    let expected = [0.8 * n, 0.1 * n * 45 / 46, 0.1 * n * 47 / 46]
    let seen = [Double(masked), Double(random), n - Double(masked + random)]
    let split = zip(seen, expected).reduce(0.0) { sum, pair in sum + (pair.0 - pair.1) * (pair.0 - pair.1) / pair.1 }
    #expect(split < 20)
    // Replacements are ordinary and even: 45 degrees of freedom have mean 45 and deviation 9.5.
    #expect(drawn[..<4].allSatisfy { $0 == 0 })
    let each = Double(random) / 46
    let statistic = drawn[4...].reduce(0.0) { sum, cell in sum + (Double(cell) - each) * (Double(cell) - each) / each }
    #expect(statistic < 100)
    // What was not chosen is shown as it is.
    let chosen = Set(rows)
    #expect(
      example.inputs[0].tokens.indices.allSatisfy {
        chosen.contains($0) || example.inputs[0].tokens[$0] == batch.tokens[$0]
      })
  }

  @Test(arguments: [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
  func extremeShares(mask: Double, random: Double) throws {
    let example = try objective { ($0.maskReplaceProb, $0.randomReplaceProb) = (mask, random) }.corrupt(
      samples(20), context)
    let shown = example.targets[0].rows.map { example.inputs[0].tokens[$0] }
    if mask == 1 { #expect(shown.allSatisfy { $0 == 1 }) }
    if random == 1 { #expect(shown.allSatisfy { $0 >= 4 } && shown != example.targets[0].ids) }
    if mask + random == 0 { #expect(shown == example.targets[0].ids) }
  }

  /// At least one position of a sample that has any; none of one that has none.
  @Test func shortSamples() throws {
    let batch = SampleBatch(
      sampleIDs: [0, 1], length: 3, lookahead: 0, tokens: [2, 9, 3, 2, 3, 0], documentIDs: [0, 0, 0, 0, 0, -1])
    #expect(try objective().corrupt(batch, context).targets[0].rows == [1])
  }

  @Test func errors() {
    let model = ModelConfiguration.bert(vocabSize: 50, maxPosition: 8, hiddenSize: 8, numLayers: 1, numHeads: 1)
    #expect {
      var options = MaskedLanguageModel.Options()
      (options.maskRatio, options.randomReplaceProb) = (1.5, 0.3)
      _ = try MaskedLanguageModel(options, model: model, vocabulary: Vocabulary(size: 50))
    } throws: { error in
      (error as? ConfigurationError)?.description == """
        objective.mask_ratio is 1.5; it must lie in 0.01...0.9.
        objective.random_replace_prob and mask_replace_prob add up to 1.1; together they must not exceed 1.
        objective.name is mlm, but the tokeniser has no [MASK]; prepare the corpus again with --add-tokens, which adds one.
        """
    }
  }
}
