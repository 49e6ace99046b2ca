@testable import Audit
import Checkpoints
import Collectives
@testable import Configuration
import Core
import Foundation
import Objectives
import RunSupport
@testable import Runs
@testable import Safetensors
import Storage
import Testing
@testable import Training

/// Every sample once, proven from the run folder; and every way it can fail to be so is found, with its step.
@Suite struct LedgerTests {
  private func with(_ body: (inout RunFixture) throws -> Void) throws {
    var run = try RunFixture()
    defer { run.remove() }
    try body(&run)
  }

  @Test func unbrokenRunIsProven() throws {
    try with { run in
      try run.train(threads: 2)
      let proof = try run.prove()
      #expect(proof.holds == true && proof.comparedTokens && proof.failures == [])
      #expect((proof.firstStep, proof.endStep, proof.samples) == (0, 12, 72))
      // 423 tokens in samples of 8: 53 per epoch.
      #expect(
        proof.lines == [
          "samples: 72 of steps 0–12 used exactly once, over 1 start on 1 rank; epoch 0 complete, epoch 1 at 35 %, 34 samples to go"
        ])
      #expect(try run.prove(quick: true).lines[0].hasSuffix("tokens were not compared"))
    }
  }

  @Test func accountsDoNotDependOnThreadsOrStops() throws {
    try with { run in
      try run.train(steps: 8)
      try run.train(steps: 12, threads: 3)
      let other = try RunFixture()
      defer { other.remove() }
      try other.train()
      let (a, b) = (
        try run.folder.checkpoint(step: 12).state.account, try other.folder.checkpoint(step: 12).state.account
      )
      #expect(a != nil && a == b && a?.samples == 72)
      #expect(try run.prove().starts == 2)
    }
  }

  @Test func doubledSampleIsFound() throws {
    try with { run in
      run.source = FaultySource(source: run.source, instead: { $0 == 27 ? 28 : $0 })
      try run.train()
      let proof = try run.prove()
      // Position 27 is in step 4, which the line of steps 3–4 does not hold: 4–6 does.
      #expect(
        proof.holds == false
          && proof.failures.contains { $0.step == 4 && $0.sentence.contains("each of its samples once") })
      #expect(proof.failures.allSatisfy { $0.step == 4 || $0.sentence.contains("checkpoint") })
      #expect(try run.prove(quick: true).holds == false)
    }
  }

  @Test func skippedSampleIsFound() throws {
    try with { run in
      run.source = FaultySource(source: run.source, instead: { $0 >= 40 ? $0 + 1 : $0 })
      try run.train()
      let proof = try run.prove()
      #expect(
        proof.holds == false && proof.failures.contains { $0.step == 6 }
          && !proof.failures.contains { (1..<6).contains($0.step) })
    }
  }

  @Test func otherTokensAreFoundUnlessQuick() throws {
    try with { run in
      run.source = FaultySource(source: run.source, changeToken: { $0 == 50 })
      try run.train()
      #expect(try run.prove().failures.contains { $0.step == 8 && $0.sentence.contains("other tokens") })
      #expect(try run.prove(quick: true).holds == true)
    }
  }

  @Test func swappedShareIsFoundAlthoughEverySampleWasUsed() throws {
    let run = try RunFixture()
    let configuration = try run.configuration()
    var model = configuration.model
    model.vocabSize = RunFixture.vocabulary.size
    let objective = try Autoregressive(.init(), model: model, vocabulary: RunFixture.vocabulary)
    let plan = BatchPlan(batch: 6, microBatch: 2, ranks: 1, threads: 1)
    let trainer = try Trainer(
      objective, length: 8, plan: plan, options: TrainerOptions(steps: 4), communicator: SingleRank())
    trainer.parameters.initialize(seed: 1)
    func examples(_ step: Int) throws -> [TrainingExample] {
      try Trainer.examples(
        step: step, rank: 0, plan: plan, objective: objective, source: run.source, context: trainer.context(step))
    }
    var expected = ExpectedSamples(
      configuration, samplesPerEpoch: 53, tokens: try SampleProof.tokenDigests(run.sequential))
    #expect(try trainer.step(0, try examples(0)).samples == expected.advance(to: 1))
    let own = try examples(1)
    let swapped = try trainer.step(1, [own[1], own[0], own[2]]).samples
    let right = expected.advance(to: 2)
    #expect(swapped.samples == right.samples && swapped.order != right.order && swapped.content != right.content)
    // The samples of another step, as a prefetcher that is one ahead would give them.
    #expect(try trainer.step(2, try examples(3)).samples != expected.advance(to: 3))
  }

  @Test func resumeFromAnOlderCheckpointVoidsLaterLines() throws {
    try with { run in
      try run.train()
      for step in [8, 12] { try FileManager.default.removeItem(atPath: run.folder.checkpointPath(step: step)) }
      try run.train()
      let proof = try run.prove()
      #expect(proof.holds == true && proof.samples == 72 && proof.starts == 2)
      // Nothing was taken out of the ledger: both passes over steps 4–12 are in it.
      let lines = try Ledger(run.folder.ledgerPath).lines
      #expect(lines.count == 2 + 6 + 4)
      // Without the line of the second start its steps would count twice.
      try run.rewriteLedger { entries in
        entries.removeAll { if case .start(let start) = $0 { start.step == 4 } else { false } }
      }
      let twice = try run.prove()
      #expect(twice.holds == false && twice.failures[0].step == 4 && twice.failures[0].sentence.contains("second time"))
    }
  }

  @Test func missingLineIsAGap() throws {
    try with { run in
      try run.train()
      try run.rewriteLedger { $0.remove(at: 3) }
      let proof = try run.prove()
      #expect(
        proof.holds == false && proof.failures[0].step == 4
          && proof.failures[0].sentence.contains("steps 4–6 are missing"))
      try FileManager.default.removeItem(atPath: run.folder.ledgerPath)
      #expect(try run.prove().failures.first?.sentence.contains("no line of the ledger ends at step 4") == true)
    }
  }

  @Test func forgedLineIsFound() throws {
    try with { run in
      try run.train()
      let untouched = try run.text(run.folder.ledgerPath)
      // Another number of ranks changes no digest, but breaks the checksum.
      let lines = untouched.split(separator: "\n").map(String.init)
      let forged = lines[4].replacingOccurrences(of: "\"ranks\":1", with: "\"ranks\":2")
      try run.replace(lines[4], by: forged, in: run.folder.ledgerPath)
      let broken = try run.prove()
      #expect(broken.holds == false && broken.failures[0].step == 6 && broken.failures[0].sentence.contains("checksum"))
      // With new checksums, the configuration reveals a forged digest, and the count a moved boundary.
      try untouched.write(toFile: run.folder.ledgerPath, atomically: true, encoding: .utf8)
      try run.rewriteLedger { entries in
        guard case .steps(var steps) = entries[4] else { return }
        steps.digest.order &+= 1
        entries[4] = .steps(steps)
      }
      #expect(try run.prove().failures.map(\.step) == [6])
      try run.rewriteLedger { entries in
        guard case .steps(var steps) = entries[1] else { return }
        steps.digest.samples += 1
        entries[1] = .steps(steps)
      }
      #expect(try run.prove().failures.first?.sentence.contains("19 samples instead of 18") == true)
    }
  }

  /// An account from nowhere is refused, not followed through a million million steps.
  @Test(arguments: [-1, 1_000_000_000_000]) func forgedAccountIsFound(step: Int) throws {
    try with { run in
      try run.train()
      let path = run.folder.checkpointPath(step: 12) + "/state.json"
      try run.replace("\"first_step\":0", by: "\"first_step\":\(step)", in: path)
      // With a new checksum, as only a forger writes it.
      let checksumKey = ",\n\"sha256\":\""
      let body = try #require(run.text(path).components(separatedBy: checksumKey).first)
      try (body + checksumKey + SHA256.of(body) + "\"}\n").write(toFile: path, atomically: true, encoding: .utf8)
      let proof = try run.prove()
      #expect(proof.holds == false)
      #expect(
        proof.failures.contains { $0.sentence == "the checkpoint of step 12 counts its samples from step \(step)" })
    }
  }

  @Test func tornLastLineIsCutAndTheChainGoesOn() throws {
    try with { run in
      try run.train(steps: 8)
      let whole = try run.text(run.folder.ledgerPath)
      try (whole + "{\"launch\":1,\"ranks\":1,\"thr").write(
        toFile: run.folder.ledgerPath, atomically: true, encoding: .utf8)
      #expect(try run.prove().holds == true)
      try run.train(steps: 12)
      let after = try run.text(run.folder.ledgerPath)
      #expect(after.hasPrefix(whole) && !after.contains("thr{"))
      #expect(try run.prove().holds == true)
      // A damaged line in the middle stays, and is reported.
      try run.replace("\"end_step\":6", by: "\"end_step:6", in: run.folder.ledgerPath)
      #expect(try run.prove().failures.contains { $0.step == 4 && $0.sentence.contains("line 4 is damaged") })
    }
  }

  @Test func damagedLastLinesStayAndAreTold() throws {
    try with { run in
      try run.train(steps: 8)
      let whole = try run.text(run.folder.ledgerPath)
      try (whole + "{\"launch\":1,\"ra\n\u{0}\u{0}\n{\"torn").write(
        toFile: run.folder.ledgerPath, atomically: true, encoding: .utf8)
      let log = try LedgerLog(run.folder.ledgerPath)
      #expect(log.damagedLines.count == 2)
      try run.train(steps: 12)
      let after = try run.text(run.folder.ledgerPath)
      #expect(after.hasPrefix(whole + "{\"launch\":1,\"ra\n\u{0}\u{0}\n{\"launch\":2"))
      let proof = try run.prove()
      #expect(proof.holds == false && proof.failures.allSatisfy { $0.sentence.contains("is damaged") })
    }
  }

  @Test func aLinkIsNotCutOff() throws {
    try with { run in
      try run.train(steps: 8)
      let (path, target) = (run.folder.ledgerPath, run.folder.path + "-target")
      defer { try? FileManager.default.removeItem(atPath: target) }
      try "precious".write(toFile: target, atomically: true, encoding: .utf8)
      try FileManager.default.removeItem(atPath: path)
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
      #expect(throws: FileError.self) { try LedgerLog(path) }
      #expect(throws: CheckpointError.self) { try run.train(steps: 12) }
      #expect(try run.text(target) == "precious")
    }
  }

  @Test func oldCheckpointsLoadAndTheAccountBeginsThere() throws {
    let old = TrainingState(
      step: 10, streamPosition: 60, samplesSeen: 60, tokensSeen: 480, objective: "ar", experimentHash: "")
    let bytes = try old.encoded()
    #expect(!String(decoding: bytes, as: UTF8.self).contains("account"))
    #expect(try TrainingState(decoding: bytes).account == nil)
    let accounting = SampleAccounting(SingleRank(), samplesPerEpoch: 53)
    accounting.resume(nil)
    _ = try accounting.begin(at: 10, plannedSteps: 20, threads: 1, launch: 0)
    accounting.add(SampleDigest(position: 60, index: 2, tokens: 3))
    _ = try accounting.close(11)
    #expect(accounting.account?.firstStep == 10 && accounting.account?.samples == 1)
  }

  @Test func runWithoutALedgerIsNeitherProvenNorRefuted() throws {
    try with { run in
      try FileManager.default.createDirectory(atPath: run.folder.checkpointsPath, withIntermediateDirectories: true)
      let proof = try run.prove()
      #expect(proof.holds == nil && proof.failures == [] && proof.lines[0].contains("nothing recorded"))
    }
  }

  @Test func digestsAddUpOverRanksInHalves() {
    let parts = (0..<5).map { SampleDigest(position: UInt64($0), index: 7, tokens: .max - UInt64($0)) }
    let sums = parts.map(\.words).reduce([Int64](repeating: 0, count: 5)) { zip($0, $1).map(+) }
    #expect(SampleDigest(words: sums) == parts.reduce(SampleDigest()) { $0 &+ $1 })
  }

  @Test func repeatedIndexOfAnEpochIsFound() throws {
    let configuration = try RunFixture().configuration()
    var expected = ExpectedSamples(configuration, samplesPerEpoch: 53, tokens: nil)
    // Three epochs of the run's own order.
    _ = expected.advance(to: 27)
    #expect(expected.repeatedAt == nil)
    // In its second epoch, positions 53 ..< 106, an order that shows sample 7 in place 20 too: position 73, in step 12.
    var broken = ExpectedSamples(configuration, samplesPerEpoch: 53, tokens: nil) { epoch in
      { epoch == 1 && $0 == 20 ? 7 : $0 }
    }
    _ = broken.advance(to: 27)
    #expect(broken.repeatedAt == 12)
  }
}
