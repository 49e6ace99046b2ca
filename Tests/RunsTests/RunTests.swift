@testable import Checkpoints
import Collectives
@testable import Configuration
import Core
import Data
import Foundation
@testable import Machine
import Objectives
@testable import Runs
@testable import Safetensors
import Storage
import Synchronization
import Tensors
import Testing

/// A folder for runs, removed at the end.
private final class Runs: Sendable {
  let path = NSTemporaryDirectory() + "lockstep-training-" + UUID().uuidString

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func configuration(steps: Int, _ machine: String = "", validationSteps: Int = 2) throws -> RunConfiguration {
    try RunConfiguration(
      toml: """
        name = "run"
        seed = 3
        [data]
        corpus = "made here"
        [objective]
        name = "ar"
        [model]
        max_position = 8
        hidden_size = 16
        num_layers = 1
        num_heads = 2
        [batch]
        samples = 4
        micro_batch = 2
        [schedule]
        type = "constant"
        [duration]
        steps = \(steps)
        [machine]
        runs = "\(path)"
        progress = "none"
        validation_steps = \(validationSteps)
        validation_samples = 4
        \(machine)
        """, place: "test")
  }

  var inputs: RunInputs {
    let source = SyntheticDataset(vocabulary: Vocabulary(size: 53), context: 8, seed: 1)
    return RunInputs(
      training: source, validation: source, vocabulary: Vocabulary(size: 53),
      tokenizerFiles: ["tokenizer.json": [0x7B, 0x7D]], dataHash: "d")
  }

  func run(steps: Int, _ machine: String = "", validationSteps: Int = 2, acceptArithmetic: Bool = false) throws
    -> TrainingRun
  {
    try TrainingRun(
      try configuration(steps: steps, machine, validationSteps: validationSteps), inputs, communicator: SingleRank(),
      threads: 1,
      .init(acceptArithmetic: acceptArithmetic))
  }

  var folder: RunFolder { RunFolder(path + "/run") }

  func weights(_ step: Int) throws -> Data {
    try Foundation.Data(contentsOf: URL(fileURLWithPath: folder.checkpointPath(step: step) + "/model.safetensors"))
  }

  /// Makes a checkpoint say that it was computed in a different numerical environment.
  func rewriteArithmetic(step: Int, probe: String) throws -> Arithmetic {
    let path = folder.checkpointPath(step: step) + "/state.json"
    var document = try StateDocument(decoding: Folders.read(path), path: path)
    document.training.arithmetic?["probe"] = probe
    try Foundation.Data(document.encoded()).write(to: URL(fileURLWithPath: path))
    return try #require(Arithmetic(fields: document.training.arithmetic ?? [:]))
  }
}

