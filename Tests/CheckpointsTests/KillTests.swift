import CheckpointSupport
@testable import Checkpoints
import Core
import Foundation
@testable import Safetensors
import Storage
import Synchronization
import Testing

/// Counts changes of the file system and fails from one of them on, or that one only.
private final class FaultyDisk: Sendable {
  private let changes = Atomic<Int>(0)
  private let first: Int
  private let isKill: Bool

  /// - Parameter isKill: everything from change `first` on fails, clearing up included; else that change alone.
  init(at first: Int, isKill: Bool) { (self.first, self.isKill) = (first, isKill) }

  var count: Int { changes.load(ordering: .relaxed) }

  func during(_ body: () throws -> Void) rethrows {
    try FileFaults.injecting(
      { [self] operation, _ in
        guard ["create", "write", "sync", "rename", "remove"].contains(operation) else { return nil }
        let index = changes.wrappingAdd(1, ordering: .relaxed).oldValue
        return index == first || (isKill && index > first) ? ENOSPC : nil
      }, body)
  }
}

/// Everything a save changes, stopped between any two changes.
@Suite struct KillTests {
  /// What the writer does at a step that is the best so far.
  private func save(_ run: RunFolder, step: Int) throws {
    try run.commit(contents(step))
    _ = try run.nameBest(step: step)
    try run.prune(RetentionPolicy(keepLast: 2))
  }

  private func contents(_ step: Int) -> CheckpointContents {
    var contents = checkpoint(step: step)
    (contents.state.bestStep, contents.state.bestValidationLoss) = (step, 1 / Double(step))
    return contents
  }

  /// What a start does before it trains. - Returns: the step it goes on from.
  private func resume(_ run: RunFolder) throws -> Int? {
    try run.prepare()
    guard let checkpoint = try run.newestIntact().checkpoint else { return nil }
    _ = try run.repairPointers(resuming: checkpoint.state)
    return checkpoint.step
  }

  private func begin(_ scratch: Scratch, _ name: String, damaged: Bool) throws -> RunFolder {
    let run = RunFolder(scratch.path + "/" + name)
    try run.prepare()
    for step in 1...3 { try save(run, step: step) }
    if damaged {
      try run.commit(contents(4))
      try flip(run.checkpointPath(step: 4) + "/model.safetensors", byte: 100)
    }
    return run
  }

  /// Files without those whose content is a matter of the moment.
  private func files(_ run: RunFolder) throws -> [String: [UInt8]] { try tree(run.path) }

  @Test(arguments: [false, true]) func aKillBetweenAnyTwoChangesOfASaveLosesNothing(damaged: Bool) throws {
    let scratch = try Scratch()
    let unbroken = try begin(scratch, "unbroken", damaged: damaged)
    let all = FaultyDisk(at: .max, isKill: true)
    try all.during { try save(unbroken, step: 4) }
    #expect(all.count > 20)
    for change in 0..<all.count {
      let run = try begin(scratch, "run-\(change)", damaged: damaged)
      let kill = FaultyDisk(at: change, isKill: true)
      #expect(throws: CheckpointError.self, "change \(change)") { try kill.during { try save(run, step: 4) } }
      let step = try resume(run)
      #expect(step == 3 || step == 4, "change \(change) of \(all.count)")
      #expect(try run.latest() == step && run.best() == step, "change \(change)")
      // The replay of the step, or nothing more to do, ends in the same files.
      try save(run, step: 4)
      #expect(try files(run) == files(unbroken), "change \(change)")
      #expect(try Folders.names(in: run.checkpointsPath) == Folders.names(in: unbroken.checkpointsPath))
    }
  }

