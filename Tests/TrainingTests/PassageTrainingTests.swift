import Collectives
import Core
import Objectives
import Optimizers
import Tensors
import TestSupport
import Testing
@testable import Training

/// `retromae` learns to carry a passage in its [CLS] vector.
@Suite struct PassageTrainingTests {
  /// After a short training a decoder that gets zeros in place of the vector is clearly worse.
  @Test func theDecoderNeedsThePassage() throws {
    var options = RetroMAE.Options()
    options.decoderMaskRatio = 0.8
    let model = ModelConfiguration.bert(
      vocabSize: ToyTokens.vocabulary.size, maxPosition: 16, hiddenSize: 32, numLayers: 1, numHeads: 2)
    let objective = try RetroMAE(options, model: model, vocabulary: ToyTokens.vocabulary)
    let source = ToyTokens(length: 16, samplesPerEpoch: 12)
    var settings = TrainerOptions(seed: 3, steps: 300)
    settings.optimizer.learningRate = 1e-2
    settings.schedule = LearningRateSchedule(type: .cosine, warmupSteps: 10)
    let trainer = try Trainer(
      objective, length: 16, plan: BatchPlan(batch: 12, microBatch: 12, ranks: 1, threads: 1), options: settings,
      communicator: SingleRank())
    trainer.parameters.initialize(seed: 3)
    for step in 0..<settings.steps {
      let examples = try Trainer.examples(
        step: step, rank: 0, plan: trainer.plan, objective: objective, source: source, context: trainer.context(step))
      _ = try trainer.step(step, examples)
    }
    let trained = try trainer.evaluate(source, samples: 12)[1]
    // The encoder ends in a norm: with its weight and bias zero every hidden state is, and the decoder's clean
    // embeddings stay.
    for name in ["block.0.norm2.weight", "block.0.norm2.bias"] {
      trainer.parameters.trained.view(try #require(trainer.parameters.trained.layout.entry(named: name)).index).fill(0)
    }
    let ablated = try trainer.evaluate(source, samples: 12)[1]
    print("decoder loss \(trained) with the passage, \(ablated) with zeros in its place")
    #expect(trained < 1.5 && ablated > trained + 0.5)
  }
}
