import Collectives
import Core
import HuggingFace
import Objectives
import Optimizers
import Testing
import Training

@Suite("Ten steps give the losses that AdamW of torch gives")
struct TenStepTests {
  static func recorded() throws -> [Golden] { try Golden.all().filter { $0.record.steps != nil } }

  @Test func oneOfEachFamilyIsRecorded() throws {
    #expect(Set(try Self.recorded().map(\.name)).isSuperset(of: ["bert", "gpt2", "llama"]))
  }

  /// The trainer itself, one micro-batch per sample, so that the mean over the batch is made of unequal parts.
  @Test(arguments: try recorded())
  func losses(_ golden: Golden) throws {
    let expected = try #require(golden.record.steps)
    let source = try HuggingFaceSource(golden.path)
    let trainer = try trainer(source.configuration, golden, expected)
    _ = try source.load(into: trainer.parameters.trained, as: source.configuration)
    let examples = (0..<golden.record.samples).map { sample in
      let (rows, ids) = golden.targets(sample..<sample + 1, source.configuration.attentionMask)
      return TrainingExample(
        inputs: [golden.input(sample..<sample + 1, source.configuration.attentionMask)],
        targets: [TermTargets(rows: rows, ids: ids)])
    }
    var (loss, norm) = (0.0, 0.0)
    for step in expected.losses.indices {
      let outcome = try trainer.step(step, examples)
      #expect(abs(outcome.loss - expected.losses[step]) <= 1e-4 * expected.losses[step], "step \(step)")
      #expect(
        abs(outcome.gradNorm - expected.gradientNorms[step]) <= 1e-3 * expected.gradientNorms[step], "step \(step)")
      loss = max(loss, abs(outcome.loss / expected.losses[step] - 1))
      norm = max(norm, abs(outcome.gradNorm / expected.gradientNorms[step] - 1))
    }
    print(
      "\(golden.name): over \(expected.losses.count) steps losses differ by \(loss) of themselves, gradient norms by \(norm)"
    )
  }

  private func trainer(_ model: ModelConfiguration, _ golden: Golden, _ steps: Golden.Steps) throws -> Trainer {
    let entry = try #require(ObjectiveRegistry.entry(named: model.attentionMask == .causal ? "ar" : "mlm"))
    let objective = try entry.make(entry.defaultOptions, model, DataShape(Vocabulary(size: model.vocabSize, mask: 0)))
    var optimizer = AdamWOptions()
    (optimizer.learningRate, optimizer.beta1, optimizer.beta2) = (
      steps.options.learningRate, steps.options.beta1, steps.options.beta2
    )
    (optimizer.eps, optimizer.weightDecay) = (steps.options.epsilon, steps.options.weightDecay)
    optimizer.maxGradNorm = steps.options.maxGradNorm
    let options = TrainerOptions(
      steps: steps.losses.count, optimizer: optimizer, schedule: LearningRateSchedule(type: .constant))
    let plan = BatchPlan(batch: golden.record.samples, microBatch: 1, ranks: 1, threads: 1)
    return try Trainer(
      objective, length: golden.record.length, plan: plan, options: options, communicator: SingleRank())
  }
}
