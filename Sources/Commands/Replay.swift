import ArgumentParser
import Audit
import Checkpoints
import Collectives
import Configuration
import Core
import Foundation
import Kernels
import Machine
import Metrics
import Runs
import Storage

struct Replay: ComputingCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Computes one past step of a run again, sample by sample, and compares it bit for bit with what was recorded.",
    discussion: """
      Example: lockstep replay runs/quickstart --step 68

      Steps are numbered as in metrics.jsonl: step 68 ends with 68 finished steps. The nearest checkpoint before it is verified and \
      loaded, steps between are run, and nothing is written into the run folder; the run may still be in progress, and the folder may be \
      read-only. Every logged step on the way is compared: losses, gradient norm, learning rate; where the step has a checkpoint, \
      all its tensors. Exit codes: 0 everything recorded matches, 4 something differs, 3 data is missing, 2 there is no such step.

      The gradient norm of a micro-batch is that of its contribution to the step's gradient. The table is the same on any ranks and threads.
      """)

  @Argument(help: "The run folder.") var path: String
  @Option(parsing: .unconditional, help: "The step, as metrics.jsonl and the display number it.") var step: Int?
  @Option(parsing: .unconditional, help: "Where the corpus is now; by default where the configuration says.")
  var corpus: String?
  @Option(
    name: .customLong("set"), parsing: .unconditionalSingleValue,
    help: "Overrides a key of [machine]: --set machine.threads=2. May be repeated.") var settings: [String] = []
  @Option(parsing: .unconditional, help: "Computing threads per rank; 0 takes the CPUs this rank may use.") var threads:
    Int?
  @Flag(help: "One JSON object instead of a table.") var json = false

  var continuedRun: (core: String, folder: String)? {
    RecordedKernel.ofStep(step, in: RunFolder(path)).map { ($0, path) }
  }

  func run() throws {
    try Job.run(.withoutSettings) { communicator in
      BLAS.useOneThread()
      let configuration = try open(communicator)
      try communicator.exchangeHostNames()
      // A rank may read a large corpus or checkpoint while the others wait.
      communicator.stallSeconds = configuration.machine.stallSeconds > 0 ? 10 * configuration.machine.stallSeconds : nil
      let (past, step) = try choose(communicator)
      let threads = try Job.collectively(communicator) {
        try ComputingThreads.count(self.threads ?? configuration.machine.threads, communicator)
      }
      let replay = try Job.collectively(communicator) {
        let inputs = try CorpusInputs.open(configuration, verify: communicator.localRank == 0)
        try past?.requireData(inputs.dataHash, in: configuration.data.corpus)
        try RunPlan(configuration, inputs, ranks: communicator.size, threads: threads).requireMemory(
          .current, ranksHere: communicator.localSize, savesHere: false)
        return try Audit.Replay(
          past, configuration, inputs, communicator: communicator, threads: threads, warn: Self.warn,
          report: { StandardError.write($0 + "\n") }, meters: communicator.rank == 0 ? .standardError() : nil)
      }
      let (report, matches) = try replay(step: step)
      if communicator.rank == 0 { try show(report) }
      if !matches { throw Failure.Reported(code: .diverged) }
    }
  }

  private static func warn(_ text: String) { StandardError.write("warning: \(text)\n") }

  private func open(_ communicator: any Communicator) throws -> RunConfiguration {
    let folder = RunFolder(path)
    try Job.collectively(communicator) {
      if let other = settings.first(where: { !$0.hasPrefix("machine.") }) {
        throw ConfigurationError(
          "--set", is: other, rule: "a replay can change keys of machine only; all others decide the bits.")
      }
      guard communicator.rank > 0 || FileManager.default.fileExists(atPath: folder.configurationPath) else {
        throw DataError(
          path, "is not a run folder: it has no config.toml.",
          remedy: "Name a folder that lockstep train made, such as runs/quickstart.")
      }
    }
    var configuration = try ConfigurationFile.read(folder.configurationPath, settings: settings, communicator)
    if let corpus { configuration.data.corpus = corpus }
    return configuration
  }

  /// Rank 0 looks into the folder; all learn the step.
  private func choose(_ communicator: any Communicator) throws -> (past: PastRun?, step: Int) {
    let past = try Job.collectively(communicator) { communicator.rank == 0 ? try PastRun(RunFolder(path)) : nil }
    var step = [Int64(try Job.collectively(communicator) { try past?.require(self.step) ?? 0 })]
    try communicator.broadcastArray(&step)
    return (past, Int(step[0]))
  }

  private func show(_ report: ReplayReport) throws {
    if json { return try StandardOutput.line(prettyJSON(report)) }
    for line in report.lines(path) { try StandardOutput.line(line) }
    if let difference = report.arithmeticDifference, !report.matches {
      Self.warn("the step was run with a different numerical environment: \(difference). That alone changes bits.")
    }
  }
}

