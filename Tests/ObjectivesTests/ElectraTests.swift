import Core
import Kernels
import Layers
import Models
@testable import Objectives
import Tensors
import TestSupport
import Testing

/// What the generator proposes and what the discriminator gets; everything else is in the conformance check.
@Suite struct ElectraTests {
  private let vocabulary = Vocabulary(size: 50, pad: 0, mask: 1, cls: 2, sep: 3)
  private let context = StepContext(seed: 1, step: 0, steps: 1)
  private static let length = 22

  private func model() -> ModelConfiguration {
    var c = ModelConfiguration.bert(vocabSize: 50, maxPosition: Self.length, hiddenSize: 8, numLayers: 1, numHeads: 2)
    c.intermediateSize = 16
    return c
  }

  private func objective(_ change: (inout Electra.Options) -> Void = { _ in }) throws -> Electra {
    var options = Electra.Options()
    options.generatorFraction = 0.5
    change(&options)
    return try Electra(options, model: model(), vocabulary: vocabulary)
  }

  /// Twenty ordinary positions per sample between two special ones; the last sample is padded.
  private func samples(_ count: Int) -> SampleBatch {
    let n = Self.length
    let tokens = (0..<count * n).map { index -> Int32 in
      let (sample, i) = (index / n, index % n)
      return i == 0 ? 2 : (i == n - 1 ? 3 : Int32(4 + (i * 7 + sample) % 46))
    }
    let documentIDs = (0..<count * n).map { Int32($0 / n == count - 1 && $0 % n > 15 ? -1 : 0) }
    return SampleBatch(
      sampleIDs: (0..<UInt64(count)).map { $0 }, length: n, lookahead: 0, tokens: tokens, documentIDs: documentIDs)
  }

  private struct Outcome {
    var losses: [Double]
    var gradients: RecordingSink
    var parameters: ParameterSet
  }

  /// One pass from the parameters of the start of a run, edited.
  private func run(
    _ objective: Electra, _ example: TrainingExample, proposed: [Int32]? = nil, edit: (ParameterSet) -> Void = { _ in }
  ) -> Outcome {
    BLAS.useOneThread()
    let parameters = ParameterSet(objective.networks)
    parameters.initialize(seed: 3)
    edit(parameters)
    let samples = example.inputs[0].sampleIDs.count
    let (arena, workspace) = Arena.sized { objective.workspace(samples: samples, length: Self.length, $0) }
    arena.fill(.nan)
    let sink = RecordingSink(objective.networks.trained)
    let losses = withExtendedLifetime(arena) {
      objective.lossAndGradient(
        example, ObjectivePass(parameters, sink: sink, dropout: nil), scales: [1, 1], workspace, proposed: proposed)
    }
    return Outcome(losses: losses, gradients: sink, parameters: parameters)
  }

  /// What the discriminator reads where every row of the generator has these logits.
  private func replacements(_ objective: Electra, _ example: TrainingExample, logit: (Int) -> Float) -> [Int32] {
    let arena = Arena(floats: 1 << 10)
    defer { withExtendedLifetime(arena) {} }
    let row = arena.matrix(1, 50)
    row.copy(from: (0..<50).map(logit))
    var replacements = SampledReplacements(
      example.inputs[0], temperature: objective.options.temperature, objective.tokens, example.random)
    for place in example.targets[0].rows { replacements.draw(place, from: row) }
    return replacements.input.tokens
  }

