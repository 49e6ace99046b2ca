import ArgumentParser
import Benchmarks
import Collectives
import Core
import Foundation
import Kernels
import Machine
import Objectives
import Runs
import Storage
import Training

struct Benchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures this machine and this build.",
    subcommands: [
      StepCommand.self, ScalingCommand.self, AllReduceCommand.self, KernelsCommand.self, OverheadsCommand.self,
      ProductsCommand.self,
    ])

  /// The model and the batch that are measured.
  struct Case: ParsableArguments {
    @Option(parsing: .unconditional, help: "Token ids.") var vocabSize = 8192
    @Option(parsing: .unconditional, help: "Positions per sample of tokens.") var maxPosition = 256
    @Option(
      parsing: .unconditional,
      help: "For objectives on numbers: channels of a record, then the sizes of its axes, with commas.") var record =
      "3,32,32"
    @Option(parsing: .unconditional, help: "Sizes of a patch of a record, one per axis, with commas.") var patch = "4,4"
    @Option(parsing: .unconditional, help: "Hidden size.") var hiddenSize = 384
    @Option(parsing: .unconditional, help: "Transformer blocks.") var numLayers = 6
    @Option(parsing: .unconditional, help: "Attention heads.") var numHeads = 6
    @Option(parsing: .unconditional, help: "Samples per micro-batch.") var microBatch = 8
    @Option(parsing: .unconditional, help: "Samples per step, over all ranks.") var batch: Int?
    @Option(parsing: .unconditional, help: "Objective; see lockstep objectives.") var objective = "ar"
    @Option(parsing: .unconditional, help: "Computing threads per rank.") var threads = 1
    @Option(parsing: .unconditional, help: "Measured steps.") var steps = 12
    @Option(parsing: .unconditional, help: "Dropout.") var dropout: Float = 0

    /// What `prepare` makes of the options: the networks' shape, the samples', the batch, and a fresh objective at each
    /// call of `make`.
    struct Prepared {
      let make: () throws -> any Objective
      let model: ModelConfiguration
      let data: DataShape
      let plan: BatchPlan
    }

    /// - Throws: `ConfigurationError` with every option that is out of range.
    func prepare(ranks: Int) throws -> Prepared {
      var problems: [ConfigurationError.Problem] = []
      func require(_ holds: Bool, _ key: String, _ value: some CustomStringConvertible, _ rule: String) {
        if !holds { problems.append(.init(key: key, sentence: "is \(value); \(rule)")) }
      }
      let batch = batch ?? (microBatch &* ranks &* threads)
      require((1...1_000_000_000).contains(batch), "--batch", batch, "it must lie in 1...1000000000.")
      require((2...10_000_000).contains(vocabSize), "--vocab-size", vocabSize, "it must lie in 2...10000000.")
      require((1...1024).contains(threads), "--threads", threads, "it must lie in 1...1024.")
      require((1...1_000_000).contains(steps), "--steps", steps, "it must lie in 1...1000000.")
      require((1...1_000_000).contains(microBatch), "--micro-batch", microBatch, "it must lie in 1...1000000.")
      require(
        microBatch > 0 && batch % max(microBatch, 1) == 0, "--batch", batch,
        "it must be a whole number of micro-batches of \(microBatch).")
      guard let entry = ObjectiveRegistry.entry(named: objective) else {
        throw ConfigurationError(
          "--objective", is: objective,
          rule: "it must be one of \(ObjectiveRegistry.entries.map(\.name).joined(separator: ", ")).")
      }
      let requirements = entry.defaultRequirements
      guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
      let records = try shapeOfRecords()
      let data = requirements.input == .values ? records : .syntheticTokens(vocabSize)
      let model = requirements.model(
        data, hiddenSize: hiddenSize, numLayers: numLayers, numHeads: numHeads, maxPosition: maxPosition,
        dropout: dropout)
      problems += model.problems(prefix: "-").map {
        .init(key: $0.key.replacing("-.", with: "--").replacing("_", with: "-"), sentence: $0.sentence)
      }
      guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
      return Prepared(
        make: { try entry.make(entry.defaultOptions, model, data) }, model: model, data: data,
        plan: BatchPlan(batch: batch, microBatch: microBatch, ranks: ranks, threads: threads))
    }

    private func shapeOfRecords() throws(ConfigurationError) -> DataShape {
      func numbers(_ option: String, _ text: String) throws(ConfigurationError) -> [Int] {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.allSatisfy({ $0 != nil }) else {
          throw ConfigurationError(option, is: text, rule: "it must be whole numbers with commas, such as 3,32,32.")
        }
        return parts.compactMap(\.self)
      }
      let (record, patch) = (try numbers("--record", record), try numbers("--patch", patch))
      if let problem = GridShape.problem(channels: record[0], extent: Array(record.dropFirst()), patch: patch) {
        throw ConfigurationError("--record", is: self.record, rule: "with --patch \(self.patch) it has \(problem).")
      }
      return DataShape(
        grid: GridShape(channels: record[0], extent: Array(record.dropFirst()), patch: patch), unit: .patches)
    }
  }

  struct StepCommand: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "step", abstract: "Times optimiser steps on random samples, with the sgemm rate of the machine.",
      discussion: "Example: mpirun -n 2 lockstep benchmark step --objective mlm --hidden-size 384 --num-layers 6 --json"
    )

    @OptionGroup var options: Case
    @Option(parsing: .unconditional, help: "How gradients are added: exact or float.") var sum = "exact"
    @Option(
      parsing: .unconditional,
      help: "A file for the trace of one more step over all ranks, as Perfetto (ui.perfetto.dev) opens it.") var trace:
      String?
    @Flag(help: "One JSON object instead of a table.") var json = false

    func run() throws {
      try Job.run { communicator in
        let result = try measure(communicator)
        guard communicator.rank == 0 else { return }
        if json { try StandardOutput.line(prettyJSON(result)) } else { try show(result) }
      }
    }

    private func measure(_ communicator: any Communicator) throws -> StepBenchmarkResult {
      let (objective, prepared, arithmetic) = try Job.collectively(communicator) {
        guard let arithmetic = SumArithmetic(rawValue: sum) else {
          throw ConfigurationError("--sum", is: sum, rule: "it must be exact or float.")
        }
        let prepared = try options.prepare(ranks: communicator.size)
        try ComputingThreads.requireBuffers(prepared.plan.threads)
        return (try prepared.make(), prepared, arithmetic)
      }
      var benchmark = StepBenchmark()
      benchmark.steps = options.steps
      benchmark.tracing = trace != nil
      let result = try benchmark.run(
        objective, model: prepared.model, data: prepared.data, plan: prepared.plan, communicator: communicator,
        sum: arithmetic)
      if let trace {
        let host = ProcessInfo.processInfo.hostName
        let file = try TraceFile.gather(benchmark.spans, host: host, communicator)
        try Job.collectively(communicator) { if let file { try AtomicFile.write([UInt8](file), to: trace) } }
      }
      return result
    }

    private func show(_ r: StepBenchmarkResult) throws {
      func row(_ name: String, _ value: String) throws {
        try StandardOutput.line(name.padding(toLength: 24, withPad: " ", startingAt: 0) + value)
      }
      try row(
        "objective",
        "\(r.objective), \(counted(r.params, "parameter")), \(counted(r.ranks, "rank")) × \(counted(r.threads, "thread"))"
      )
      try row(
        "step", String(format: "%.4f s median (%.4f to %.4f) of %d", r.stepSMedian, r.stepSMin, r.stepSMax, r.steps))
      try row(r.unit, String(format: "%.0f per second", r.tokensPerS))
      try row(
        "kernels",
        r.kernel == r.bestKernel
          ? "\(r.kernel), the best of this CPU" : "\(r.kernel); the best of this CPU are \(r.bestKernel)")
      try row("sgemm", String(format: "%.1f GFLOP/s, measured before and after", r.sgemmGflops))
      if r.kernel != r.bestKernel {
        try row("", String(format: "%.1f GFLOP/s with %@", r.bestSgemmGflops, r.bestKernel))
      }
      try row("MFU", String(format: "%.1f %% of %@ rate", 100 * r.mfu, r.kernel == r.bestKernel ? "that" : "the best"))
      try row("exposed wait", String(format: "%.2f ms per step for the sum over ranks", 1000 * r.exposedCommS))
      try row(
        "memory",
        String(format: "%.1f MB at most, %.1f allowed", Double(r.peakRssBytes) / 1e6, Double(r.allowedRssBytes) / 1e6))
      for (phase, seconds) in r.phases.sorted(by: { $0.value > $1.value }) {
        try row("  \(phase)", String(format: "%.2f ms", 1000 * seconds))
      }
    }
  }

  struct OverheadsCommand: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "overheads",
      abstract:
        "Measures the cost of reproducibility: steps with the exact sum and with a float sum, with and without comparing replicas, alternately.",
      discussion: "Example: mpirun -n 2 lockstep benchmark overheads --hidden-size 384 --num-layers 6 --steps 15")

    @OptionGroup var options: Case
    @Flag(help: "One JSON object instead of a table.") var json = false

    func run() throws {
      try Job.run { communicator in
        let prepared = try Job.collectively(communicator) {
          try ComputingThreads.requireBuffers(options.threads)
          return try options.prepare(ranks: communicator.size)
        }
        var benchmark = OverheadBenchmark()
        benchmark.pairs = options.steps
        let result = try benchmark.run(
          prepared.make, model: prepared.model, data: prepared.data, plan: prepared.plan, communicator: communicator)
        guard communicator.rank == 0 else { return }
        if json { try StandardOutput.line(prettyJSON(result)) } else { try show(result) }
      }
    }

    private func show(_ r: OverheadResult) throws {
      try StandardOutput.line(
        "\(r.objective), \(counted(r.params, "parameter")), \(counted(r.ranks, "rank")) × \(counted(r.threads, "thread")), \(counted(r.batch, "sample")) of \(r.context), \(r.pairs) pairs"
      )
      try StandardOutput.line(String(format: "step          %.4f s", r.stepSMedian))
      func row(_ name: String, _ value: Double, _ quartiles: [Double]) throws {
        try StandardOutput.line(
          String(
            format: "\(name)  %+.2f %%  (quartiles %+.2f to %+.2f)", 100 * value, 100 * quartiles[0], 100 * quartiles[1]
          ))
      }
      try row("exact sum   ", r.exactSumOverhead, r.exactSumOverheadQuartiles)
      try row("replica hash", r.replicaHashOverhead, r.replicaHashOverheadQuartiles)
    }
  }

  /// What another process of this program measures its best kernels with.
  struct ProductsCommand: ComputingCommand {
    static let configuration = CommandConfiguration(
      commandName: "products", abstract: "Only prints single-precision flops per second of matrix products.",
      shouldDisplay: false)

    @Option(parsing: .unconditional, help: "Computing threads.") var threads = 1
    @Option(parsing: .unconditional, help: "Seconds to measure for.") var seconds = 0.3
    var hearsOfKernels: Bool { false }

    func run() throws {
      guard (1...1024).contains(threads) else {
        throw ConfigurationError("--threads", is: threads, rule: "it must lie in 1...1024.")
      }
      guard seconds > 0, seconds <= 60 else {
        throw ConfigurationError("--seconds", is: seconds, rule: "it must lie in 0...60.")
      }
      try ComputingThreads.requireBuffers(threads)
      try StandardOutput.line("\(RunPlan.measureSgemm(threads: threads, seconds: seconds))")
    }
  }
}
