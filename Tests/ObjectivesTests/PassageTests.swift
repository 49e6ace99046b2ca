import Core
import Kernels
import Layers
import Objectives
import Tensors
import TestSupport
import Testing

/// What is special to `retromae` and `dupmae`; everything else is in the conformance check.
@Suite struct PassageTests {
  private let context = StepContext(seed: 1, step: 0, steps: 1)
  private let vocabulary = Vocabulary(size: 50, pad: 0, mask: 1, cls: 2, sep: 3)

  private func model(length: Int = 30) -> ModelConfiguration {
    .bert(vocabSize: 50, maxPosition: length, hiddenSize: 12, numLayers: 1, numHeads: 2)
  }

  private func retromae(length: Int = 30, _ change: (inout RetroMAE.Options) -> Void = { _ in }) throws -> RetroMAE {
    var options = RetroMAE.Options()
    change(&options)
    return try RetroMAE(options, model: model(length: length), vocabulary: vocabulary)
  }

  private func dupmae(_ change: (inout DupMAE.Options) -> Void = { _ in }) throws -> DupMAE {
    var options = DupMAE.Options()
    change(&options)
    return try DupMAE(options, model: model(), vocabulary: vocabulary)
  }

  /// [CLS], 26 ordinary tokens, [SEP], and two positions of padding in every sample.
  private func samples(_ count: Int) -> SampleBatch {
    let tokens = (0..<count * 30).map { index -> Int32 in
      let (sample, i) = (index / 30, index % 30)
      return i == 0 ? 2 : (i == 27 ? 3 : (i > 27 ? 0 : Int32(4 + (i * 7 + sample * 3) % 23)))
    }
    return SampleBatch(
      sampleIDs: (0..<UInt64(count)).map { $0 }, length: 30, lookahead: 0, tokens: tokens,
      documentIDs: (0..<count * 30).map { $0 % 30 > 27 ? -1 : 0 })
  }

  // MARK: - Draws

