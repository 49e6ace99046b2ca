import Core
import Kernels
import Layers
import Models
@testable import Objectives
import Tensors
import TestSupport
import Testing

/// The two towers see everything but the token itself; everything else is in the conformance check.
@Suite struct ElectricTests {
  private let length = 9
  private let context = StepContext(seed: 1, step: 0, steps: 1)

  private func objective(_ change: (inout Electric.Options) -> Void = { _ in }) throws -> Electric {
    var options = Electric.Options()
    options.generatorFraction = 0.5
    change(&options)
    let c = ModelConfiguration.bert(vocabSize: 23, maxPosition: length, hiddenSize: 16, numLayers: 2, numHeads: 4)
    return try Electric(options, model: c, vocabulary: ToyTokens.vocabulary)
  }

  /// Two documents, then padding.
  private func batch(_ tokens: [Int32] = [2, 5, 9, 3, 2, 7, 8, 3, 0]) -> SampleBatch {
    SampleBatch(
      sampleIDs: [3], length: length, lookahead: 0, tokens: tokens, documentIDs: [0, 0, 0, 0, 1, 1, 1, 1, -1])
  }

  /// The generator's loss at one position, for a fixed target.
  private func loss(_ objective: Electric, _ tokens: [Int32], at row: Int) -> Double {
    BLAS.useOneThread()
    let parameters = ParameterSet(objective.networks)
    fillForCheck(parameters.trained, seed: 4)
    var example = objective.corrupt(batch(tokens), context)
    example.targets[0] = TermTargets(rows: [row], ids: [6])
    let (arena, workspace) = Arena.sized { TwoTowers.Workspace(objective.generator, samples: 1, length: length, $0) }
    arena.fill(.nan)
    return withExtendedLifetime(arena) {
      objective.generator.loss(
        example, example.targets[0], ObjectivePass(parameters, sink: nil, dropout: nil), scale: 0, workspace
      ) { _, _ in }
    }
  }

  /// Changing a token moves the prediction at every other place that may see it, and never its own.
  @Test(arguments: [false, true])
  func eachTokenIsPredictedFromAllOthers(documentMasking: Bool) throws {
    let objective = try objective { $0.documentMasking = documentMasking }
    let tokens = batch().tokens
    let before = (0..<length - 1).map { loss(objective, tokens, at: $0) }
    for changed in 0..<length {
      var other = tokens
      other[changed] = 4 + (tokens[changed] + 7) % 19
      let after = (0..<length - 1).map { loss(objective, other, at: $0) }
      for row in 0..<length - 1 {
        let together = changed < length - 1 && (!documentMasking || (row < 4) == (changed < 4))
        #expect((before[row] != after[row]) == (together && row != changed), "position \(changed), target at \(row)")
      }
    }
  }

  /// Every eligible position is a target of both terms; the drawn ones have label 1 and are hidden from what the main
  /// network starts from.
  @Test func targets() throws {
    let source = ToyTokens(length: length)
    let clean = source.samples(at: 0..<300)
    let example = try objective().corrupt(clean, context)
    let (generated, classified, shown) = (example.targets[0], example.targets[1], example.inputs[0].tokens)
    #expect(generated.rows == classified.rows && Set(generated.rows).count == generated.rows.count)
    for ((row, id), label) in zip(zip(generated.rows, generated.ids), classified.values) {
      let original = clean.tokens[row / length * clean.stride + row % length]
      #expect(id == original && id >= 4 && shown[row] == (label == 1 ? 1 : original))
    }
    #expect(classified.values.filter { $0 == 1 }.count == shown.filter { $0 == 1 }.count)
    // Round(0.15 · n) of four to nine eligible positions is one.
    #expect(classified.values.filter { $0 == 1 }.count == 300)
  }

  @Test func errors() {
    #expect {
      _ = try objective { ($0.maskRatio, $0.generatorFraction) = (0, 2) }
    } throws: { error in
      (error as? ConfigurationError)?.description == """
        objective.mask_ratio is 0.0; it must lie in 0.01...0.9.
        objective.generator_fraction is 2.0; it must lie in 0.01...1.
        """
    }
  }
}
