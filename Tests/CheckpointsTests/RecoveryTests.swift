import CheckpointSupport
@testable import Checkpoints
import Core
import Foundation
@testable import Safetensors
import Storage
import Testing

@Suite struct RecoveryTests {
  private func run(_ scratch: Scratch, steps: [Int]) throws -> RunFolder {
    let run = RunFolder(scratch.path + "/run")
    try run.prepare()
    for step in steps { try commit(run, step: step) }
    return run
  }

  @Test func aNewRunHasNothingToGoOnFrom() throws {
    let scratch = try Scratch()
    let recovery = try run(scratch, steps: []).newestIntact()
    #expect(recovery.checkpoint == nil)
    #expect(recovery.warnings.isEmpty)
  }

  @Test(arguments: ["config.json", "model.safetensors", "optimizer.safetensors", "state.json"])
  func aFlippedBitAnywhereIsSeenAndTheOlderCheckpointUsed(file: String) throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1, 2])
    let path = run.checkpointPath(step: 2) + "/" + file
    let size = try contents(of: path).count
    for byte in 0..<size {
      try flip(path, byte: byte, bit: byte % 8)
      defer { try? flip(path, byte: byte, bit: byte % 8) }
      // The one digit that says which version wrote it: what may be of a newer one is refused, not passed over.
      if file == "state.json", try contents(of: path).isOtherVersion {
        #expect(throws: CheckpointError.self) { try run.newestIntact() }
        continue
      }
      let recovery = try run.newestIntact()
      #expect(recovery.checkpoint?.step == 1, "byte \(byte) of \(file)")
      #expect(recovery.warnings.count == 1)
    }
    #expect(try run.newestIntact().checkpoint?.step == 2)
  }

  @Test func warningsNameTheCheckpointAndTheFile() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1, 2, 3, 4])
    try flip(run.checkpointPath(step: 4) + "/model.safetensors", byte: 200)
    try FileManager.default.removeItem(atPath: run.checkpointPath(step: 3) + "/config.json")
    try Data([1]).write(to: URL(fileURLWithPath: run.checkpointPath(step: 2) + "/optimizer.safetensors"))
    let recovery = try run.newestIntact()
    #expect(recovery.checkpoint?.step == 1)
    #expect(
      recovery.warnings == [
        "Checkpoint step-00000004 is not used: cannot trust \(run.checkpointPath(step: 4)): model.safetensors does not have the digest that state.json gives; the file is damaged.",
        "Checkpoint step-00000003 is not used: cannot trust \(run.checkpointPath(step: 3)): config.json is missing.",
        "Checkpoint step-00000002 is not used: cannot trust \(run.checkpointPath(step: 2)): optimizer.safetensors has 1 bytes instead of \(try contents(of: run.checkpointPath(step: 1) + "/optimizer.safetensors").count).",
      ])
  }

  @Test func aFolderWithoutStateOrOfAnotherStepIsNoCheckpoint() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1, 2])
    try FileManager.default.copyItem(atPath: run.checkpointPath(step: 2), toPath: run.checkpointPath(step: 9))
    try FileManager.default.removeItem(atPath: run.checkpointPath(step: 2) + "/state.json")
    let recovery = try run.newestIntact()
    #expect(recovery.checkpoint?.step == 1)
    #expect(recovery.warnings.map { $0.hasSuffix("its state.json is of step 2.") } == [true, false])
    #expect(recovery.warnings.last?.hasSuffix("it has no state.json, so it was never finished.") == true)
  }

  @Test func noIntactCheckpointStopsTheRun() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1])
    try flip(run.checkpointPath(step: 1) + "/config.json", byte: 0)
    let error = #expect(throws: CheckpointError.self) { try run.newestIntact() }
    #expect(error?.exitCode == .data)
    #expect(error?.description.contains("its only checkpoint is not intact") == true)
  }

  @Test func aStateOfAnotherVersionSaysSo() throws {
    let remedy =
      "Use the version of Lockstep that wrote it, or start a new run; what lockstep export of that version writes can be its init.from."
    var state = trainingState(step: 1)
    state.formatVersion = 3
    let later = try StateDocument(files: [:], training: state).encoded()
    #expect(
      sentence { _ = try StateDocument(decoding: later, path: "state.json") }
        == "cannot read state.json: it has format version 3, and this program reads version 2. \(remedy)")
    // Earlier versions wrote keys in camelCase.
    let earlier = Array(#"{"files":{},"training":{"formatVersion":1,"step":1},"sha256":"0"}"#.utf8)
    #expect(
      sentence { _ = try StateDocument(decoding: earlier, path: "state.json") }
        == "cannot read state.json: it has format version 1, and this program reads version 2. \(remedy)")
  }

  @Test func whatCannotBeReadIsNeitherPassedOverNorReplaced() throws {
    for (operation, name) in [
      ("open", "model.safetensors"), ("open", "state.json"), ("look at", "optimizer.safetensors"),
      ("look at", "state.json"), ("list", "checkpoints"),
    ] {
      for code in [EACCES, ESTALE, EIO] {
        let scratch = try Scratch()
        let run = try run(scratch, steps: [1, 2])
        let before = try tree(run.path)
        let fault: FileFaults.Fault = {
          $0 == operation && $1.hasSuffix(name) && ($1.contains("step-00000002") || name == "checkpoints") ? code : nil
        }
        let error = #expect(throws: CheckpointError.self, "\(operation) \(name)") {
          try FileFaults.injecting(fault) { try run.newestIntact() }
        }
        #expect(error?.exitCode == .inputOutput)
        #expect(error?.description.contains("begin again") == false)
        guard name != "checkpoints" else { continue }
        #expect(error?.description.contains("nothing was changed") == true)
        // Nor by a save of the same step, by a process that cannot read what is there.
        let refused = #expect(throws: CheckpointError.self) {
          try FileFaults.injecting(fault) { try commit(run, step: 2) }
        }
        #expect(refused?.exitCode == .inputOutput)
        #expect(try tree(run.path) == before)
      }
    }
  }

  @Test func pointersThatCannotBeReadAreNotCorrected() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1, 2])
    try run.setBest(step: 1)
    let state = try run.checkpoint(step: 1).state
    for name in ["latest", "best"] {
      let fault: FileFaults.Fault = { $0 == "open" && $1.hasSuffix("/" + name) ? EIO : nil }
      let error = #expect(throws: CheckpointError.self) {
        try FileFaults.injecting(fault) { _ = try run.repairPointers(resuming: state) }
      }
      #expect(error?.exitCode == .inputOutput, "\(name)")
    }
  }

  @Test func aNewerCheckpointIsRefusedAndNeverReplaced() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1, 2])
    let path = run.checkpointPath(step: 2) + "/state.json"
    let text = String(decoding: try contents(of: path), as: UTF8.self)
    try Data(text.replacingOccurrences(of: "\"format_version\":2", with: "\"format_version\":3").utf8).write(
      to: URL(fileURLWithPath: path))
    let before = try tree(run.path)
    let error = #expect(throws: CheckpointError.self) { try run.newestIntact() }
    #expect(error?.isOtherVersion == true && error?.description.contains("format version 3") == true)
    #expect(throws: CheckpointError.self) { try commit(run, step: 2) }
    #expect(try run.prune(RetentionPolicy(keepLast: 1)) == [])
    #expect(try tree(run.path) == before)
  }

  @Test func aMissingStepIsToldWithThoseThatAreThere() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1, 5])
    #expect(
      sentence { _ = try run.checkpoint(step: 3) }.hasSuffix("there is no such checkpoint. There are steps 1, 5."))
  }

  // MARK: - Retention

  @Test func theLastTheRegularAndTheBestStay() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [10, 20, 30, 40, 50, 60])
    try run.setBest(step: 20)
    #expect(try run.prune(RetentionPolicy(keepLast: 2, everySteps: 30)) == [10, 40])
    #expect(try run.steps() == [20, 30, 50, 60])
    #expect(try run.prune(RetentionPolicy(keepLast: 1)) == [30, 50])
    #expect(try run.steps() == [20, 60])
    #expect(try Folders.names(in: run.checkpointsPath).count == 2)
  }

  @Test func aDamagedCheckpointCostsNoIntactOneItsPlace() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1, 2, 3])
    try FileManager.default.removeItem(atPath: run.checkpointPath(step: 3) + "/state.json")
    #expect(try run.prune(RetentionPolicy(keepLast: 1)) == [1])
    #expect(try run.steps() == [2, 3])
  }

  // MARK: - Inspection

  @Test func aRunIsDescribedInLines() throws {
    let scratch = try Scratch()
    let run = try run(scratch, steps: [1, 2])
    try run.setBest(step: 1)
    try flip(run.checkpointPath(step: 2) + "/config.json", byte: 0)
    let summary = try RunSummary(of: run)
    #expect(summary.lines[0] == "\(run.path): 2 checkpoints")
    #expect(summary.lines[1] == "  step 1: intact, 497 bytes, best")
    #expect(summary.lines[2].hasPrefix("  step 2: DAMAGED, cannot trust"))
    #expect(summary.lines[2].hasSuffix(", latest"))
    #expect(
      try JSONDecoder.snakeCase().decode(RunSummary.self, from: JSONEncoder.snakeCase().encode(summary)) == summary)
    #expect(
      CheckpointSummary(of: run.checkpointPath(step: 1)).lines == [
        "step 1: intact, 497 bytes", "  1024 tokens seen", "  config.json: 9 bytes", "  model.safetensors: 240 bytes",
        "    b F32 [7]",
        "    w F32 [3, 5]", "  optimizer.safetensors: 248 bytes", "    m.b F32 [7]", "    m.w F32 [3, 5]",
      ])
  }

  @Test func sizesAreReadable() {
    #expect(
      [0, 1023, 1024, 1536, 1 << 20, 5 << 40].map(byteText) == [
        "0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "1.0 MiB", "5.0 TiB",
      ])
  }
}

extension [UInt8] {
  /// Whether a state.json reads as one of a later version.
  fileprivate var isOtherVersion: Bool {
    do { _ = try StateDocument(decoding: self, path: "state.json") } catch { return error.isOtherVersion }
    return false
  }
}