extension ReplayReport {
  func lines(_ path: String) -> [String] {
    let source = rebuiltFrom == 0 ? "the beginning of the run" : "the checkpoint of step \(rebuiltFrom)"
    return [
      "\(printableName(path)), step \(step), rebuilt from \(source)",
      "loss \(loss)  gradient norm \(gradNorm)  learning rate \(learningRate)", "",
    ]
      + table + [""] + verdict
  }

  private var table: [String] {
    let names =
      terms.count == 1 ? ["targets", "loss"] : terms.map { "targets of \($0)" } + terms.map { "loss of \($0)" }
    var rows = [["micro-batch", "gradient norm", "position", "sample"] + names]
    for batch in microBatches {
      for (i, sample) in batch.samples.enumerated() {
        let means = zip(sample.losses, sample.counts).map { sum, count in
          guard let sum, let count else { return "not reported" }
          return count > 0 ? String(format: "%.6f", sum / count) : "-"
        }
        rows.append(
          [
            i == 0 ? "\(batch.index)" : "", i == 0 ? String(format: "%.6f", batch.gradNorm) : "", "\(sample.position)",
            "\(sample.index)",
          ]
            + sample.counts.map { $0.map { "\(Int($0.rounded()))" } ?? "-" } + means)
      }
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      zip(row, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }.joined(separator: "  ")
    }
  }

  /// The first few steps and how many there are.
  private static func list(_ steps: [Int]) -> String {
    let shown = steps.prefix(6).map(String.init).joined(separator: ", ")
    return steps.count > 6 ? "\(shown), … \(steps[steps.count - 1]), \(steps.count) in all" : shown
  }

  private var verdict: [String] {
    guard matches else {
      let wrong = checks.filter { !$0.matches }
      return wrong.prefix(12).map { "DIFFERS at step \($0.step): \($0.what) was \($0.recorded) and is \($0.computed)" }
        + (wrong.count > 12 ? ["and \(wrong.count - 12) more"] : [])
    }
    let before = Set(checks.map(\.step)).filter { $0 < step }.sorted()
    func own(_ against: Check.Against) -> String {
      checks.filter { $0.step == step && $0.against == against }.map(\.what).joined(separator: ", ")
    }
    let (log, checkpoint) = (own(.log), own(.checkpoint))
    return [
      log.isEmpty ? nil : "matches the log bit for bit: \(log)",
      checkpoint.isEmpty ? nil : "matches its checkpoint bit for bit: \(checkpoint)",
      log.isEmpty && checkpoint.isEmpty
        ? "step \(step) itself was neither logged nor saved, so there is nothing to compare it with"
          + (nextRecorded.map { "; step \($0) is the next that was" } ?? "") : nil,
      before.isEmpty ? nil : "logged steps on the way match: \(Self.list(before))",
      "its parts agree with it: \(own(.parts))",
    ].compactMap { $0 }
  }
}
