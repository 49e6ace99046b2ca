import Core
import Layers
import Objectives
import Tensors
import TestSupport
import Testing

@Suite struct DiverseAutoregressiveTests {
  private typealias Options = DiverseAutoregressive.Options

  private let context = StepContext(seed: 1, step: 0, steps: 1)

  private func objective(_ change: (inout Options) -> Void = { _ in }) throws -> DiverseAutoregressive {
    var options = Options()
    change(&options)
    let model = ModelConfiguration.gpt2(vocabSize: 23, maxPosition: 4, hiddenSize: 4, numLayers: 1, numHeads: 1)
    return try DiverseAutoregressive(options, model: model, vocabulary: ToyTokens.vocabulary)
  }

  private func batch(_ documentIDs: [Int32]) -> SampleBatch {
    SampleBatch(sampleIDs: [3], length: 4, lookahead: 3, tokens: [5, 6, 7, 8, 9, 10, 11], documentIDs: documentIDs)
  }

  private func places(_ t: TermTargets) -> [[Int]] {
    t.rows.indices.map { [t.offsets[$0], t.rows[$0], Int(t.ids[$0])] }
  }

  // MARK: - Targets

  /// Row i predicts token i + δ; the last rows for the tokens of lookahead.
  @Test func targetsAreTheNextTokens() throws {
    let example = try objective { $0.offsets = 3 }.corrupt(batch([0, 0, 0, 0, 0, 0, 0]), context)
    #expect(
      places(example.targets[0]) == [
        [1, 0, 6], [1, 1, 7], [1, 2, 8], [1, 3, 9], [2, 0, 7], [2, 1, 8], [2, 2, 9], [2, 3, 10], [3, 0, 8], [3, 1, 9],
        [3, 2, 10], [3, 3, 11],
      ])
    #expect(example.inputs[0].tokens == [5, 6, 7, 8])
    #expect(example.counts == [12])
  }

  /// Offset 1 follows `ar`'s rule; what is further ahead never lies in another document or past the end.
  @Test func farTargetsStayInsideDocuments() throws {
    let documentIDs: [Int32] = [0, 0, 0, 1, 1, 1, -1]
    let across = try objective { $0.offsets = 3 }.corrupt(batch(documentIDs), context)
    #expect(places(across.targets[0]) == [[1, 0, 6], [1, 1, 7], [1, 2, 8], [1, 3, 9], [2, 0, 7], [2, 3, 10]])
    let inside = try objective { ($0.offsets, $0.documentMasking) = (3, true) }.corrupt(batch(documentIDs), context)
    #expect(places(inside.targets[0]) == [[1, 0, 6], [1, 1, 7], [1, 3, 9], [2, 0, 7], [2, 3, 10]])
    #expect(
      try objective { $0.offsets = 3 }.corrupt(batch([-1, -1, -1, -1, -1, -1, -1]), context).targets[0].rows.isEmpty)
  }

  @Test func weightsFollowTheDistribution() throws {
    let example = try objective { ($0.offsets, $0.offsetDistribution) = (3, .inverse) }.corrupt(
      batch([0, 0, 0, 0, 0, 0, 0]), context)
    let expected: [Float] = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5] + [Float](repeating: Float(1.0 / 3.0), count: 4)
    #expect(example.targets[0].weights == expected)
    #expect(example.counts[0] == expected.reduce(0) { $0 + Double($1) })
  }

  @Test(arguments: [1, 2, 4, 8]) func lookaheadIsTheLargestOffset(offsets: Int) throws {
    #expect(try objective { $0.offsets = offsets }.requirements.lookahead == offsets)
    let model = ModelConfiguration.gpt2(vocabSize: 23, maxPosition: 4, hiddenSize: 4, numLayers: 1, numHeads: 1)
    #expect(try Autoregressive(.init(), model: model, vocabulary: ToyTokens.vocabulary).requirements.lookahead == 1)
  }

  /// In evaluation every setting has the targets of `ar`.
  @Test(arguments: DiverseAutoregressive.Estimator.allCases) func evaluationIsNextTokenPrediction(
    estimator: DiverseAutoregressive.Estimator
  ) throws {
    let model = ModelConfiguration.gpt2(vocabSize: 23, maxPosition: 4, hiddenSize: 4, numLayers: 1, numHeads: 1)
    let evaluation = StepContext(seed: 1, step: 0, steps: 0, purpose: .evaluation)
    for documentIDs: [Int32] in [[0, 0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, -1, -1]] {
      let ar = try Autoregressive(.init(), model: model, vocabulary: ToyTokens.vocabulary).corrupt(
        batch(documentIDs), evaluation
      ).targets[0]
      let mine = try objective { ($0.estimator, $0.offsetDistribution, $0.offsets) = (estimator, .inverse, 3) }.corrupt(
        batch(documentIDs), evaluation
      ).targets[0]
      #expect(mine.rows == ar.rows && mine.ids == ar.ids && mine.weights == ar.weights && mine.count == ar.count)
      #expect(mine.offsets.allSatisfy { $0 == 1 })
    }
  }

  /// A budget in flops counts every target's logits, and the adapter where there is one: 6 · (4·4 + 4·4) for each of
  /// the 8 far targets.
  @Test func flopsCountEveryTarget() throws {
    func flops(_ offsetConditioning: OffsetPrediction.OffsetConditioning, _ offsets: Int) throws -> Double {
      let objective = try objective { ($0.offsetConditioning, $0.offsets) = (offsetConditioning, offsets) }
      return objective.trainingFlops(objective.corrupt(batch([0, 0, 0, 0, 0, 0, 0]), context))
    }
    let (one, heads, embedding) = (try flops(.none, 1), try flops(.heads, 3), try flops(.embedding, 3))
    // Twelve targets in place of four, of 6·V·C flops each.
    #expect(abs(heads - one - 8 * 6 * 23 * 4) < 1e-6 && abs(embedding - heads - 8 * 6 * 32) < 1e-6)
    #expect(try flops(.none, 3) == heads)
  }

  // MARK: - Sampling

  private func sampled(_ distribution: OffsetDistribution, _ draw: DiverseAutoregressive.Draw, seed: UInt64 = 1) throws
    -> (batch: SampleBatch, targets: TermTargets)
  {
    let (count, stride) = (2000, 14)
    let batch = SampleBatch(
      sampleIDs: (0..<UInt64(count)).map { $0 }, length: 10, lookahead: 4,
      tokens: (0..<count * stride).map { Int32(4 + $0 % 19) },
      documentIDs: [Int32](repeating: 0, count: count * stride))
    let objective = try objective { ($0.estimator, $0.offsetDistribution, $0.draw) = (.sampled, distribution, draw) }
    return (batch, objective.corrupt(batch, StepContext(seed: seed, step: 0, steps: 1)).targets[0])
  }

  /// One target per position, its offset by the distribution: χ² with 3 degrees of freedom; 25 has probability 2e-5.
  @Test(arguments: OffsetDistribution.allCases) func oneOffsetPerPosition(distribution: OffsetDistribution) throws {
    let (batch, targets) = try sampled(distribution, .position)
    #expect(targets.rows.sorted() == Array(0..<20_000))
    #expect(targets.weights.allSatisfy { $0 == 1 } && targets.count == 20_000)
    let total = (1...4).reduce(0) { $0 + distribution.weight($1) }
    let statistic = (1...4).reduce(0.0) { sum, offset in
      let expected = 20_000 * distribution.weight(offset) / total
      let seen = Double(targets.offsets.count { $0 == offset })
      return sum + (seen - expected) * (seen - expected) / expected
    }
    #expect(statistic < 25)
    for (index, row) in targets.rows.enumerated() {
      #expect(targets.ids[index] == batch.tokens[row / 10 * 14 + row % 10 + targets.offsets[index]])
    }
    #expect(try sampled(distribution, .position, seed: 2).targets != targets)
  }

  /// Neighbouring positions draw on their own; the offsets of a sample drawn at once are one.
  @Test func oneOffsetASample() throws {
    func offsets(_ draw: DiverseAutoregressive.Draw) throws -> [[Int]] {
      var bySample = [[Int]](repeating: [], count: 2000)
      let targets = try sampled(.uniform, draw).targets
      for (row, offset) in zip(targets.rows, targets.offsets) { bySample[row / 10].append(offset) }
      return bySample
    }
    let (whole, single) = (try offsets(.sample), try offsets(.position))
    #expect(whole.allSatisfy { $0.count == 10 && Set($0).count == 1 })
    #expect(Set(whole.map { $0[0] }) == [1, 2, 3, 4])
    #expect(single.count { Set($0).count > 1 } > 1990)
  }

  @Test func lawsDrawTheirEdges() {
    #expect(
      OffsetDistribution.uniform.draw(0, of: 4) == 1 && OffsetDistribution.uniform.draw(0.25, of: 4) == 2
        && OffsetDistribution.uniform.draw(0.999_999, of: 4) == 4)
    #expect(
      OffsetDistribution.inverse.draw(0.66, of: 2) == 1 && OffsetDistribution.inverse.draw(0.67, of: 2) == 2
        && OffsetDistribution.inverse.draw(0.9, of: 1) == 1)
  }

  // MARK: - Loss and gradients

  /// Every conditioning, both estimators, both distributions: the whole conformance check, gradients against the
  /// reference included.
  @Test(arguments: OffsetPrediction.OffsetConditioning.allCases, DiverseAutoregressive.Estimator.allCases)
  func conformance(offsetConditioning: OffsetPrediction.OffsetConditioning, estimator: DiverseAutoregressive.Estimator)
  {
    var options = Options()
    (options.offsetConditioning, options.estimator, options.offsetDistribution, options.offsets) = (
      offsetConditioning, estimator, .inverse, 3
    )
    #expect(checkObjective(ObjectiveEntry(DiverseAutoregressive.self), options: options) == [])
  }

  /// An untied head, gated activation and RMSNorm; a head with a transform and a bias.
  @Test(arguments: OffsetPrediction.OffsetConditioning.allCases) func otherModels(
    offsetConditioning: OffsetPrediction.OffsetConditioning
  ) {
    var options = Options()
    (options.offsetConditioning, options.offsets) = (offsetConditioning, 3)
    let llama = ModelConfiguration.llama(
      vocabSize: 23, maxPosition: 11, hiddenSize: 12, numLayers: 2, numHeads: 3, intermediateSize: 10)
    var transformed = DiverseAutoregressive.checkModel()
    transformed.headTransform = true
    for model in [llama, transformed] {
      #expect(checkObjective(ObjectiveEntry(DiverseAutoregressive.self), options: options, model: model) == [])
    }
  }

  /// Parameters beyond the model's: m - 1 heads, one adapter, or none.
  @Test func parametersOfEachWay() throws {
    func extra(_ offsetConditioning: OffsetPrediction.OffsetConditioning, _ offsets: Int) throws -> [String] {
      try objective { ($0.offsetConditioning, $0.offsets) = (offsetConditioning, offsets) }.networks.trained.entries
        .map(\.name).filter { $0.hasPrefix("offset") }
    }
    #expect(try extra(.heads, 3) == ["offset.2.weight", "offset.3.weight"])
    #expect(
      try extra(.embedding, 3) == [
        "offset.down.weight", "offset.down.bias", "offset.up.weight", "offset.up.bias", "offset.norm.weight",
        "offset.norm.bias", "offset.embedding",
      ])
    #expect(try extra(.none, 3).isEmpty)
    for offsetConditioning in OffsetPrediction.OffsetConditioning.allCases {
      #expect(try extra(offsetConditioning, 1).isEmpty)
    }
  }
}
