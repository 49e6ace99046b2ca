@testable import Checkpoints
import Collectives
@testable import Configuration
import Core
import Foundation
@testable import Machine
import Metrics
@testable import Runs
@testable import Safetensors
import Storage
import Tensors
import Testing
@testable import Training

/// A run folder and what the saver needs of a run.
private final class Bench {
  let path = NSTemporaryDirectory() + "lockstep-saver-" + UUID().uuidString
  let record: RunRecord
  let saver: CheckpointSaver
  let parameters: ParameterStore
  let pool = WorkerPool(threads: 2)

  init(_ machine: String = "checkpoint_steps = 2", retrySeconds: [Double] = [0.01, 0.02]) throws {
    let configuration = try RunConfiguration(
      toml:
        "name = \"run\"\n[data]\ncorpus = \"c\"\n[duration]\nsteps = 100\n[machine]\nruns = \"\(path)\"\nprogress = \"none\"\nkeep_last = 100\n\(machine)\n",
      place: "test")
    record = try RunRecord(
      configuration, model: TrainingRun.model(configuration, DataShape(Vocabulary(size: 50))), steps: 100,
      plan: BatchPlan(batch: 32, microBatch: 8, ranks: 1, threads: 2), remarksOnShape: true)
    saver = CheckpointSaver(
      configuration.machine, communicator: SingleRank(), pool: pool, record: record, retrySeconds: retrySeconds)
    var layout = ParameterLayout()
    layout.append(ParameterSpec("w", [300, 9000], decay: true, .zeros))
    parameters = ParameterStore(layout)
  }

  deinit {
    pool.stop()
    try? FileManager.default.removeItem(atPath: path)
  }

  var folder: RunFolder { record.folder }

  func contents(_ step: Int, value: Float? = nil) -> CheckpointContents {
    parameters.all.fill(value ?? Float(step))
    return CheckpointContents(
      tensorFiles: ["model.safetensors": NamedTensor.all(of: parameters)],
      state: TrainingState(
        step: step, streamPosition: 0, samplesSeen: 0, tokensSeen: 0, objective: "ar", experimentHash: "e"))
  }

  /// Where checkpoints are to be, there is a file: every write fails, and no privilege helps.
  func block() throws {
    try FileManager.default.moveItem(atPath: folder.checkpointsPath, toPath: folder.path + "/aside")
    try Foundation.Data().write(to: URL(fileURLWithPath: folder.checkpointsPath))
  }

  func unblock() throws {
    try FileManager.default.removeItem(atPath: folder.checkpointsPath)
    try FileManager.default.moveItem(atPath: folder.path + "/aside", toPath: folder.checkpointsPath)
  }

  /// Lets the writer end and its result be taken.
  func drain() throws {
    while try !saver.collect() { usleep(1000) }
  }
}

@Suite struct CheckpointSaverTests {
  @Test func aFailedWriteIsToldAndTheNextOneTriedWhenItIsDue() throws {
    let bench = try Bench()
    #expect(try !bench.saver.isDue(finishing: 1) && bench.saver.isDue(finishing: 2))
    try bench.saver.save(bench.contents(2))
    try bench.drain()
    try bench.block()
    try bench.saver.save(bench.contents(4))
    try bench.drain()
    // Not at once, but when the next one is due.
    #expect(try !bench.saver.isDue(finishing: 5) && bench.saver.isDue(finishing: 6))
    try bench.unblock()
    #expect(try bench.folder.newestIntact().checkpoint?.step == 2)
    try bench.saver.save(bench.contents(6))
    try bench.drain()
    #expect(try bench.folder.steps() == [2, 6])
    #expect(try bench.folder.latest() == 6)
  }

