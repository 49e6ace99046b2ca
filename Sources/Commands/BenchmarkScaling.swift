import ArgumentParser
import Benchmarks
import Collectives
import Core
import Foundation
import Kernels
import Machine
import Storage

extension Benchmark {
  struct ScalingCommand: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "scaling",
      abstract:
        "Times steps on several layouts of ranks and threads, with a fixed batch (strong) and one that grows with the workers (weak). Starts mpirun itself.",
      discussion: "Example: lockstep benchmark scaling --layouts 1x1,2x1,1x2 --output scaling")

    @OptionGroup var options: Case
    @Option(parsing: .unconditional, help: "Ranks x threads, with commas; the first is the unit of efficiency.")
    var layouts = "1x1,2x1,1x2"
    @Option(parsing: .unconditional, help: "Times each layout is measured, in turn.") var repeats = 5
    @Option(parsing: .unconditional, help: "Options of mpirun, such as \"--hostfile hosts --bind-to core\".")
    var mpirun = ""
    @Option(parsing: .unconditional, help: "A new folder for scaling.json and scaling.svg.") var output: String?
    @Flag(help: "One JSON object instead of a table.") var json = false

    func run() throws {
      let jobs = layouts.split(separator: ",", omittingEmptySubsequences: false).map { JobLayout($0) }
      guard jobs.allSatisfy({ $0 != nil }), case let jobs = jobs.compactMap(\.self), Set(jobs).count == jobs.count
      else {
        throw ConfigurationError(
          "--layouts", is: layouts, rule: "it must be different pairs of ranks x threads with commas, such as 1x1,2x1.")
      }
      guard (1...1000).contains(repeats) else {
        throw ConfigurationError("--repeats", is: "\(repeats)", rule: "it must lie in 1...1000.")
      }
      // Refused before any job starts.
      for job in jobs { _ = try options.with(job, batch: job.workers * options.microBatch).prepare(ranks: job.ranks) }
      if let output, FileManager.default.fileExists(atPath: output) {
        throw ConfigurationError("--output", is: output, rule: "it exists; name a new folder.")
      }
      var benchmark = ScalingBenchmark(jobs, microBatch: options.microBatch)
      benchmark.repeats = repeats
      let rows = try benchmark.run(note: { StandardError.write("\($0)\n") }) { try measure($0, batch: $1) }
      let result = ScalingResult(machine: machine, options: options.named, repeats: repeats, rows: rows)
      if let output {
        try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
        try AtomicFile.write(prettyJSON(result) + "\n", to: output + "/scaling.json")
        try AtomicFile.write(result.svg, to: output + "/scaling.svg")
      }
      if json { try StandardOutput.line(prettyJSON(result)) } else { try show(result) }
    }

    private var machine: [String: String] {
      [
        "cpu": Processor.current().model, "kernel": ComputeKernel.current.core, "blas": BLAS.identity.configuration,
        "mpi": MPICommunicator.libraryVersion, "lockstep": Version.number,
      ]
    }

    /// One job under mpirun.
    private func measure(_ layout: JobLayout, batch: Int) throws -> StepBenchmarkResult {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      var line = ["mpirun", "-n", "\(layout.ranks)", "--oversubscribe", "--bind-to", "none"]
      if getuid() == 0 { line.append("--allow-run-as-root") }
      line += mpirun.split(separator: " ").map(String.init)
      process.arguments =
        line + [CommandLine.arguments[0], "benchmark", "step", "--json"]
        + options.with(layout, batch: batch).arguments
      let (out, errors) = (Pipe(), Pipe())
      (process.standardOutput, process.standardError) = (out, errors)
      process.standardInput = FileHandle.nullDevice
      do { try process.run() } catch {
        throw ConfigurationError(
          "mpirun", "cannot be started: \(error.localizedDescription). Install libopenmpi-dev's openmpi-bin.")
      }
      let text = out.fileHandleForReading.readDataToEndOfFile()
      let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      guard process.terminationStatus == 0 else {
        StandardError.write(complaint)
        throw CollectiveError(
          "benchmark step on \(layout) under mpirun", rank: 0,
          reason: "it ended with exit code \(process.terminationStatus), see above")
      }
      return try JSONDecoder.snakeCase().decode(StepBenchmarkResult.self, from: text)
    }

    private func show(_ result: ScalingResult) throws {
      try StandardOutput.line("\(result.machine["cpu"] ?? ""), OpenBLAS's \(result.machine["kernel"] ?? "") kernels")
      var table = TextTable([
        "scaling", "ranks × threads", "batch", "step", "tokens/s", "exposed", "efficiency", "machine", "corrected",
      ])
      func percent(_ value: Double) -> String { String(format: "%.1f %%", 100 * value) }
      for row in result.rows {
        table.add([
          row.scaling, "\(row.ranks) × \(row.threads)", "\(row.batch)", String(format: "%.4f s", row.stepS),
          String(format: "%.0f", row.tokensPerS), String(format: "%.2f ms", 1000 * row.exposedCommS),
          percent(row.efficiency), percent(row.machineEfficiency), percent(row.correctedEfficiency),
        ])
      }
      for line in table.lines { try StandardOutput.line(line) }
      try StandardOutput.line(
        "efficiency: per worker, over the first layout; machine: the same of sgemm alone; corrected: one over the other"
      )
    }
  }
}

extension Benchmark.Case {
  /// The same case on another layout.
  func with(_ layout: JobLayout, batch: Int) -> Benchmark.Case {
    var copy = self
    (copy.threads, copy.batch) = (layout.threads, batch)
    return copy
  }

  /// Every option by its name.
  var named: [String: String] {
    var named = [
      "vocab-size": "\(vocabSize)", "max-position": "\(maxPosition)", "record": record, "patch": patch,
      "hidden-size": "\(hiddenSize)", "num-layers": "\(numLayers)", "num-heads": "\(numHeads)",
      "micro-batch": "\(microBatch)", "objective": objective, "threads": "\(threads)", "steps": "\(steps)",
      "dropout": "\(dropout)",
    ]
    if let batch { named["batch"] = "\(batch)" }
    return named
  }

  var arguments: [String] { named.sorted { $0.key < $1.key }.flatMap { ["--\($0.key)", $0.value] } }
}