@Suite(.serialized) struct RunTests {
  @Test func checkpointsByTheClockTakeEveryStepTheWriterIsFreeAndChangeNoBit() throws {
    let (plain, clock) = (Runs(), Runs())
    #expect(try plain.run(steps: 12).execute() == .finished(step: 12))
    #expect(try clock.run(steps: 12, "checkpoint_minutes = 1e-9\nkeep_last = 100").execute() == .finished(step: 12))
    #expect(try clock.folder.steps().count > 3)
    #expect(try plain.weights(12) == clock.weights(12))
    for step in try clock.folder.steps() { #expect(try clock.folder.checkpoint(step: step).step == step) }
  }

  @Test func checkpointsByStepsAreAtThoseStepsAndNoneElsewhere() throws {
    let runs = Runs()
    _ = try runs.run(steps: 9, "checkpoint_steps = 4\nkeep_last = 100", validationSteps: 100).execute()
    let steps = try runs.folder.steps()
    // The second is taken later where the writer has not finished the first.
    #expect(steps.first == 4 && steps.last == 9 && (2...3).contains(steps.count))
    let none = Runs()
    _ = try none.run(steps: 9, "keep_last = 100", validationSteps: 100).execute()
    #expect(try none.folder.steps() == [9])
    let kept = Runs()
    _ = try kept.run(steps: 9, "keep_every_steps = 3\nkeep_last = 1", validationSteps: 100).execute()
    #expect(try kept.folder.steps() == [3, 6, 9])
  }

  @Test func bestNamesTheStepOfTheState() throws {
    let runs = Runs()
    _ = try runs.run(steps: 7).execute()
    let state = try runs.folder.checkpoint(step: 7).state
    #expect(try runs.folder.best() == state.bestStep)
    #expect(state.bestStep.map { runs.folder.isWhole(step: $0) } == true)
  }

  @Test func aRunThatWasKilledBetweenSavingAndNamingNamesTheBestAgain() throws {
    let runs = Runs()
    _ = try runs.run(steps: 6).execute()
    let best = try #require(try runs.folder.best())
    for name in ["best", "latest"] { try FileManager.default.removeItem(atPath: runs.folder.path + "/" + name) }
    #expect(try runs.run(steps: 6).execute() == .alreadyFinished(step: 6))
    #expect(try runs.folder.best() == best && runs.folder.latest() == 6)
  }

  // MARK: - Arithmetic

  @Test func acceptedArithmeticThatNeverSavedDoesNotMisleadTheNextStart() throws {
    let runs = Runs()
    _ = try runs.run(steps: 4).execute()
    let before = try runs.rewriteArithmetic(step: 4, probe: "another machine's")
    let error = #expect(throws: DivergenceError.self) { try runs.run(steps: 8).execute() }
    #expect(error?.description.contains("the same computations give other bits here and there") == true)
    // Accepted, and killed before it saved anything: it leaves the record of a start and no checkpoint.
    #expect(try runs.run(steps: 4, acceptArithmetic: true).execute() == .alreadyFinished(step: 4))
    #expect(throws: DivergenceError.self) { try runs.run(steps: 8).execute() }
    #expect(try runs.run(steps: 8, acceptArithmetic: true).execute() == .finished(step: 8))
    let state = try runs.folder.checkpoint(step: 8).state
    let change = ArithmeticBreak(step: 4, from: before.fields, to: Arithmetic.current().fields)
    #expect(state.arithmeticBreaks == [change])
    #expect(state.arithmetic == Arithmetic.current().fields)
    // From here on the run belongs to this machine, and the break stays on record.
    #expect(try runs.run(steps: 10).execute() == .finished(step: 10))
    #expect(try runs.folder.checkpoint(step: 10).state.arithmeticBreaks == [change])
    let launches = try FileManager.default.contentsOfDirectory(atPath: runs.folder.launchesPath).sorted()
    let records = try launches.map {
      try JSONDecoder.snakeCase().decode(
        LaunchRecord.self, from: Foundation.Data(contentsOf: URL(fileURLWithPath: runs.folder.launchesPath + "/" + $0)))
    }
    #expect(records.map { $0.arithmeticBreak == change } == [false, true, true, false])
    #expect(records[0].hosts == [.init(name: ProcessInfo.processInfo.hostName, ranks: 1)])
    #expect(records[0].mpi.contains("MPI") && !records[0].processor.model.isEmpty)
  }

  @Test func anotherCPUIsNamedWithTheFeaturesThatDiffer() throws {
    let runs = Runs()
    _ = try runs.run(steps: 2).execute()
    let there = try runs.rewriteArithmetic(step: 2, probe: "another machine's")
    let path = runs.folder.launchesPath + "/0001.json"
    var record = try JSONDecoder.snakeCase().decode(
      LaunchRecord.self, from: Foundation.Data(contentsOf: URL(fileURLWithPath: path)))
    record.arithmetic = there
    record.processor.features.append("avx1024")
    try Foundation.Data(record.encoded()).write(to: URL(fileURLWithPath: path))
    let error = #expect(throws: DivergenceError.self) { try runs.run(steps: 4).execute() }
    #expect(
      error?.description.contains("on another CPU or library: only there are avx1024.") == true,
      "\(error.map { "\($0)" } ?? "")")
  }