  @Test func aCheckpointThatIsDueWhileTheWriterIsBusyIsTakenLater() throws {
    let bench = try Bench()
    let release = DispatchSemaphore(value: 0)
    bench.saver.writer.start {
      release.wait()
      return []
    }
    #expect(try !bench.saver.isDue(finishing: 2) && !bench.saver.isDue(finishing: 3))
    release.signal()
    try bench.drain()
    #expect(try bench.saver.isDue(finishing: 5))
    try bench.saver.save(bench.contents(5))
    try bench.drain()
    #expect(try !bench.saver.isDue(finishing: 7) && bench.saver.isDue(finishing: 8))
  }

  @Test func theLastSaveIsTriedAgainAndThenEndsTheRun() throws {
    let bench = try Bench()
    try bench.saver.save(bench.contents(2))
    try bench.drain()
    try bench.block()
    let error = #expect(throws: SavingError.self) { try bench.saver.saveLast(bench.contents(3)) }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.description.contains("of step 3, could not be saved in 3 attempts: cannot create ") == true)
    #expect(
      error?.description.hasSuffix(
        "Not a directory. The newest is that of step 2; run the same command again when the disk can be written.")
        == true)
    try bench.unblock()
    #expect(try bench.folder.newestIntact().checkpoint?.step == 2)
  }

  @Test func oneReasonIsOneFailureWhateverTheFileAndTheStep() {
    let reasons: [any Error] = [
      FileError(
        "write", "runs/a/ledger.jsonl", reason: "No space left on device", remedy: "61 of 507 bytes were written."),
      FileError("create", "runs/a/.tmp-0123456789abcdef-step-00000020", reason: "No space left on device"),
      CheckpointError("rename", "runs/a/x", "to runs/a/checkpoints/step-00000030: No space left on device"),
    ]
    #expect(
      Set(reasons.map { RunRecord.reason($0).replacingOccurrences(of: "to ", with: "") }) == ["No space left on device"]
    )
    #expect(RunRecord.reason(FileError("write", "a", reason: "Permission denied")) != RunRecord.reason(reasons[0]))
  }

  @Test func theLastSaveSucceedsOnceTheDiskDoes() throws {
    let bench = try Bench(retrySeconds: [0.2, 0.5, 30])
    // The curve has nothing to draw from, but a log without records is fine.
    try bench.record.start(bench.launch())
    try bench.block()
    let path = bench.folder.checkpointsPath
    Thread.detachNewThread {
      usleep(100_000)
      try? FileManager.default.removeItem(atPath: path)
    }
    try bench.saver.saveLast(bench.contents(3))
    #expect(try bench.folder.newestIntact().checkpoint?.step == 3)
  }

  @Test func otherBytesOfAStepEndTheRun() throws {
    let bench = try Bench()
    try bench.saver.save(bench.contents(2))
    try bench.drain()
    try bench.saver.save(bench.contents(2, value: 7))
    let error = #expect(throws: CheckpointError.self) { try bench.drain() }
    #expect(error?.exitCode == .diverged)
    let last = try Bench()
    try last.saver.save(last.contents(2))
    #expect(throws: CheckpointError.self) { try last.saver.saveLast(last.contents(2, value: 7)) }
  }

  @Test func aRunFolderThatVanishedIsMadeAgainWithItsConfiguration() throws {
    let bench = try Bench()
    try bench.record.start(bench.launch())
    try FileManager.default.removeItem(atPath: bench.path)
    try bench.saver.save(bench.contents(2))
    try bench.drain()
    #expect(try bench.folder.newestIntact().checkpoint?.step == 2)
    #expect(try bench.folder.configuration()?.contains("name = \"run\"") == true)
    // Another process cannot take the folder that was made again.
    #expect(throws: CheckpointError.self) { try bench.folder.claim() }
  }
}

extension Bench {
  func launch() throws -> LaunchRecord {
    LaunchRecord(
      step: 0, ranks: 1, threads: 1, hosts: [], time: 0, command: [], version: "", mpi: "",
      processor: Processor.current(),
      arithmetic: Arithmetic(binary: "", blas: "", core: "", probe: ""), dataHash: "", experimentHash: "",
      sgemmGflops: 1,
      kernel: .current, bestSgemmGflops: 1)
  }
}
