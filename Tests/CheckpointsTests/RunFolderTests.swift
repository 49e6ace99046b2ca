import CheckpointSupport
@testable import Checkpoints
import Core
import Foundation
@testable import Safetensors
import Storage
import Tensors
import Testing

@Suite struct RunFolderTests {
  @Test func aCheckpointHasTheLayoutAndLatestNamesIt() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path + "/runs/a")
    try run.prepare()
    #expect(try commit(run, step: 1000) == .written)
    let folder = run.path + "/checkpoints/step-00001000"
    #expect(
      try Folders.names(in: folder) == ["config.json", "model.safetensors", "optimizer.safetensors", "state.json"])
    #expect(try contents(of: run.path + "/latest") == Array("step-00001000\n".utf8))
    #expect(try Folders.names(in: run.checkpointsPath) == ["step-00001000"])
    #expect(try run.latest() == 1000)
    #expect(try run.best() == nil)
  }

  @Test func twoCheckpointsOfAStepAreEqualFiles() throws {
    let scratch = try Scratch()
    let runs = [RunFolder(scratch.path + "/a"), RunFolder(scratch.path + "/b")]
    for run in runs {
      try run.prepare()
      try commit(run, step: 3)
    }
    #expect(try tree(runs[0].path) == tree(runs[1].path))
    #expect(try tree(runs[0].path).count == 5)
  }

  @Test func theStateComesBackToTheLastBit() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    try commit(run, step: 3)
    let state = try run.checkpoint(step: 3).state
    #expect(state == trainingState(step: 3))
  }

  @Test func aReplayThatGivesTheSameBytesKeepsTheFirst() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    try commit(run, step: 3)
    let before = try tree(run.path)
    #expect(try commit(run, step: 3) == .alreadyThere)
    #expect(try tree(run.path) == before)
  }

  @Test func aReplayThatGivesOtherBytesIsAnErrorAndKeepsTheFirst() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    try commit(run, step: 3)
    let before = try tree(run.path)
    let error = #expect(throws: CheckpointError.self) { try commit(run, step: 3, seed: 1) }
    #expect(error?.exitCode == .diverged)
    #expect(
      error?.problem
        == "the step was saved before, and computing it again gave other bytes in model.safetensors, optimizer.safetensors"
    )
    #expect(try tree(run.path) == before)
  }

  @Test func aReplayTakesThePlaceOfADamagedCheckpoint() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    try commit(run, step: 3)
    let before = try tree(run.path)
    try flip(run.checkpointPath(step: 3) + "/model.safetensors", byte: 200)
    guard case .replacedDamaged(let problem) = try commit(run, step: 3) else {
      Issue.record("the damaged checkpoint was kept")
      return
    }
    #expect(problem.contains("model.safetensors does not have the digest"))
    #expect(try tree(run.path) == before)
  }

  @Test func whatACrashLeftBehindIsRemovedAtTheNextStart() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    try commit(run, step: 1)
    // A process killed between writing and renaming leaves a complete folder under a temporary name.
    let left = [".tmp-0123456789abcdef-step-00000002", "latest.tmp-0123456789abcdef"]
    try FileManager.default.copyItem(atPath: run.checkpointPath(step: 1), toPath: run.checkpointsPath + "/" + left[0])
    _ = try scratch.write(left[1], [1])
    // What others put there under names of their own is theirs.
    let theirs = [
      "notes.tmp-mine", "latest.tmp-77", ".tmp-step-00000002", ".tmp-0123456789ABCDEF", ".tmp-0123456789abcdef-notes",
    ]
    for name in theirs { _ = try scratch.write(name, [1]) }
    #expect(try run.newestIntact().checkpoint?.step == 1)
    #expect(try run.newestIntact().warnings == [])
    #expect(try Set(run.prepare()) == Set(left))
    #expect(try Folders.names(in: run.checkpointsPath) == ["step-00000001"])
    #expect(try commit(run, step: 2) == .written)
  }

  @Test func aPointerThatNamesNothingIsAnErrorSoThatTheBestIsNeverPruned() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    for step in 1...3 { try commit(run, step: step) }
    let path = try scratch.write("best", Array("step-2".utf8))
    #expect(
      sentence { _ = try run.prune(RetentionPolicy(keepLast: 1)) }
        == "cannot read \(path): \"step-2\" is not the name of a checkpoint. Write one such as step-00001000, or remove the file."
    )
    #expect(try run.steps() == [1, 2, 3])
  }

  @Test func aFolderThatCannotBeListedIsNotAnEmptyRun() throws {
    let scratch = try Scratch()
    _ = try scratch.write("checkpoints", [])
    let error = #expect(throws: CheckpointError.self) { try RunFolder(scratch.path).newestIntact() }
    #expect(error?.description == "cannot list \(scratch.path)/checkpoints: Not a directory.")
  }

  @Test func theStateTravelsAsBytes() throws {
    let bytes = try trainingState(step: 4).encoded()
    #expect(try TrainingState(decoding: bytes) == trainingState(step: 4))
    var damaged = bytes
    damaged[20] ^= 1
    #expect(
      sentence { _ = try TrainingState(decoding: damaged) }
        == "cannot read the training state: its digest does not match its content.")
  }

  @Test func launchesAreNumberedAndTheConfigurationIsKept() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path + "/new/")
    #expect(try run.configuration() == nil)
    try run.prepare()
    try run.writeConfiguration("seed = 1\n")
    #expect(try run.configuration() == "seed = 1\n")
    #expect(try run.writeLaunch([0x7B, 0x7D]) == scratch.path + "/new/launches/0001.json")
    #expect(try run.writeLaunch([0x7B, 0x7D]) == scratch.path + "/new/launches/0002.json")
  }

  @Test func namesOfCheckpointsSortAsTheirSteps() {
    #expect(RunFolder.checkpointName(step: 7) == "step-00000007")
    #expect(RunFolder.checkpointName(step: 123_456_789) == "step-123456789")
    #expect(RunFolder.step(ofCheckpointNamed: "step-00000007") == 7)
    for name in ["step-7", "step-000000007", "step--0000001", "step-0000000a", "xstep-00000007"] {
      #expect(RunFolder.step(ofCheckpointNamed: name) == nil, "\(name)")
    }
  }

  @Test func aFolderIsClaimedByOneAtATime() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    var claim: RunClaim? = try run.claim()
    #expect(sentence { _ = try run.claim() }.contains("another process is training in this folder"))
    withExtendedLifetime(claim) {}
    claim = nil
    _ = try run.claim()
  }

  @Test func aRefusalSaysWhoHoldsTheFolder() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    let claim = try run.claim()
    try claim.sign()
    let error = #expect(throws: CheckpointError.self) { try run.claim() }
    #expect(error?.exitCode == .claimed)
    #expect(error?.problem.contains("process \(getpid()) on \(ProcessInfo.processInfo.hostName)") == true)
    // Where the kernel does not list the holder, another host has it.
    let holder = RunHolder(host: "node7", pid: 12, since: 1_700_000_000)
    #expect(RunHolder(Array(holder.json.utf8)) == holder)
    #expect(holder.text == "process 12 on node7, since 2023-11-14 22:13:20 UTC")
    for text in ["", "{}", "[1]", "{\"host\":\"a\",\"pid\":1,\"since\":1e300}"] {
      #expect(RunHolder(Array(text.utf8)) == nil, "\(text)")
    }
    withExtendedLifetime(claim) {}
  }

  @Test func aRefusedStartLeavesNoFolderBehind() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path + "/runs/new")
    let claim = try run.claim()
    claim.undo()
    #expect(!FileManager.default.fileExists(atPath: scratch.path + "/runs"))
    // One that was there, or that holds anything, stays.
    try FileManager.default.createDirectory(atPath: run.path, withIntermediateDirectories: true)
    try run.claim().undo()
    #expect(FileManager.default.fileExists(atPath: run.path))
  }

  @Test func recordsOfStartsAreBounded() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    for _ in 0..<RunFolder.launchesKept + 5 { try run.writeLaunch([0x7B, 0x7D]) }
    let numbers = try run.launches()
    #expect(numbers.count == RunFolder.launchesKept)
    #expect(numbers.first == 1 && numbers[1] == 7 && numbers.last == RunFolder.launchesKept + 5)
  }

  @Test(arguments: [
    "config.toml", "metrics.jsonl", "ledger.jsonl", "latest", "best", "curve.svg", "launches", "checkpoints",
  ])
  func linksAreRefused(name: String) throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path + "/run")
    let target = try scratch.write("target", [1, 2, 3])
    try FileManager.default.createDirectory(atPath: run.path, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: run.path + "/" + name, withDestinationPath: target)
    let error = #expect(throws: CheckpointError.self) { try run.prepare() }
    #expect(error?.exitCode == .inputOutput && error?.problem == FileKind.linkReason)
    #expect(try contents(of: target) == [1, 2, 3])
    #expect(try Folders.names(in: run.path) == [name])
  }

  @Test func anAtomicWriteKeepsLinksAndForeignFiles() throws {
    let scratch = try Scratch()
    let target = try scratch.write("target", [1])
    try FileManager.default.createSymbolicLink(atPath: scratch.path + "/link", withDestinationPath: target)
    #expect(throws: FileError.self) { try AtomicFile.write([2], to: scratch.path + "/link") }
    #expect(try contents(of: target) == [1])
    #expect(throws: FileError.self) { try [UInt8]([2]).withUnsafeBytes { try AtomicFile.writeDurably($0, to: target) } }
    #expect(try contents(of: target) == [1])
    try AtomicFile.write([3], to: target)
    #expect(try contents(of: target) == [3])
    #expect(try Folders.names(in: scratch.path) == ["link", "target"])
  }

  // MARK: - Failing writes

  @Test func aFailingFileLeavesNothingBehindAndNamesPathAndReason() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    try commit(run, step: 1)
    let before = try tree(run.path)
    var contents = checkpoint(step: 2)
    let name = String(repeating: "z", count: 300)
    contents.byteFiles[name] = [1]
    let error = #expect(throws: CheckpointError.self) { try run.commit(contents) }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.operation == "create" && error?.problem == "File name too long")
    #expect(
      error?.path.hasPrefix(run.checkpointsPath + "/.tmp-") == true
        && error?.path.hasSuffix("-step-00000002/" + name) == true)
    #expect(try tree(run.path) == before)
    #expect(try Folders.names(in: run.checkpointsPath) == ["step-00000001"])
  }

  @Test func aFileLargerThanTheSystemAllowsIsAnErrorOfInputAndOutput() throws {
    let scratch = try Scratch()
    let run = RunFolder(scratch.path)
    try run.prepare()
    try commit(run, step: 1)
    let before = try tree(run.path)
    let contents = checkpoint(step: 2, size: 6 << 20)
    let error = #expect(throws: CheckpointError.self) {
      try FileFaults.injecting({ operation, path in
        operation == "write" && path.hasSuffix("/model.safetensors") ? EFBIG : nil
      }) { try run.commit(contents) }
    }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.description.contains("-step-00000002/model.safetensors: File too large") == true)
    #expect(try tree(run.path) == before)
    #expect(try run.newestIntact().checkpoint?.step == 1)
  }

  @Test func aFolderThatCannotBeCreatedIsNamed() throws {
    let scratch = try Scratch()
    _ = try scratch.write("file", [])
    let error = #expect(throws: CheckpointError.self) { try RunFolder(scratch.path + "/file/run").prepare() }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.problem == "Not a directory")
  }
}
