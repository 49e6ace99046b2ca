import Collectives
import Core
import Data
import Models
import Objectives
import Optimizers
import Safetensors
import Tensors
import Testing
@testable import Training

private let model = ModelConfiguration.gpt2(
  vocabSize: 53, maxPosition: 16, hiddenSize: 24, numLayers: 2, numHeads: 3, dropout: 0.1)

private func makeTrainer(
  threads: Int = 1, steps: Int = 20, microBatch: Int = 2, rate: Double = 1e-3, sum: SumArithmetic = .exact,
  schedule: LearningRateSchedule = LearningRateSchedule(type: .cosine, warmupSteps: 3)
) throws -> Trainer {
  let objective = try Autoregressive(.init(), model: model, vocabulary: Vocabulary(size: 53))
  var options = TrainerOptions(seed: 3, steps: steps, sum: sum)
  options.optimizer.learningRate = rate
  options.schedule = schedule
  let trainer = try Trainer(
    objective, length: 16, plan: BatchPlan(batch: 8, microBatch: microBatch, ranks: 1, threads: threads),
    options: options,
    communicator: SingleRank())
  trainer.parameters.initialize(seed: 3)
  return trainer
}

@discardableResult
private func run(_ trainer: Trainer, _ steps: Range<Int>) throws -> [StepOutcome] {
  let source = SyntheticDataset(vocabulary: Vocabulary(size: 53), context: 16, seed: 1)
  return try steps.map { step in
    try trainer.step(
      step,
      try Trainer.examples(
        step: step, rank: 0, plan: trainer.plan, objective: trainer.objective, source: source,
        context: trainer.context(step)))
  }
}

@Suite struct TrainerTests {
  @Test(arguments: [2, 3, 5]) func threadsDoNotChangeABit(threads: Int) throws {
    let (one, many) = (try makeTrainer(), try makeTrainer(threads: threads))
    let (a, b) = (try run(one, 0..<10), try run(many, 0..<10))
    #expect(a.map(\.loss) == b.map(\.loss))
    #expect(a.map(\.gradNorm) == b.map(\.gradNorm))
    #expect(one.parameters.trained.all.array == many.parameters.trained.all.array)
  }

  /// The size of a micro-batch changes where sums are rounded: bits of the parameters differ, the loss and the norm do
  /// so by rounding only.
  @Test func microBatchSizeChangesRoundingOnly() throws {
    let (two, four) = (try makeTrainer(microBatch: 2), try makeTrainer(microBatch: 4))
    let (a, b) = (try run(two, 0..<1), try run(four, 0..<1))
    #expect(abs(a[0].loss - b[0].loss) < 1e-5)
    #expect(abs(a[0].gradNorm / b[0].gradNorm - 1) < 1e-5)
    #expect(two.parameters.trained.all.array != four.parameters.trained.all.array)
  }

  @Test func stoppedAndContinuedIsUnbroken() throws {
    let unbroken = try makeTrainer()
    try run(unbroken, 0..<12)
    let first = try makeTrainer()
    try run(first, 0..<5)
    let second = try makeTrainer(threads: 2)
    second.parameters.trained.all.copy(from: first.parameters.trained.all)
    second.optimizer.firstMoment.all.copy(from: first.optimizer.firstMoment.all)
    second.optimizer.secondMoment.all.copy(from: first.optimizer.secondMoment.all)
    second.sum.restore(exponents: first.sum.exponents)
    try run(second, 5..<12)
    #expect(second.parameters.trained.all.array == unbroken.parameters.trained.all.array)
    #expect(second.optimizer.secondMoment.all.array == unbroken.optimizer.secondMoment.all.array)
    #expect(second.sum.exponents == unbroken.sum.exponents)
  }

  @Test func firstStepIsTakenTwiceToLearnExponents() throws {
    let outcomes = try run(try makeTrainer(), 0..<3)
    #expect(outcomes.map(\.repeats) == [1, 0, 0])
  }

  @Test func overflowRepeatsTheStepAndRecovers() throws {
    let trainer = try makeTrainer()
    try run(trainer, 0..<2)
    trainer.sum.restore(exponents: trainer.sum.exponents.map { $0 + 30 })
    let outcome = try run(trainer, 2..<3)[0]
    #expect(outcome.repeats >= 1)
    #expect(outcome.loss.isFinite && outcome.gradNorm.isFinite && outcome.gradNorm > 0)
    // 2^30 too much must be given back, or the sum of the next step would overflow too.
    #expect(try run(trainer, 3..<4)[0].repeats == 0)
  }

  @Test func infinityStopsTheRunAndNamesATensor() throws {
    let trainer = try makeTrainer()
    try run(trainer, 0..<1)
    trainer.parameters.trained.view(0)[0] = .infinity
    #expect(throws: NumericsError.self) { try run(trainer, 1..<2) }
  }

