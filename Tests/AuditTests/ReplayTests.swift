@testable import Audit
import Checkpoints
import Collectives
import Core
import Foundation
@testable import Layers
import Objectives
import RunSupport
import Storage
import TestSupport
import Testing
@testable import Training

/// Any past step gives the bits it gave, and a record that says otherwise is found by name.
@Suite struct ReplayTests {
  private func with(_ body: (RunFixture) throws -> Void) throws {
    let run = try RunFixture()
    defer { run.remove() }
    try body(run)
  }

  private func encoded(_ report: ReplayReport) throws -> Data {
    let encoder = JSONEncoder.snakeCase()
    encoder.outputFormatting = .sortedKeys
    return try encoder.encode(report)
  }

  /// Every file with its bytes and its time of change.
  private func snapshot(_ folder: RunFolder) throws -> [String] {
    let paths = try #require(FileManager.default.enumerator(atPath: folder.path)).compactMap { $0 as? String }
    return try paths.sorted().map { path in
      let attributes = try FileManager.default.attributesOfItem(atPath: folder.path + "/" + path)
      return "\(path) \(attributes[.size] ?? 0) \(attributes[.modificationDate] ?? 0)"
    }
  }

  @Test func everyStepMatchesOnAnyThreadsAndNothingIsWritten() throws {
    try with { run in
      try run.train()
      let before = try snapshot(run.folder)
      for step in 1...12 {
        let (one, three) = (try run.replay(step), try run.replay(step, threads: 3))
        #expect(one.matches, "step \(step): \(one.checks.filter { !$0.matches })")
        let (a, b) = (
          String(decoding: try encoded(one), as: UTF8.self), String(decoding: try encoded(three), as: UTF8.self)
        )
        let same = zip(a, b).prefix { $0 == $1 }.count
        #expect(
          a == b,
          "step \(step): \(a.dropFirst(max(0, same - 80)).prefix(200)) and \(b.dropFirst(max(0, same - 80)).prefix(200))"
        )
        #expect(one.rebuiltFrom == (step - 1) / 4 * 4)
        let logged = step % 3 == 0 || step == 12
        #expect(one.checks.contains { $0.step == step && $0.against == .log } == logged)
        #expect(one.checks.contains { $0.against == .checkpoint } == (step % 4 == 0))
        // A logged step on the way, as 3 on the way to 4 and 9 on the way to 12, is compared as well.
        #expect(one.checks.contains { $0.step < step } == [4, 7, 8, 10, 11, 12].contains(step), "step \(step)")
      }
      #expect(try snapshot(run.folder) == before)
    }
  }

  @Test func samplesAndNormsAreThoseOfTheStep() throws {
    try with { run in
      try run.train()
      let report = try run.replay(9)
      #expect(report.microBatches.count == 3 && report.microBatches.allSatisfy { $0.samples.count == 2 })
      #expect(report.microBatches.flatMap(\.samples).map(\.position) == Array(48..<54))
      let counts = report.microBatches.flatMap(\.samples).compactMap { $0.counts[0] }.reduce(0, +)
      let sum = report.microBatches.flatMap(\.samples).compactMap { $0.losses[0] }.reduce(0, +)
      #expect(abs(sum / counts - report.loss) < 1e-14)
      // Parts of a gradient are no shorter together than the whole.
      #expect(report.microBatches.map(\.gradNorm).reduce(0, +) >= report.gradNorm)
    }
  }

  @Test func anotherNumberInTheLogIsNamed() throws {
    try with { run in
      try run.train()
      let record = String(
        try #require(try run.text(run.folder.metricsPath).split(separator: "\n").first { $0.hasPrefix("{\"step\":9,") })
      )
      for (name, key) in [
        ("grad_norm", "\"grad_norm\":"), ("learning_rate", "\"learning_rate\":"), ("loss_digest", "\"loss_digest\":\""),
      ] {
        let start = try #require(record.range(of: key)).upperBound
        let place = record.index(start, offsetBy: 6)
        var forged = record
        forged.replaceSubrange(place...place, with: record[place] == "1" ? "2" : "1")
        try run.replace(record, by: forged, in: run.folder.metricsPath)
        let (at, past) = (try run.replay(9), try run.replay(10))
        #expect(at.checks.filter { !$0.matches }.map(\.what) == [name] && !at.matches)
        #expect(past.checks.filter { !$0.matches }.map(\.step) == [9])
        try run.replace(forged, by: record, in: run.folder.metricsPath)
      }
      #expect(try run.replay(9).matches)
    }
  }

  @Test func otherWeightsInTheCheckpointAreNamed() throws {
    try with { run in
      try run.train()
      let other = try RunFixture(seed: 4)
      defer { other.remove() }
      try other.train()
      let path = run.folder.checkpointPath(step: 8)
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.copyItem(atPath: other.folder.checkpointPath(step: 8), toPath: path)
      let report = try run.replay(8)
      #expect(
        report.checks.contains { $0.what == "tensors" && !$0.matches && $0.computed.contains("model.safetensors") })
      // The steps after it are computed from those weights, and do not match either.
      #expect(!(try run.replay(9)).matches)
    }
  }

  @Test func damagedCheckpointIsPassedOver() throws {
    try with { run in
      try run.train()
      let file = run.folder.checkpointPath(step: 8) + "/model.safetensors"
      var bytes = try #require(FileManager.default.contents(atPath: file))
      bytes[bytes.count - 3] ^= 1
      try bytes.write(to: URL(fileURLWithPath: file))
      var warnings: [String] = []
      let report = try run.replay(9) { warnings.append($0) }
      #expect(report.matches && report.rebuiltFrom == 4)
      #expect(warnings.count == 1 && warnings[0].contains("step 8") && warnings[0].contains("model.safetensors"))
    }
  }

  @Test func extendedRunIsReplayedAsItWasPlanned() throws {
    try with { run in
      try run.train(steps: 8)
      try run.train(steps: 12)
      // Step 8 was run when 8 were planned: its learning rate is the last of that schedule.
      for step in [6, 8, 9, 12] { #expect(try run.replay(step).matches, "step \(step)") }
    }
  }

  @Test func missingStepListsThoseThatAreCheap() throws {
    try with { run in
      try run.train()
      let past = try PastRun(run.folder)
      #expect(past.cheapSteps == [1, 5, 9])
      #expect(try past.require(12) == 12)
      for step in [0, 13, -1, nil] {
        let error = #expect(throws: ConfigurationError.self) { try past.require(step) }
        #expect(
          error?.description.contains("finished steps 1...12") == true
            && error?.description.contains("1, 5, 9.") == true)
      }
      #expect(throws: DataError.self) { try past.requireData("other", in: "memory") }
    }
  }

  @Test func probeOfAWholeBatchHasTheNormOfTheStep() throws {
    for toy in try ToyRun.all() {
      let plan = BatchPlan(batch: 3, microBatch: 3, ranks: 1, threads: 1)
      let trainer = try Trainer(
        toy.objective, length: toy.model.maxPosition, plan: plan, options: TrainerOptions(seed: 2, steps: 3),
        communicator: SingleRank())
      trainer.parameters.initialize(seed: 2)
      for step in 0..<3 {
        let examples = try Trainer.examples(
          step: step, rank: 0, plan: plan, objective: toy.objective, source: toy.source, context: trainer.context(step))
        let (totals, _) = try trainer.countTargets(examples, 0..<1, [])
        let alone = try MicroBatchProbe(trainer).measure(examples[0], scales: trainer.lossScales(totals))
        let outcome = try trainer.step(step, examples)
        #expect(alone.gradNorm == outcome.gradNorm, "\(toy.name) step \(step)")
        #expect(alone.losses == outcome.microBatchLosses[0], "\(toy.name) step \(step)")
        // Heads report by themselves; losses that an objective computes itself are left out, not guessed.
        let reported = zip(toy.objective.terms, examples[0].targets).map {
          ["distance", "contrast"].contains($0.name) ? 0 : $1.rows.count
        }
        #expect(alone.samples.rows == reported, "\(toy.name)")
      }
    }
  }
}