  /// Each row with a target sees [CLS], never itself, nor 13 drawn ones of 26; pairs are hidden evenly; draws of rows
  /// and samples differ.
  @Test func attentionMask() throws {
    let (batch, n) = (samples(200), 26)
    let example = try retromae().corrupt(batch, context)
    let visible = try #require(example.inputs[1].visible)
    #expect(example.targets[1].rows == (0..<200).flatMap { sample in (1...26).map { sample * 30 + $0 } })
    #expect(example.inputs[1].tokens == batch.tokens, "the decoder reads clean tokens")
    var hidden = [Int](repeating: 0, count: 30 * 30)
    var draws = Set<[Bool]>()
    for sample in 0..<200 {
      for row in 1...26 {
        let seen = (0..<30).map { visible[sample, row, $0] }
        #expect(seen[0] && !seen[row] && !seen[28] && !seen[29])
        #expect(seen[27], "[SEP] is never drawn")
        let others = (1...26).filter { $0 != row && !seen[$0] }.count
        #expect(others == 13 || others == 12, "13 are drawn, of which the row itself may be one")
        draws.insert(seen)
        for key in 0..<30 where !seen[key] { hidden[row * 30 + key] += 1 }
      }
    }
    #expect(draws.count > 5190, "nearly every row of every sample has a draw of its own: \(draws.count)")
    // 650 pairs off the diagonal, each hidden in half of 200 samples: χ² has mean and about 650 degrees of freedom,
    // deviation 36.
    var statistic = 0.0
    for row in 1...n {
      for key in 1...n where key != row { statistic += pow2(Double(hidden[row * 30 + key]) - 100) / 50 }
    }
    #expect(statistic > 650 - 200 && statistic < 650 + 200)
    // Rows without a target see [CLS] alone.
    for row in [0, 27, 28, 29] { #expect((0..<30).filter { visible[3, row, $0] } == [0]) }
  }

  private func pow2(_ x: Double) -> Double { x * x }

  @Test func encoderMaskIsLight() throws {
    let example = try retromae().corrupt(samples(50), context)
    let bySample = Dictionary(grouping: example.targets[0].rows) { $0 / 30 }
    #expect(bySample.count == 50 && bySample.values.allSatisfy { $0.count == 8 }, "round(0.3 · 26) of each sample")
  }

  // MARK: - Bags

  @Test(arguments: DupMAE.BagCounts.allCases)
  func bags(counts: DupMAE.BagCounts) throws {
    let objective = try dupmae { $0.bagCounts = counts }
    let batch = SampleBatch(
      sampleIDs: [0, 1, 2], length: 6, lookahead: 0, tokens: [2, 9, 7, 9, 9, 3, 2, 5, 3, 0, 0, 0, 2, 3, 0, 0, 0, 0],
      documentIDs: [0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, 0, 0, -1, -1, -1, -1])
    let bag = objective.corrupt(batch, context).targets[2]
    #expect(bag.rows == [1, 2, 7] && bag.ids == [9, 7, 5])
    #expect(bag.weights == (counts == .assigned ? [0.25, 0.25, 1] : [0.75, 0.25, 1]))
    #expect(bag.count == 2, "a sample without words is not counted")
  }

  // MARK: - Losses

  private struct Run {
    let losses: [Double]
    let gradients: [Float]
  }

  /// One pass over memory full of NaNs.
  private func run(
    _ objective: any Objective, _ example: TrainingExample, scales: [Float], fill: (ParameterSet) -> Void = { _ in }
  ) -> Run {
    BLAS.useOneThread()
    let parameters = ParameterSet(objective.networks)
    fillForCheck(parameters.trained, seed: 5)
    fill(parameters)
    let (arena, workspace) = Arena.sized {
      objective.workspace(samples: example.inputs[0].sampleIDs.count, length: 30, $0)
    }
    arena.fill(.nan)
    let sink = RecordingSink(objective.networks.trained)
    let pass = ObjectivePass(parameters, sink: sink, dropout: nil)
    return withExtendedLifetime(arena) {
      Run(losses: objective.lossAndGradient(example, pass, scales: scales, workspace), gradients: sink.gradients)
    }
  }

  /// A clean token reaches no decoder row that does not see it, its own least of all; and it does reach the others.
  @Test(arguments: PassageBottleneck.Query.allCases)
  func cleanTokensReachTheRowsThatSeeThem(query: PassageBottleneck.Query) throws {
    let objective = try retromae { $0.query = query }
    let example = objective.corrupt(samples(1), context)
    let visible = try #require(example.inputs[1].visible)
    func loss(row: Int, changing key: Int?) -> Double {
      var one = example
      one.targets[1].weights = example.targets[1].rows.map { $0 == row ? 1 : 0 }
      if let key { one.inputs[1].tokens[key] = 49 }
      return run(objective, one, scales: [0, 1]).losses[1]
    }
    for row in [1, 12, 26] {
      let clean = loss(row: row, changing: nil)
      for key in 1...27 {
        #expect((loss(row: row, changing: key) != clean) == visible[0, row, key], "key \(key) at row \(row)")
      }
    }
  }

  /// Without its bag, `dupmae` is `retromae`: equal losses and gradients to the bit.
  @Test(arguments: PassageBottleneck.Query.allCases)
  func withoutItsBagDupMAEIsRetroMAE(query: PassageBottleneck.Query) throws {
    let (a, b) = (try retromae { $0.query = query }, try dupmae { ($0.query, $0.bagWeight) = (query, 0) })
    let (one, two) = (
      run(a, a.corrupt(samples(3), context), scales: [0.1, 0.2]),
      run(b, b.corrupt(samples(3), context), scales: [0.1, 0.2, 0])
    )
    #expect(one.losses == Array(two.losses[..<2]) && one.gradients == two.gradients)
    let other = run(b, b.corrupt(samples(3), context), scales: [0.1, 0.2, 0.1])
    #expect(other.losses == two.losses && other.gradients != two.gradients, "the comparison can fail")
  }

  @Test func errors() {
    let bare = Vocabulary(size: 50, mask: 1)
    #expect {
      var options = RetroMAE.Options()
      options.decoderMaskRatio = 2
      _ = try RetroMAE(options, model: model(), vocabulary: bare)
    } throws: { error in
      (error as? ConfigurationError)?.description == """
        objective.decoder_mask_ratio is 2.0; it must lie in 0.0...1.0.
        objective.name is retromae, but the tokeniser has no [CLS], whose vector stands for the passage; prepare the corpus with one that has.
        """
    }
    #expect {
      var rotary = model()
      rotary.positionEmbedding = .rotary
      _ = try RetroMAE(.init(), model: rotary, vocabulary: vocabulary)
    } throws: {
      "\($0)".hasPrefix(
        "model.position_embedding is rotary; retromae makes the decoder's queries of position embeddings")
    }
  }
}
