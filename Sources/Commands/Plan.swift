import ArgumentParser
import Benchmarks
import Collectives
import Configuration
import Core
import Foundation
import Kernels
import Machine
import Runs
import Storage
import Training

struct Plan: ComputingCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Predicts the step time of a configuration on clusters of nodes like this one, from rates measured here.",
    discussion: """
      Example: lockstep plan configs/quickstart.toml --nodes 1,2,4,8 --network 10GbE

      Measures micro-batches with all threads of this node, then predicts step, efficiency, the part of communication \
      that nothing hides, and memory, for the best ranks × threads × size of buckets of each number of nodes.
      """)

  @Argument(help: "The configuration, a TOML file.") var config: String
  @Option(
    name: .customLong("set"), parsing: .unconditionalSingleValue,
    help: "Overrides a key: --set batch.batch=64. May be repeated.") var settings: [String] = []
  @Option(parsing: .unconditional, help: "Numbers of nodes, with commas.") var nodes = "1,2,4,8,16"
  @Option(
    parsing: .unconditional,
    help: "Network: 1GbE, 2.5GbE, 10GbE, 25GbE, 40GbE, 50GbE, 100GbE, 200GbE, or GBIT:MICROSECONDS as measured.")
  var network = "10GbE"
  @Option(parsing: .unconditional, help: "Cores of a node that compute; 0 takes those of this one.") var cores = 0
  @Option(parsing: .unconditional, help: "Ranks x threads of a node, instead of the best.") var layout: String?
  @Flag(help: "One JSON object instead of a table.") var json = false

  private struct Output: Encodable {
    var profile: StepProfile
    var network: NetworkModel
    var steps: [PlannedStep]
    var memoryPerNodeBytes: [Int]
  }

  func run() throws {
    let counts = try numbers()
    guard let network = NetworkModel(self.network) else {
      throw ConfigurationError(
        "--network", is: self.network, rule: "it must be such as 10GbE, or GBIT:MICROSECONDS such as 9.4:35.")
    }
    let fixed = try layout.map { text in
      guard let layout = JobLayout(text) else {
        throw ConfigurationError("--layout", is: text, rule: "it must be ranks x threads of a node, such as 2x1.")
      }
      return layout
    }
    BLAS.useOneThread()
    let communicator = SingleRank()
    let configuration = try ConfigurationFile.read(config, settings: settings, communicator)
    let inputs = try CorpusInputs.open(configuration)
    let here = try ComputingThreads.count(0, communicator)
    let cores = cores > 0 ? cores : here
    let model = TrainingRun.model(configuration, inputs.data)
    let profile = try StepProfile.measure(
      { try TrainingRun.objective(configuration, model: model, data: inputs.data) }, length: model.maxPosition,
      microBatch: configuration.microBatch, threads: min(here, cores), source: inputs.training(configuration))
    let cluster = ClusterModel(
      profile, microBatches: configuration.batch / configuration.microBatch, network: network)
    let steps = counts.map { nodes in
      guard let fixed else { return cluster.best(nodes: nodes, cores: cores) }
      return cluster.predict(
        PlannedJob(
          nodes: nodes, ranks: fixed.ranks, threads: fixed.threads,
          bucketMegabytes: configuration.machine.bucketMegabytes))
    }
    let memory = try steps.map { step in
      let plan = try RunPlan(
        configuration, inputs, ranks: step.job.nodes * step.job.ranks, threads: step.job.threads)
      return plan.memoryBytes * step.job.ranks
    }
    let output = Output(profile: profile, network: network, steps: steps, memoryPerNodeBytes: memory)
    if json { return try StandardOutput.line(prettyJSON(output)) }
    try show(output, tokens: Double(configuration.batch * model.maxPosition), unit: inputs.data.unit.rawValue)
  }

  private func numbers() throws -> [Int] {
    let counts = nodes.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard counts.allSatisfy({ $0.map { (1...1_000_000).contains($0) } ?? false }) else {
      throw ConfigurationError("--nodes", is: nodes, rule: "it must be numbers of nodes with commas, such as 1,2,4.")
    }
    guard (0...1024).contains(cores) else {
      throw ConfigurationError("--cores", is: "\(cores)", rule: "it must lie in 0...1024.")
    }
    return counts.compactMap(\.self)
  }

  private func show(_ output: Output, tokens: Double, unit: String) throws {
    let profile = output.profile
    try StandardOutput.line(
      "\(Processor.current().model), OpenBLAS's \(ComputeKernel.current.core) kernels; measured with \(counted(profile.threads, "thread")): "
        + String(format: "%.4f s a micro-batch, %.2f ms norm and update", profile.microBatchS, 1000 * profile.updateS))
    var table = TextTable([
      "nodes", "ranks × threads", "bucket", "step", "\(unit)/s", "efficiency", "communication", "exposed",
      "memory a node",
    ])
    for (step, memory) in zip(output.steps, output.memoryPerNodeBytes) {
      table.add([
        "\(step.job.nodes)", "\(step.job.ranks) × \(step.job.threads)",
        String(format: "%g MiB", step.job.bucketMegabytes),
        String(format: "%.4f s", step.stepS), String(format: "%.0f", tokens / step.stepS),
        String(format: "%.0f %%", 100 * step.efficiency), String(format: "%.1f ms", 1000 * step.communicationS),
        String(format: "%.1f ms", 1000 * step.exposedS), String(format: "%.0f MB", Double(memory) / 1e6),
      ])
    }
    for line in table.lines { try StandardOutput.line(line) }
    try StandardOutput.line(
      "Predicted, on nodes like this one over \(output.network.name); exposed is what of the communication nothing hides."
    )
  }
}
