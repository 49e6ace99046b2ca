import Collectives
import Core
import Objectives
import Optimizers
import Tensors
import TestSupport
import Testing
@testable import Training

/// Objectives with a teacher, with two terms and with dropped inputs go through the trainer as it is.
@Suite struct ToyObjectiveTests {
  private func train(_ toy: ToyRun, threads: Int, steps: Int = 12) throws -> (Trainer, [StepOutcome]) {
    var options = TrainerOptions(seed: 9, steps: steps)
    options.schedule = LearningRateSchedule(type: .constant)
    options.optimizer.learningRate = 5e-3
    let trainer = try Trainer(
      toy.objective, length: toy.model.maxPosition,
      plan: BatchPlan(batch: 12, microBatch: 3, ranks: 1, threads: threads), options: options,
      communicator: SingleRank())
    trainer.parameters.initialize(seed: 9)
    let outcomes = try (0..<steps).map { step in
      try trainer.step(
        step,
        try Trainer.examples(
          step: step, rank: 0, plan: trainer.plan, objective: toy.objective, source: toy.source,
          context: trainer.context(step)))
    }
    return (trainer, outcomes)
  }

  @Test func eachToyLearnsAndGivesTheSameBitsOnThreeThreads() throws {
    for toy in try ToyRun.all() {
      let (one, a) = try train(toy, threads: 1)
      let (three, b) = try train(toy, threads: 3)
      #expect(a.map(\.loss) == b.map(\.loss), "\(toy.name)")
      #expect(one.parameters.trained.all.array == three.parameters.trained.all.array, "\(toy.name)")
      #expect(a.allSatisfy { $0.loss.isFinite && $0.gradNorm > 0 }, "\(toy.name)")
      #expect(a[0].termLosses.count == toy.objective.terms.count, "\(toy.name)")
    }
  }

  @Test func teacherFollowsTheStudentAndIsNotTrained() throws {
    let toy = try ToyRun.all()[0]
    let (trainer, _) = try train(toy, threads: 1, steps: 5)
    let auxiliary = toy.objective.networks.auxiliaries[0]
    let teacher = trainer.parameters.auxiliary(auxiliary.name)
    var (distance, moved) = (Float(0), Float(0))
    let fresh = ParameterSet(toy.objective.networks)
    fresh.initialize(seed: 9)
    for entry in auxiliary.layout.entries {
      let now = teacher.view(entry.index).array
      guard let student = trainer.parameters.trained.layout.entry(named: entry.name) else { continue }
      for (t, s) in zip(now, trainer.parameters.trained.view(student.index).array) { distance += abs(t - s) }
      for (t, first) in zip(now, fresh.auxiliary(auxiliary.name).view(entry.index).array) { moved += abs(t - first) }
    }
    #expect(moved > 0)
    #expect(distance > 0)
  }

  @Test func twoTermsHaveCountsOfTheirOwn() throws {
    let toy = try ToyRun.all()[1]
    let (_, outcomes) = try train(toy, threads: 1, steps: 1)
    #expect(outcomes[0].counts.count == 2)
    #expect(outcomes[0].counts[0] != outcomes[0].counts[1])
    let weighted = zip(outcomes[0].termLosses, toy.objective.terms).reduce(0) { $0 + $1.0 * $1.1.weight }
    #expect(outcomes[0].loss == weighted)
  }
}
