import ArgumentParser
import Collectives
import Core
import Foundation
import Objectives
import Training

struct Benchmark: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures this machine and this build.", subcommands: [StepCommand.self])

  struct StepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "step", abstract: "Times optimiser steps on random tokens, beside the machine's own sgemm rate.",
      discussion: "Example: mpirun -n 2 lockstep benchmark step --objective mlm --width 384 --layers 6 --json")

    @Option(help: "Token ids.") var vocabulary = 8192
    @Option(help: "Positions a sample.") var context = 256
    @Option(help: "Hidden size.") var width = 384
    @Option(help: "Blocks.") var layers = 6
    @Option(help: "Attention heads.") var heads = 6
    @Option(help: "Samples a micro-batch.") var microBatch = 8
    @Option(help: "Samples a step, over all ranks.") var batch: Int?
    @Option(help: "Objective; see lockstep objectives.") var objective = "ar"
    @Option(help: "Computing threads a rank.") var threads = 1
    @Option(help: "Measured steps.") var steps = 12
    @Option(help: "Dropout.") var dropout: Float = 0
    @Option(help: "How gradients are added: exact or float.") var sum = "exact"
    @Flag(help: "One JSON object instead of a table.") var json = false

    func run() throws {
      let communicator = try MPICommunicator()
      guard let entry = ObjectiveRegistry.entry(named: objective) else {
        throw ConfigurationError("--objective", is: objective, rule: "it must be one of \(ObjectiveRegistry.entries.map(\.name)).")
      }
      let model: ModelConfiguration =
        entry.visibility == .causal
        ? .gpt2(vocabulary: vocabulary, context: context, width: width, layers: layers, heads: heads, dropout: dropout)
        : .bert(vocabulary: vocabulary, context: context, width: width, layers: layers, heads: heads, dropout: dropout)
      let vocabularyInfo = Vocabulary(size: vocabulary, mask: Int32(vocabulary - 1))
      let made = try entry.make(entry.defaultOptions, model, vocabularyInfo)
      let plan = BatchPlan(
        batch: batch ?? microBatch * communicator.size * threads, microBatch: microBatch, ranks: communicator.size, threads: threads)
      var benchmark = StepBenchmark()
      benchmark.steps = steps
      let result = try benchmark.run(made, model: model, plan: plan, communicator: communicator, sum: SumArithmetic(rawValue: sum) ?? .exact)
      if communicator.rank == 0 {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
        print(String(decoding: try encoder.encode(result), as: UTF8.self))
      }
      try communicator.stop()
    }
  }
}
