@testable import Checkpoints
import Collectives
@testable import Configuration
import Core
import Data
import Foundation
@testable import HuggingFace
import Objectives
import Optimizers
import RunSupport
@testable import Runs
@testable import Safetensors
import Tensors
import Testing
@testable import Training

/// `ar-diverse` as a trainer and a run have it.
@Suite(.serialized) struct DiverseTrainingTests {
  private typealias Options = DiverseAutoregressive.Options

  private static let model = ModelConfiguration.gpt2(
    vocabSize: 53, maxPosition: 16, hiddenSize: 24, numLayers: 2, numHeads: 3, dropout: 0.1)

  private func run(_ objective: any Objective) throws -> (
    outcomes: [StepOutcome], weights: [Float], validation: [Double], layout: ParameterLayout
  ) {
    var options = TrainerOptions(seed: 3, steps: 8)
    options.optimizer.learningRate = 1e-2
    options.schedule = LearningRateSchedule(type: .cosine, warmupSteps: 2)
    let trainer = try Trainer(
      objective, length: 16, plan: BatchPlan(batch: 6, microBatch: 2, ranks: 1, threads: 1), options: options,
      communicator: SingleRank())
    trainer.parameters.initialize(seed: 3)
    // Documents of 37 tokens: boundaries inside samples, and a short sample at the end.
    let random = CounterGenerator(seed: 1, purpose: .order)
    let documents = (0..<9).map { d in (0..<37).map { Int32(4 + random.below(40, d * 100 + $0)) } }
    let source = try InMemoryDataset(
      documents: documents, vocabulary: Vocabulary(size: 53), context: 16, lookahead: objective.requirements.lookahead)
    let outcomes = try (0..<8).map { step in
      try trainer.step(
        step,
        try Trainer.examples(
          step: step, rank: 0, plan: trainer.plan, objective: objective, source: source, context: trainer.context(step))
      )
    }
    return (
      outcomes, trainer.parameters.trained.all.array, try trainer.evaluate(source, samples: 21),
      objective.networks.trained
    )
  }

  /// With one offset every setting trains to the bits of `ar`.
  @Test(arguments: OffsetPrediction.OffsetConditioning.allCases, DiverseAutoregressive.Estimator.allCases)
  func oneOffsetIsNextTokenPrediction(
    offsetConditioning: OffsetPrediction.OffsetConditioning, estimator: DiverseAutoregressive.Estimator
  ) throws {
    for documentMasking in [false, true] {
      var plain = Autoregressive.Options()
      plain.documentMasking = documentMasking
      var options = Options()
      (options.offsets, options.offsetConditioning, options.estimator, options.documentMasking) = (
        1, offsetConditioning, estimator, documentMasking
      )
      let vocabulary = Vocabulary(size: 53)
      let ar = try run(try Autoregressive(plain, model: Self.model, vocabulary: vocabulary))
      let diverse = try run(try DiverseAutoregressive(options, model: Self.model, vocabulary: vocabulary))
      #expect(diverse.layout == ar.layout)
      #expect(diverse.weights == ar.weights)
      #expect(diverse.outcomes.map(\.loss) == ar.outcomes.map(\.loss))
      #expect(diverse.outcomes.map(\.gradNorm) == ar.outcomes.map(\.gradNorm))
      #expect(diverse.validation == ar.validation)
    }
  }

  /// Two offsets train to something else, from the same first weights of the model.
  @Test(arguments: OffsetPrediction.OffsetConditioning.allCases) func twoOffsetsAreNot(
    offsetConditioning: OffsetPrediction.OffsetConditioning
  ) throws {
    var options = Options()
    (options.offsets, options.offsetConditioning) = (2, offsetConditioning)
    let ar = try run(try Autoregressive(.init(), model: Self.model, vocabulary: Vocabulary(size: 53)))
    let diverse = try run(try DiverseAutoregressive(options, model: Self.model, vocabulary: Vocabulary(size: 53)))
    #expect(diverse.validation != ar.validation && abs(diverse.validation[0] - ar.validation[0]) < 1)
    let (first, second) = (
      try #require(diverse.layout.entry(named: "norm.weight")), try #require(ar.layout.entry(named: "norm.weight"))
    )
    #expect(Array(diverse.weights[first.range]) != Array(ar.weights[second.range]))
  }

  // MARK: - Checkpoints

  private func configuration(
    _ fixture: RunFixture, _ offsetConditioning: OffsetPrediction.OffsetConditioning, steps: Int
  ) throws -> RunConfiguration {
    var text = try fixture.configuration(steps: steps).toml
    text = text.replacing("name = \"ar\"", with: "name = \"ar-diverse\"")
      .replacing(
        "document_masking = false",
        with:
          "document_masking = false\noffset_conditioning = \"\(offsetConditioning.rawValue)\"\nestimator = \"sampled\"")
    return try RunConfiguration(toml: text, place: "the test")
  }

  private func train(_ fixture: RunFixture, _ offsetConditioning: OffsetPrediction.OffsetConditioning, steps: Int)
    throws -> TrainingRun
  {
    let configuration = try configuration(fixture, offsetConditioning, steps: steps)
    var inputs = fixture.inputs
    let random = CounterGenerator(seed: 1, purpose: .order)
    let documents = (0..<9).map { d in (0..<47).map { Int32(4 + random.below(40, d * 100 + $0)) } }
    inputs.training = try InMemoryDataset(
      documents: documents, vocabulary: RunFixture.vocabulary, context: 8,
      lookahead: configuration.requirements.lookahead, order: .shuffled(seed: 3))
    let run = try TrainingRun(configuration, inputs, communicator: SingleRank(), threads: 1)
    _ = try run.execute()
    return run
  }

  /// A run continued from a checkpoint ends in the weights of one that was not stopped, heads and adapter included; the
  /// exported model has the names of GPT-2 and no other, and the rest is kept beside it.
  @Test(arguments: OffsetPrediction.OffsetConditioning.allCases) func resumedRunsAndExportedModels(
    offsetConditioning: OffsetPrediction.OffsetConditioning
  ) throws {
    let (whole, cut) = (try RunFixture(name: "whole"), try RunFixture(name: "cut"))
    defer {
      whole.remove()
      cut.remove()
    }
    let unbroken = try train(whole, offsetConditioning, steps: 8)
    _ = try train(cut, offsetConditioning, steps: 8)
    try FileManager.default.removeItem(atPath: cut.folder.checkpointPath(step: 8))
    #expect(try cut.folder.newestIntact().checkpoint?.state.step == 4)
    let resumed = try train(cut, offsetConditioning, steps: 8)
    #expect(resumed.trainer.parameters.trained.all.array == unbroken.trainer.parameters.trained.all.array)
    #expect(resumed.trainer.optimizer.secondMoment.all.array == unbroken.trainer.optimizer.secondMoment.all.array)

    let checkpoint = try whole.folder.checkpoint(step: 8)
    let plain = HuggingFaceNames.tensors(for: resumed.model).map(\.fileName)
    #expect(try checkpoint.tensors(CheckpointFile.model).tensors.map(\.name).sorted() == plain.sorted())
    let kept = try checkpoint.tensors(CheckpointFile.optimizer).tensors.map(\.name).filter { $0.hasPrefix("p.") }
    let extra = resumed.trainer.parameters.trained.layout.entries.map(\.name).filter { $0.hasPrefix("offset") }
    #expect(kept.sorted() == extra.map { "p." + $0 }.sorted())
    #expect(extra.isEmpty == (offsetConditioning == .none))
  }
}
