import Collectives
import Configuration
import Core
import Foundation
import HuggingFace
import Machine
import Models
import Objectives
import Runs
import Storage

/// What a run would need, without running it.
struct DryRun {
  let configuration: RunConfiguration
  let communicator: any Communicator
  let threads: Int

  init(_ configuration: RunConfiguration, _ communicator: any Communicator, threads: Int) {
    (self.configuration, self.communicator, self.threads) = (configuration, communicator, threads)
  }

  func print() throws {
    let inputs = try Job.collectively(communicator) { try CorpusInputs.open(configuration) }
    let plan = try Job.collectively(communicator) {
      try RunPlan(configuration, inputs, ranks: communicator.size, threads: threads)
    }
    let rate = try RunPlan.measureRate(threads: threads, over: communicator)
    if communicator.rank == 0 { try show(plan, inputs, rate) }
    try Job.collectively(communicator) {
      try plan.requireMemory(.current, ranksHere: communicator.localSize, savesHere: communicator.rank == 0)
    }
  }

  private func show(_ plan: RunPlan, _ inputs: RunInputs, _ rate: MachineRate) throws {
    func row(_ name: String, _ value: String) throws {
      try StandardOutput.line(name.padding(toLength: 22, withPad: " ", startingAt: 0) + value)
    }
    try row("objective", configuration.objective)
    try row(
      "model",
      "\(counted(plan.model.numLayers, "layer")), width \(plan.model.hiddenSize), \(counted(plan.model.numHeads, "head")), \(plan.model.inputSize > 0 ? "\(plan.model.maxPosition) positions of \(counted(plan.model.inputSize, "number"))" : "context \(plan.model.maxPosition), vocabulary \(plan.model.vocabSize)")"
    )
    try row("opens as", plan.model.huggingFaceFamily?.architecture ?? "no Hugging Face class")
    if let reason = plan.model.unsupportedByHuggingFace { try row("", reason) }
    try row("parameters", grouped(plan.parameters))
    try row("samples per epoch", grouped(inputs.training.samplesPerEpoch))
    try row(
      "steps",
      "\(grouped(plan.steps)) of \(counted(configuration.batch, "sample")) (\(grouped(plan.steps * configuration.batch * plan.model.maxPosition)) \(inputs.data.unit.rawValue))"
    )
    try row(
      "micro-batches",
      "\(configuration.batch / configuration.microBatch) per step over \(counted(communicator.size, "rank")) × \(counted(threads, "thread"))"
    )
    try row(
      "memory per rank",
      "\(megabytes(plan.memoryBytes)) (weights, moments, sum \(megabytes(20 * plan.parameters)); activations and scratch \(megabytes(plan.workspaceBytes)))"
    )
    try row(
      "a checkpoint",
      "\(megabytes(plan.checkpointBytes)), and as much memory on rank 0 while it is written; up to \(configuration.machine.keepLast + 2) are kept: \(megabytes((configuration.machine.keepLast + 2) * plan.checkpointBytes))"
    )
    let kernel = ComputeKernel.current
    try row(
      "kernels",
      kernel.isBest
        ? "OpenBLAS's \(kernel.core), the best of this CPU"
        : "OpenBLAS's \(kernel.core); the best of this CPU are \(kernel.best)")
    try row("sgemm here", String(format: "%.1f GFLOP/s over all ranks", rate.running / 1e9))
    try row("expected time", "about \(duration(plan.flops / (0.7 * rate.running))) at 70 % of that rate")
    if !kernel.isBest {
      try row(
        "",
        String(
          format: "about %@ with %@, which give %.1f GFLOP/s", duration(plan.flops / (0.7 * rate.best)), kernel.best,
          rate.best / 1e9))
    }
  }

  private func grouped(_ value: Int) -> String {
    let formatter = NumberFormatter()
    formatter.numberStyle = .decimal
    formatter.groupingSeparator = ","
    return formatter.string(from: NSNumber(value: value)) ?? String(value)
  }

  private func megabytes(_ bytes: Int) -> String {
    bytes < 10_000_000_000
      ? String(format: "%.1f MB", Double(bytes) / 1e6) : String(format: "%.1f GB", Double(bytes) / 1e9)
  }

  private func duration(_ seconds: Double) -> String {
    seconds < 90
      ? String(format: "%.0f s", seconds)
      : seconds < 5400
        ? String(format: "%.0f min", seconds / 60)
        : seconds < 360_000 ? String(format: "%.1f h", seconds / 3600) : String(format: "%.0f days", seconds / 86400)
  }
}
