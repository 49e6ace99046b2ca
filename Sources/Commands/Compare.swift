import ArgumentParser
import Audit
import Checkpoints
import Collectives
import Comparison
import Core
import Foundation
import Kernels
import Machine
import Runs
import Storage

struct Compare: ComputingCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Trains several arms side by side at equal budget and several seeds, measures them, and writes a report with verdicts.",
    discussion: """
      Example: mpirun -n 2 lockstep compare configs/compare/ahead-or-around.toml --set seeds=3

      The same command again resumes: trained runs and measured results are kept, and the report is written again. \
      report.html, report.md, report.json, tables as CSV, and figures as SVG and CSV are written to folder/name. \
      docs/comparisons.md says how to read them.
      """)

  @Argument(help: "The comparison, a TOML file.") var file: String
  @Option(
    name: .customLong("set"), parsing: .unconditionalSingleValue,
    help: "Overrides a key: --set budget.steps=50. May be repeated.") var settings: [String] = []
  @Option(parsing: .unconditional, help: "Computing threads per rank; 0 takes the CPUs this rank may use.")
  var threads = 0
  @Flag(help: "Only report what each arm would do with the budget.") var dryRun = false

  var continuedRun: (core: String, folder: String)? {
    guard let text = try? ConfigurationFile.text(file),
      let comparison = try? ComparisonFile(toml: text, place: file, settings: settings),
      let names = try? FileManager.default.contentsOfDirectory(atPath: comparison.path + "/runs")
    else { return nil }
    // All runs of a comparison are computed alike, so any of them has it.
    return names.sorted().lazy.compactMap { RecordedKernel.newest(in: RunFolder("\(comparison.path)/runs/\($0)")) }
      .first.map { ($0, comparison.path) }
  }

  func run() throws {
    if dryRun { StopRequest.remove() } else { StopRequest.install() }
    try Job.run(.withoutSettings) { communicator in
      BLAS.useOneThread()
      let text = try shared(communicator)
      try communicator.exchangeHostNames()
      let threads = try Job.collectively(communicator) { try ComputingThreads.count(self.threads, communicator) }
      let (comparison, plans) = try Job.collectively(communicator) {
        let comparison = try ComparisonFile(toml: text, place: file, settings: settings)
        if communicator.rank == 0 { try comparison.checkFiles() }
        return (comparison, try comparison.arms.map { try comparison.plan($0) })
      }
      try Job.requireEqual(try comparison.rankSettings(plans), communicator)
      let isRoot = communicator.rank == 0
      if isRoot { show(comparison, plans) }
      if dryRun { return }
      try Arithmetic.current().requireEqual(over: communicator)
      let runner = try Job.collectively(communicator) {
        let runner = try ComparisonRunner(
          comparison, plans: plans, communicator: communicator, threads: threads, version: Version.number,
          progress: isRoot ? .standardError() : nil)
        try runner.check()
        return runner
      }
      guard try runner() else {
        if isRoot { StandardError.write("stopped on request; run the same command again to resume\n") }
        throw Failure.Reported(code: .again)
      }
      guard isRoot else { return }
      let results = try ComparisonResults(comparison, plans: plans, runner.items, version: Version.number)
      try results.write(to: comparison.path, starts: try runner.starts())
      for line in results.verdictLines { try StandardOutput.line(printable(line)) }
      if let warning = results.seedWarning { StandardError.write("\(warning)\n") }
      StandardError.write("the report is \(comparison.path)/report.html\n")
    }
  }

  /// Rank 0 reads the file, so that it need not be on every host.
  private func shared(_ communicator: any Communicator) throws -> String {
    let local = try Job.collectively(communicator) { () throws -> [UInt8] in
      communicator.rank == 0 ? Array(try ConfigurationFile.text(file).utf8) : []
    }
    return String(decoding: try communicator.broadcast(local), as: UTF8.self)
  }

  private func show(_ comparison: ComparisonFile, _ plans: [ArmPlan]) {
    StandardError.write(
      "\(printable(comparison.name)): \(counted(plans.count, "arm")), \(counted(comparison.seeds.count, "seed"))\n")
    let width = max(6, plans.map(\.arm.count).max() ?? 6)
    func line(_ cells: [String]) {
      let padded = cells.enumerated().map {
        $1.padding(toLength: max($0 == 0 ? width : 13, $1.count), withPad: " ", startingAt: 0)
      }
      StandardError.write("  \(padded.joined(separator: " "))\n")
    }
    line(["arm", "objective", "steps", plans.first?.unit ?? "tokens", "predictions", "flops", "parameters", "epochs"])
    for plan in plans {
      line(
        [plan.arm, plan.objective, "\(plan.steps)"]
          + [plan.tokens, plan.predictions, plan.flops].map { String(format: "%.3g", $0) }
          + ["\(plan.parameters)", String(format: "%.2f", plan.epochs)])
    }
  }
}