  @Test func aKillDuringAResumeLosesNothing() throws {
    let scratch = try Scratch()
    let left = "/.tmp-0123456789abcdef-step-00000005"
    /// A run killed after the rename and before `latest`, with a temporary folder and a damaged pointer.
    func broken(_ name: String) throws -> RunFolder {
      let run = try begin(scratch, name, damaged: false)
      try run.commit(contents(4))
      try run.setLatest(step: 3)
      try Data("step-".utf8).write(to: URL(fileURLWithPath: run.path + "/best"))
      try FileManager.default.copyItem(atPath: run.checkpointPath(step: 3), toPath: run.checkpointsPath + left)
      return run
    }
    let unbroken = try broken("unbroken")
    let all = FaultyDisk(at: .max, isKill: true)
    try all.during { _ = try resume(unbroken) }
    #expect(all.count > 5)
    for change in 0..<all.count {
      let run = try broken("run-\(change)")
      try? FaultyDisk(at: change, isKill: true).during { _ = try resume(run) }
      #expect(try resume(run) == 4)
      #expect(try files(run) == files(unbroken), "change \(change)")
    }
  }

  @Test func aChangeThatFailsLeavesTheRunAsItWasAndTheNextAttemptSucceeds() throws {
    let scratch = try Scratch()
    let unbroken = try begin(scratch, "unbroken", damaged: false)
    let all = FaultyDisk(at: .max, isKill: false)
    try all.during { try save(unbroken, step: 4) }
    for change in 0..<all.count {
      let run = try begin(scratch, "run-\(change)", damaged: false)
      var failed = false
      do { try FaultyDisk(at: change, isKill: false).during { try save(run, step: 4) } } catch {
        failed = true
        #expect((error as? CheckpointError)?.exitCode == .inputOutput, "change \(change): \(error)")
      }
      #expect(try run.newestIntact().warnings == [], "change \(change)")
      #expect(try run.latest() != nil && run.best() != nil, "change \(change)")
      // Only a first attempt at clearing up may fail without a word.
      if !failed { continue }
      try save(run, step: 4)
      #expect(try files(run) == files(unbroken), "change \(change)")
    }
  }

  @Test func aRunFolderThatVanishedIsMadeAgain() throws {
    let scratch = try Scratch()
    let run = try begin(scratch, "run", damaged: false)
    let claim = try run.claim()
    #expect(claim.holds(run))
    try FileManager.default.removeItem(atPath: run.path)
    #expect(!claim.holds(run))
    try run.commit(contents(4))
    #expect(try run.newestIntact().checkpoint?.step == 4)
    #expect(try run.latest() == 4)
    let again = try run.claim()
    #expect(again.holds(run) && !claim.holds(run))
  }

  // MARK: - Pointers

  @Test func pointersFollowTheCheckpointTheRunGoesOnFrom() throws {
    let scratch = try Scratch()
    let run = try begin(scratch, "run", damaged: false)
    guard let state = try run.newestIntact().checkpoint?.state else { return }
    #expect(try run.repairPointers(resuming: state) == [])
    for content in ["", "step-3\n", "step-00000009\n", "\u{FFFD}"] {
      for name in ["latest", "best"] { try Data(content.utf8).write(to: URL(fileURLWithPath: run.path + "/" + name)) }
      #expect(try run.repairPointers(resuming: state).map { $0.prefix(6) } == ["latest", "best d"], "\(content)")
      #expect(try run.latest() == 3 && run.best() == 3)
    }
    // A fall-back to an older checkpoint, whose best is another one.
    var older = state
    (older.step, older.bestStep) = (2, 2)
    _ = try run.repairPointers(resuming: older)
    #expect(try run.latest() == 2 && run.best() == 2)
    // The best one is lost, and what `best` names is of a future that is computed again.
    try run.setBest(step: 3)
    (older.step, older.bestStep) = (2, 1)
    #expect(try run.repairPointers(resuming: older) == ["best named no checkpoint of this run and was removed."])
    #expect(try run.best() == nil)
  }

  @Test func aDamagedBestIsNamedAndCorrectedWhileTheRunGoesOn() throws {
    let scratch = try Scratch()
    let run = try begin(scratch, "run", damaged: false)
    try Data("step-2".utf8).write(to: URL(fileURLWithPath: run.path + "/best"))
    let summary = try RunSummary(of: run)
    #expect(summary.best == nil && summary.problems.count == 1)
    #expect(summary.lines.last?.contains("\"step-2\" is not the name of a checkpoint") == true)
    #expect(try run.nameBest(step: 9) == false)
    #expect(try run.nameBest(step: 3) == true)
    #expect(try run.best() == 3)
  }
}
