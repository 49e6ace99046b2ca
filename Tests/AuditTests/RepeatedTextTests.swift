@testable import Audit
@testable import Checkpoints
import Core
import Objectives
import RunSupport
@testable import Runs
import Storage
import Testing
@testable import Training

/// Runs that read each text several times per step: every copy in its place, over all starts, and found where it is
/// not.
@Suite struct RepeatedTextTests {
  private func with(_ placement: FullyExploredMasks.Placement, _ body: (inout RunFixture) throws -> Void) throws {
    var run = try RunFixture()
    run.settings = [
      "objective.name=\"mlm-explored\"", "objective.sets=3", "objective.placement=\"\(placement.rawValue)\"",
      "objective.loss_normalization=\"set\"",
      "schedule.type=\"constant\"",
    ]
    defer { run.remove() }
    try body(&run)
  }

  private func weights(_ run: RunFixture, step: Int) throws -> String {
    try MappedFile(run.folder.checkpointPath(step: step) + "/model.safetensors").sha256()
  }

  /// 423 tokens in samples of 8 are 53 texts, 159 samples per epoch; 30 steps of 6 samples go over its end inside a
  /// step.
  @Test(arguments: [FullyExploredMasks.Placement.step, .batch])
  func stoppedRunIsProvenAndHasTheBitsOfAnUnbrokenOne(placement: FullyExploredMasks.Placement) throws {
    try with(placement) { run in
      try run.train(steps: 16)
      try run.train(steps: 30, threads: 2)
      let proof = try run.prove()
      #expect(proof.holds == true && proof.failures == [] && proof.times == 3 && proof.samples == 180)
      #expect(
        proof.lines == [
          "samples: 60 of steps 0–30 used exactly 3 times, over 2 starts on 1 rank; epoch 0 complete, epoch 1 at 13 %, 138 samples to go"
        ])
      #expect(try run.prove(quick: true).holds == true)
      let first = run
      try with(placement) { other in
        try other.train(steps: 30)
        #expect(try weights(first, step: 30) == weights(other, step: 30))
        #expect(try other.folder.checkpoint(step: 30).state.account == first.folder.checkpoint(step: 30).state.account)
      }
    }
  }

  @Test(arguments: [FullyExploredMasks.Placement.step, .batch])
  func wrongTextIsFound(placement: FullyExploredMasks.Placement) throws {
    try with(placement) { run in
      // Text 9 of the stream is in step 4.
      run.source = FaultySource(source: run.source, instead: { $0 == 9 ? 10 : $0 })
      try run.train()
      let proof = try run.prove()
      #expect(
        proof.holds == false
          && proof.failures.contains { $0.step == 4 && $0.sentence.contains("each of its samples 3 times") })
      #expect(!proof.failures.contains { (1..<4).contains($0.step) })
    }
  }

  /// A run whose texts came once is not proven by a configuration that repeats them, nor one in the other order.
  @Test func otherOrderIsFound() throws {
    try with(.step) { run in
      try run.train()
      #expect(try run.prove().holds == true)
      run.settings[2] = "objective.placement=\"batch\""
      #expect(try run.prove().holds == false)
      run.settings[2] = "objective.placement=\"epochs\""
      #expect(try run.prove().holds == false)
    }
  }

  /// Within a step every eligible position of its texts is predicted exactly once, across the end of the epoch as well.
  @Test(arguments: [FullyExploredMasks.Placement.step, .batch])
  func stepCoversItsTexts(placement: FullyExploredMasks.Placement) throws {
    try with(placement) { run in
      let configuration = try run.configuration()
      let training = run.inputs.training(configuration)
      let objective = try TrainingRun.objective(
        configuration, model: TrainingRun.model(configuration, run.inputs.data), data: run.inputs.data)
      let plan = BatchPlan(batch: 6, microBatch: 2, ranks: 1, threads: 1)
      #expect(training.samplesPerEpoch == 159)
      for step in 0..<60 {
        var predicted: [UInt64: [Int]] = [:], real: [UInt64: [Int]] = [:]
        for k in 0..<3 {
          let batch = try training.samples(at: plan.positions(step: step, microBatch: k))
          let example = objective.corrupt(batch, StepContext(seed: 3, step: step, steps: 60))
          for row in example.targets[0].rows { predicted[batch.indices[row / 8], default: []].append(row % 8) }
          for (sample, index) in batch.indices.enumerated() {
            real[index] = (0..<8).filter { batch.documentIDs[sample * batch.stride + $0] >= 0 }
          }
        }
        #expect(predicted.mapValues { $0.sorted() } == real && real.count == 2)
      }
    }
  }

  /// The other placement: over three epochs of a source every eligible position of every text is predicted exactly
  /// once.
  @Test func epochsCoverTheirTexts() throws {
    try with(.epochs) { run in
      let configuration = try run.configuration()
      let training = run.inputs.training(configuration)
      let objective = try TrainingRun.objective(
        configuration, model: TrainingRun.model(configuration, run.inputs.data), data: run.inputs.data)
      let batch = try training.samples(at: 0..<159)
      #expect(batch.epochs == (0..<159).map { $0 / 53 })
      let rows = objective.corrupt(batch, StepContext(seed: 3, step: 0, steps: 1)).targets[0].rows
      let predicted = Dictionary(grouping: rows) { batch.indices[$0 / 8] }.mapValues { $0.map { $0 % 8 }.sorted() }
      for (sample, index) in batch.indices.enumerated() {
        #expect(predicted[index] == (0..<8).filter { batch.documentIDs[sample * batch.stride + $0] >= 0 })
      }
    }
  }

  @Test func sizesThatCutATextAreRefused() throws {
    func problems(_ settings: String...) -> String {
      do {
        var run = try RunFixture()
        run.settings = ["objective.name=\"mlm-explored\""] + settings
        _ = try run.configuration()
        return ""
      } catch { return "\(error)" }
    }
    #expect(problems("objective.placement=\"epochs\"", "batch.samples=32") == "")
    #expect(
      problems("objective.placement=\"step\"", "batch.samples=32")
        == "batch.samples is 32; every text is read 7 times per step, so it must be a multiple of 7 (objective.sets = 7), such as 28."
    )
    #expect(
      problems("objective.placement=\"batch\"", "batch.samples=12")
        == "batch.samples is 12; every text is read 7 times per step, so it must be a multiple of 14 (objective.sets = 7 micro-batches of batch.micro_batch = 2), such as 14."
    )
    #expect(problems("objective.placement=\"batch\"", "batch.samples=28") == "")
    #expect(
      problems("objective.placement=\"rank\"")
        == "objective.placement is \"rank\"; it must be one of epochs, step, batch.")
  }
}