  @Test func processorsAreReadFromTheKernelsText() {
    let x86 = Processor(
      cpuinfo:
        "vendor_id : GenuineIntel\nprocessor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu vme smep avx2 fma avx512f avx2\n\nmodel name\t: B\nflags : sse\n"
    )
    #expect(x86 == Processor(model: "A CPU", features: ["avx2", "avx512f", "fma"]))
    let arm = Processor(
      cpuinfo: "processor : 0\nFeatures : fp asimd sve2 crc32\nCPU implementer : 0x41\nCPU part : 0xd40\n")
    #expect(arm == Processor(model: "Arm 0x41 part 0xd40", features: ["asimd", "sve2"]))
    #expect(x86.difference(from: arm) == "only here are avx2, avx512f, fma, only there are asimd, sve2")
    #expect(x86.difference(from: x86) == nil)
    #expect(x86.difference(from: Processor(model: "C", features: x86.features)) == "the CPU is A CPU here and C there")
  }

  // MARK: - Damage

  @Test(arguments: ["", "seed = [", "\u{0}\u{1}"]) func aDamagedConfigurationIsWrittenAnewFromTheSameOne(text: String)
    throws
  {
    let runs = Runs()
    _ = try runs.run(steps: 2).execute()
    let whole = try runs.folder.configuration()
    try Foundation.Data(text.utf8).write(to: URL(fileURLWithPath: runs.folder.configurationPath))
    #expect(try runs.run(steps: 4).execute() == .finished(step: 4))
    #expect(try runs.folder.configuration() == whole?.replacingOccurrences(of: "\nsteps = 2\n", with: "\nsteps = 4\n"))
    // Another configuration is refused all the same, and what differs cannot be named.
    try Foundation.Data(text.utf8).write(to: URL(fileURLWithPath: runs.folder.configurationPath))
    var other = try runs.configuration(steps: 4)
    other.experimentHash = "other"
    let error = #expect(throws: ConfigurationError.self) {
      try TrainingRun(other, runs.inputs, communicator: SingleRank(), threads: 1)
    }
    #expect(
      error?.description.contains("holds a run of another configuration (its config.toml cannot be read)") == true)
  }

  @Test func aFlippedDigitInTheConfigurationIsNotAnotherExperiment() throws {
    let runs = Runs()
    _ = try runs.run(steps: 2).execute()
    let text = try #require(try runs.folder.configuration())
    try Foundation.Data(text.replacingOccurrences(of: "seed = 3", with: "seed = 7").utf8)
      .write(to: URL(fileURLWithPath: runs.folder.configurationPath))
    #expect(try runs.run(steps: 2).execute() == .alreadyFinished(step: 2))
    #expect(try runs.folder.configuration() == text)
  }

  @Test func damagedPointersMetricsAndLaunchesAreHealed() throws {
    let runs = Runs()
    _ = try runs.run(steps: 4, "log_steps = 1").execute()
    let best = try runs.folder.best()
    let metrics = try String(contentsOfFile: runs.folder.metricsPath, encoding: .utf8)
    for name in ["latest", "best"] {
      try Foundation.Data([0xFF, 0]).write(to: URL(fileURLWithPath: runs.folder.path + "/" + name))
    }
    try Foundation.Data((metrics + "{\"step\":\n\u{0}\u{0}\n").utf8).write(
      to: URL(fileURLWithPath: runs.folder.metricsPath))
    try Foundation.Data([0xFF]).write(to: URL(fileURLWithPath: runs.folder.launchesPath + "/0001.json"))
    #expect(LaunchRecord.unreadable(in: runs.folder) == ["0001.json"])
    #expect(try runs.run(steps: 4).execute() == .alreadyFinished(step: 4))
    #expect(try runs.folder.best() == best && runs.folder.latest() == 4)
    #expect(try String(contentsOfFile: runs.folder.metricsPath, encoding: .utf8) == metrics)
    #expect(FileManager.default.fileExists(atPath: runs.folder.launchesPath + "/0002.json"))
  }
}
