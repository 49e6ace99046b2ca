import Core
import Layers
import Objectives
import TestSupport
import Testing

/// The masks of `meap`, and what stays as it is in `ar`.
@Suite struct MaskEnhancedAutoregressiveTests {
  private func objective(_ change: (inout MaskEnhancedAutoregressive.Options) -> Void = { _ in }) throws
    -> MaskEnhancedAutoregressive
  {
    var options = MaskEnhancedAutoregressive.Options()
    change(&options)
    return try MaskEnhancedAutoregressive(options, model: MaskFixture.causal, vocabulary: MaskFixture.vocabulary)
  }

  private func plain(_ batch: SampleBatch) throws -> TrainingExample {
    try Autoregressive(.init(), model: MaskFixture.causal, vocabulary: MaskFixture.vocabulary).corrupt(
      batch, MaskFixture.context)
  }

  /// Ordinary tokens alone.
  private func text(_ count: Int, length: Int) -> SampleBatch {
    let tokens = (0..<count * (length + 1)).map { Int32(4 + ($0 * 7) % 46) }
    return SampleBatch(
      sampleIDs: (0..<UInt64(count)).map { $0 }, length: length, lookahead: 1, tokens: tokens,
      documentIDs: [Int32](repeating: 0, count: tokens.count))
  }

  private func masks(_ example: TrainingExample, length: Int) -> [[Int]] {
    let tokens = example.inputs[0].tokens
    return (0..<tokens.count / length).map { sample in (0..<length).filter { tokens[sample * length + $0] == 1 } }
  }

  /// n = max(1, ⌊0.15·L⌋), never the last position, the others evenly: χ² with 18 degrees of freedom, less by 1 − n/19.
  @Test func countAndPlace() throws {
    let masks = masks(try objective().corrupt(text(10_000, length: 20), MaskFixture.context), length: 20)
    #expect(masks.allSatisfy { $0.count == 3 && $0.allSatisfy { $0 < 19 } })
    let hits = masks.joined().reduce(into: [Int](repeating: 0, count: 20)) { $0[$1] += 1 }
    let statistic = MaskFixture.evenness(hits[..<19])
    #expect(statistic > 4 && statistic < 48)
    for (length, count) in [(2, 1), (6, 1), (13, 1), (14, 2), (39, 5), (40, 6), (100, 15)] {
      #expect(
        self.masks(try objective().corrupt(text(1, length: length), MaskFixture.context), length: length)[0].count
          == count)
    }
    #expect(self.masks(try objective().corrupt(text(1, length: 1), MaskFixture.context), length: 1)[0].isEmpty)
  }

  /// Targets, rows and weights are those of `ar`: the true next tokens, hidden or not.
  @Test func targetsAreThoseOfNextTokenPrediction() throws {
    let batch = text(20, length: 20)
    let example = try objective().corrupt(batch, MaskFixture.context)
    #expect(example.targets == (try plain(batch)).targets)
    #expect(example.targets[0].rows.count == 400 && !example.targets[0].ids.contains(1))
    #expect(example.inputs[0].tokens != (try plain(batch)).inputs[0].tokens)
  }

  @Test func evaluationAndARatioOfZeroHideNothing() throws {
    let batch = text(20, length: 20)
    let clean = try plain(batch)
    for example in [
      try objective().corrupt(batch, MaskFixture.evaluation),
      try objective { $0.maskRatio = 0 }.corrupt(batch, MaskFixture.context),
      try objective { $0.sampling = .reference }.corrupt(batch, MaskFixture.evaluation),
    ] {
      #expect(example.inputs[0].tokens == clean.inputs[0].tokens && example.targets == clean.targets)
    }
  }

  /// [CLS] and [SEP] are drawn like others, and shown; what is drawn besides does not depend on them.
  @Test func specialTokensStay() throws {
    let special = MaskFixture.samples(500, body: 18, lookahead: 1)
    let example = try objective { $0.maskRatio = 0.5 }.corrupt(special, MaskFixture.context)
    let ordinary = try objective { $0.maskRatio = 0.5 }.corrupt(text(500, length: 20), MaskFixture.context)
    for (here, there) in zip(masks(example, length: 20), masks(ordinary, length: 20)) {
      #expect(here == there.filter { $0 > 0 })
    }
    #expect(
      (0..<500).allSatisfy { example.inputs[0].tokens[$0 * 20] == 2 && example.inputs[0].tokens[$0 * 20 + 19] == 3 })
  }

  /// L counts real positions only.
  @Test func paddingIsNotDrawn() throws {
    var batch = text(200, length: 20)
    for sample in 0..<200 { for i in 8..<21 { batch.documentIDs[sample * 21 + i] = -1 } }
    #expect(
      masks(try objective().corrupt(batch, MaskFixture.context), length: 20).allSatisfy { $0.count == 1 && $0[0] < 7 })
    #expect(masks(try objective().corrupt(batch.padded(to: 201), MaskFixture.context), length: 20)[200].isEmpty)
  }

  /// One mask per step for all samples; 51 of them, over and over.
  @Test func referenceHas51Masks() throws {
    let objective = try objective { $0.sampling = .reference }
    func mask(_ step: Int, from position: UInt64) -> [Int] {
      var batch = text(5, length: 40)
      batch.sampleIDs = batch.sampleIDs.map { $0 + position }
      let all = masks(objective.corrupt(batch, StepContext(seed: 1, step: step, steps: 500)), length: 40)
      #expect(Set(all).count == 1 && all[0].count == 6)
      return all[0]
    }
    let first = (0..<51).map { mask($0, from: UInt64($0)) }
    #expect(Set(first).count == 51)
    #expect((51..<153).map { mask($0, from: 999) } == first + first)
  }

  @Test func errors() {
    #expect {
      var options = MaskEnhancedAutoregressive.Options()
      options.maskRatio = 0.95
      _ = try MaskEnhancedAutoregressive(options, model: MaskFixture.causal, vocabulary: Vocabulary(size: 50))
    } throws: {
      "\($0)" == """
        objective.mask_ratio is 0.95; it must lie in 0.0...0.9.
        objective.name is meap, but the tokeniser has no [MASK]; prepare the corpus again with --add-tokens, which adds one.
        """
    }
  }
}