  @Test func anotherSeedIsAnotherRun() throws {
    let (a, b) = (try makeTrainer(), try makeTrainer())
    b.parameters.initialize(seed: 4)
    #expect(try run(a, 0..<1)[0].loss != run(b, 0..<1)[0].loss)
  }

  @Test func lossFallsOnARepeatedBatch() throws {
    let trainer = try makeTrainer(steps: 60, rate: 1e-2)
    let source = SyntheticDataset(vocabulary: Vocabulary(size: 53), context: 16, seed: 1)
    let examples = try Trainer.examples(
      step: 0, rank: 0, plan: trainer.plan, objective: trainer.objective, source: source, context: trainer.context(0))
    let losses = try (0..<60).map { try trainer.step($0, examples).loss }
    #expect(losses[0] > 3.8)
    #expect(losses[59] < 0.7 * losses[0])
  }

  @Test func batchWithoutTargetsIsSkippedAndChangesNothing() throws {
    let constant = LearningRateSchedule(type: .constant)
    let (trainer, undisturbed) = (
      try makeTrainer(steps: 400, schedule: constant), try makeTrainer(steps: 400, schedule: constant)
    )
    let empty = try SyntheticDataset(vocabulary: Vocabulary(size: 53), context: 16, seed: 1).samples(at: 0..<2)
    var nothing = empty
    nothing.documentIDs = nothing.documentIDs.map { _ in -1 }
    let examples = (0..<4).map { _ in trainer.objective.corrupt(nothing, trainer.context(0)) }
    let skipped = try trainer.step(0, examples)
    #expect(skipped.isSkipped && skipped.loss.isNaN && skipped.gradNorm == 0)
    #expect(trainer.parameters.trained.all.array == undisturbed.parameters.trained.all.array)
    #expect(trainer.optimizer.secondMoment.all.array.allSatisfy { $0 == 0 })
    // AdamW's bias correction counts updates: the first one is the same whether or not a step was skipped before it.
    let source = SyntheticDataset(vocabulary: Vocabulary(size: 53), context: 16, seed: 1)
    let real = try Trainer.examples(
      step: 0, rank: 0, plan: trainer.plan, objective: trainer.objective, source: source, context: trainer.context(0))
    _ = try undisturbed.step(0, real)
    #expect(try !trainer.step(1, real).isSkipped)
    #expect(trainer.parameters.trained.all.array == undisturbed.parameters.trained.all.array)
    for step in 2..<101 { _ = try trainer.step(step, examples) }
    let error = #expect(throws: DataError.self) { try trainer.step(101, examples) }
    #expect(error?.description.contains("step 102: the last 100 steps had no position with a target for ") == true)
  }

  @Test func evaluationDoesNotDependOnThreadsOrPadding() throws {
    let source = SyntheticDataset(vocabulary: Vocabulary(size: 53), context: 16, seed: 1)
    let (a, b) = (try makeTrainer(threads: 1), try makeTrainer(threads: 3))
    #expect(try a.evaluate(source, samples: 7) == b.evaluate(source, samples: 7))
    // Seven samples in micro-batches of two: the last is half empty, and the mean is over seven.
    let all = try a.evaluate(source, samples: 7)[0]
    let six = try a.evaluate(source, samples: 6)[0]
    #expect(all != six && abs(all - six) < 0.5)
  }

  /// Validation on a part reads windows of the whole split, not its beginning: half of the split differs from the other
  /// half here.
  @Test func aPartOfASplitStandsForTheWhole() throws {
    struct Halves: SampleSource {
      let samplesPerEpoch = 12
      func samples(at positions: Range<UInt64>) throws -> SampleBatch {
        let tokens: [Int32] = positions.flatMap { p in (0..<17).map { i in p < 6 ? 1 : Int32(i * 7 % 53) } }
        return SampleBatch(
          sampleIDs: Array(positions), length: 16, tokens: tokens,
          documentIDs: [Int32](repeating: 0, count: tokens.count))
      }
    }
    let trainer = try makeTrainer()
    let (all, part) = (try trainer.evaluate(Halves(), samples: 12)[0], try trainer.evaluate(Halves(), samples: 4)[0])
    #expect(abs(all - part) < 1e-12)
    #expect(try trainer.evaluate(Halves(), samples: 99) == [all])
  }

  @Test func floatControlRunsTheSameMathematics() throws {
    let (exact, float) = (try makeTrainer(), try makeTrainer(sum: .float))
    let (a, b) = (try run(exact, 0..<5), try run(float, 0..<5))
    for (x, y) in zip(a, b) { #expect(abs(x.loss - y.loss) < 1e-6) }
    #expect(exact.parameters.trained.all.array != float.parameters.trained.all.array)
  }
}