  /// Of n = 20 positions exactly three, no place twice, none special or padded; 85 % shown as [MASK], the rest as they
  /// are.
  @Test func draws() throws {
    let batch = samples(2000)
    let example = try objective().corrupt(batch, context)
    let (rows, ids) = (example.targets[0].rows, example.targets[0].ids)
    #expect(Set(rows).count == rows.count && rows.count == 3 * 1999 + 2)
    let masked = rows.filter { example.inputs[0].tokens[$0] == 1 }.count
    let deviation = (0.85 * 0.15 * Double(rows.count)).squareRoot()
    #expect(abs(Double(masked) - 0.85 * Double(rows.count)) < 5 * deviation)
    #expect(
      zip(rows, ids).allSatisfy { row, id in
        id == batch.tokens[row] && [1, id].contains(example.inputs[0].tokens[row]) && batch.documentIDs[row] >= 0
          && ![0, 21].contains(row % 22)
      })
    // The discriminator classifies every real position, [CLS] and [SEP] included.
    #expect(example.targets[1].rows == batch.documentIDs.indices.filter { batch.documentIDs[$0] >= 0 })
    #expect(example.counts == [Double(rows.count), Double(2000 * 22 - 6)])
    #expect(try objective { $0.discriminatorPositions = .drawn }.corrupt(batch, context).targets[1].rows == rows)
  }

  /// The share of replaced tokens is the drawn share times the chance that the generator is wrong.
  @Test func baseRate() throws {
    let batch = samples(4000)
    let objective = try objective()
    let example = objective.corrupt(batch, context)
    // A generator that knows frequencies alone: a weight of 1 for each of 46 ids, and of 8 for id 4.
    let sampled = replacements(objective, example) { $0 == 4 ? log8 : 0 }
    let drawn = example.targets[0]
    let accuracies = drawn.ids.map { ($0 == 4 ? 8.0 : 1.0) / 53 }
    let expected = accuracies.reduce(0) { $0 + 1 - $1 }
    let deviation = accuracies.reduce(0) { $0 + $1 * (1 - $1) }.squareRoot()
    let replaced = zip(drawn.rows, drawn.ids).filter { sampled[$0] != $1 }.count
    #expect(abs(Double(replaced) - expected) < 5 * deviation)
    #expect(batch.tokens.indices.filter { sampled[$0] != batch.tokens[$0] }.count == replaced)
    // [MASK] and other special ids are never proposed, and no [MASK] is left.
    #expect(drawn.rows.allSatisfy { sampled[$0] >= 4 } && !sampled.contains(1))
  }

  private var log8: Float { 2.079_441_5 }

  /// A draw belongs to its sample and position, whatever else is in the batch; another purpose gives another one.
  @Test func drawsAreKeyedBySample() throws {
    let objective = try objective()
    let (whole, batch) = (objective.corrupt(samples(40), context), samples(40))
    var second = batch
    (second.sampleIDs, second.indices) = ([17], [17])
    second.tokens = Array(batch.tokens[17 * 22..<18 * 22])
    second.documentIDs = Array(batch.documentIDs[17 * 22..<18 * 22])
    let alone = replacements(objective, objective.corrupt(second, context)) { _ in 0 }
    #expect(Array(replacements(objective, whole) { _ in 0 }[17 * 22..<18 * 22]) == alone)
    let evaluation = objective.corrupt(second, StepContext(seed: 1, step: 0, steps: 1, purpose: .evaluation))
    var same = objective.corrupt(second, context)
    same.random = evaluation.random
    #expect(replacements(objective, same) { _ in 0 } != alone)
  }

  /// A generator that is always right leaves nothing to detect: all labels are 0.
  @Test func luckyGuessesAreOriginal() throws {
    let objective = try objective()
    let example = objective.corrupt(samples(3), context)
    func sure(_ parameters: ParameterSet) {
      // Logits of one discriminator row are its bias alone, far on the side of "original".
      for name in ["head.output.weight", "head.dense.weight"] {
        if let entry = parameters.trained.layout.entry(named: name) { parameters.trained.view(entry.index).fill(0) }
      }
      if let entry = parameters.trained.layout.entry(named: "head.output.bias") {
        parameters.trained.view(entry.index).fill(-60)
      }
    }
    #expect(run(objective, example, proposed: example.targets[0].ids, edit: sure).losses[1] < 1e-20)
    var wrong = example.targets[0].ids
    wrong[2] = wrong[2] == 9 ? 10 : 9
    #expect(abs(run(objective, example, proposed: wrong, edit: sure).losses[1] - 60) < 1e-4)
  }

  /// What is proposed changes the discriminator's loss and nothing of the generator's gradient.
  @Test func noGradientPassesThroughTheDraw() throws {
    let objective = try objective()
    let example = objective.corrupt(samples(3), context)
    let (right, wrong) = (
      run(objective, example, proposed: example.targets[0].ids),
      run(objective, example, proposed: example.targets[0].ids.map { $0 == 9 ? 10 : 9 })
    )
    #expect(right.losses[0] == wrong.losses[0] && right.losses[1] != wrong.losses[1])
    for entry in objective.networks.trained.entries where entry.name.hasPrefix("generator.") {
      #expect(right.gradients.gradient(entry) == wrong.gradients.gradient(entry), "\(entry.name)")
    }
  }

  /// Tokens, positions, types and their norm get a gradient from both networks, and in layout order they come last.
  @Test func theEmbeddingIsShared() throws {
    let layout = try objective().networks.trained
    let shared = layout.entries.filter { $0.spec.uses > 1 }
    #expect(
      shared.map(\.name) == [
        "embedding.norm.weight", "embedding.norm.bias", "embedding.type", "embedding.position", "embedding.token",
      ])
    #expect(shared.map(\.spec.uses) == [2, 2, 2, 2, 3])
    #expect(layout.entries.suffix(5) == shared[...])
  }

  /// disallowCorrect, and a low temperature: the draw is then the likeliest other token.
  @Test func optionsOfTheDraw() throws {
    let objective = try objective { $0.temperature = 0.01 }
    let example = objective.corrupt(samples(20), context)
    let liked = example.targets[0].ids[0]
    let sampled = replacements(objective, example) { $0 == 7 ? 3 : ($0 == 8 ? 2.5 : 0) }
    #expect(example.targets[0].rows.filter { sampled[$0] == 7 }.count > example.targets[0].rows.count * 9 / 10)
    let strict = try self.objective { ($0.disallowCorrect, $0.temperature) = (true, 0.01) }
    // At rest the generator's logits are its bias, and one id is by far the likeliest: where it is the original token,
    // it may be forbidden.
    func biased(_ parameters: ParameterSet) {
      for entry in parameters.trained.layout.entries where entry.name.hasPrefix("generator.head.norm") {
        parameters.trained.view(entry.index).fill(0)
      }
      if let entry = parameters.trained.layout.entry(named: "generator.head.bias") {
        parameters.trained.view(entry.index)[Int(liked)] = 50
      }
      for name in ["head.output.weight", "head.dense.weight"] {
        if let entry = parameters.trained.layout.entry(named: name) { parameters.trained.view(entry.index).fill(0) }
      }
      if let entry = parameters.trained.layout.entry(named: "head.output.bias") {
        parameters.trained.view(entry.index).fill(-60)
      }
    }
    let lucky = example.targets[0].ids.filter { $0 == liked }.count
    let replaced = { (o: Electra) in run(o, example, edit: biased).losses[1] / 60 }
    #expect(abs(replaced(objective) - Double(example.targets[0].rows.count - lucky)) < 1e-3)
    #expect(abs(replaced(strict) - Double(example.targets[0].rows.count)) < 1e-3)
  }

  @Test func shapesOfTheGenerator() throws {
    let options = Electra.Options()
    let base = ModelConfiguration.bert(vocabSize: 50, maxPosition: 16, hiddenSize: 768, numLayers: 12, numHeads: 12)
    let small = try options.shared.generatorShape(base, more: [])
    #expect(
      [small.hiddenSize, small.numHeads, small.intermediateSize, small.numLayers, small.resolvedEmbeddingSize] == [
        192, 3, 768, 12, 768,
      ])
    #expect(
      try Electra(options, model: base, vocabulary: vocabulary).exportedNetworks.map(\.family) == ["electra-generator"])
    var own = options
    (own.generatorHiddenSize, own.generatorNumHeads, own.generatorIntermediateSize, own.generatorNumLayers) = (
      64, 4, 100, 3
    )
    let given = try own.shared.generatorShape(base, more: [])
    #expect([given.hiddenSize, given.numHeads, given.intermediateSize, given.numLayers] == [64, 4, 100, 3])
    own = options
    own.generatorFraction = 1
    #expect(try own.shared.generatorShape(base, more: []).embeddingSize == 0)
    #expect(try Electra(own, model: base, vocabulary: vocabulary).exported.head == .replaced)
  }

  @Test func errors() {
    #expect {
      var options = Electra.Options()
      (options.maskReplaceProb, options.temperature) = (1.5, 0)
      _ = try Electra(options, model: model(), vocabulary: vocabulary)
    } throws: { error in
      (error as? ConfigurationError)?.description == """
        objective.mask_replace_prob is 1.5; it must lie in 0...1.
        objective.temperature is 0.0; it must lie in 0.01...100.
        """
    }
    #expect {
      var options = Electra.Options()
      (options.generatorHiddenSize, options.generatorNumHeads) = (10, 4)
      _ = try Electra(options, model: model(), vocabulary: vocabulary)
    } throws: { error in
      (error as? ConfigurationError)?.description
        == "objective.generator_hidden_size is 10; it must be a whole number of times objective.generator_num_heads = 4."
    }
    #expect(throws: ConfigurationError.self) { try Electra(.init(), model: model(), vocabulary: Vocabulary(size: 50)) }
  }
}
