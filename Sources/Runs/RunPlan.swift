import Collectives
import Configuration
import Core
import Kernels
import Machine
import Models
import Objectives
import Tensors
import Training

/// What a run will need, worked out without taking it.
public struct RunPlan: Sendable {
  public let model: ModelConfiguration
  public let steps: Int
  public let parameters: Int
  let threads: Int
  /// Activations, scratch and one layer's gradient for all threads of a rank.
  public let workspaceBytes: Int
  /// Resident memory of a rank: 20 bytes per parameter (24 in several ranks), auxiliary networks, workspaces, and 64 MB
  /// for libraries and buffers.
  public let memoryBytes: Int
  /// Size of a checkpoint; rank 0 needs as much memory again for the one being written.
  public let checkpointBytes: Int
  /// Required flops of the whole run; for masked objectives with the expected share of positions.
  public let flops: Double

  /// - Throws: `ConfigurationError` as the run itself would.
  public init(_ configuration: RunConfiguration, _ inputs: RunInputs, ranks: Int, threads: Int) throws {
    let training = inputs.training(configuration)
    let model = TrainingRun.model(configuration, inputs.data)
    let objective = try TrainingRun.objective(configuration, model: model, data: inputs.data)
    let layout = objective.networks.trained
    let workspace = Arena.floats {
      objective.workspace(samples: configuration.microBatch, length: model.maxPosition, $0)
    }
    let auxiliary = objective.networks.auxiliaries.reduce(0) { $0 + $1.layout.parameterCount }
    self.model = objective.exported
    self.threads = threads
    steps = try configuration.steps(samplesPerEpoch: training.samplesPerEpoch, tokensPerSample: model.maxPosition)
    parameters = layout.parameterCount
    workspaceBytes = threads * 4 * (workspace + layout.largestGroup)
    memoryBytes =
      (ranks > 1 ? 24 : 20) * parameters + 4 * auxiliary + workspaceBytes + 64_000_000
      + (ranks > 1 ? Int(2 * configuration.machine.bucketMegabytes * 1_048_576) : 0)
    checkpointBytes = 12 * parameters + 4 * auxiliary
    let sample = objective.corrupt(
      try training.samples(at: 0..<UInt64(configuration.microBatch)),
      StepContext(seed: configuration.seed, step: 0, steps: steps))
    flops = objective.trainingFlops(sample) * Double(steps * configuration.batch / configuration.microBatch)
  }

  /// Targets and required flops of the first `steps` steps: functions of the configuration and the data.
  public static func work(
    _ configuration: RunConfiguration, _ inputs: RunInputs, steps: Int
  ) throws -> (targets: Double, flops: Double, epochs: Double) {
    let training = inputs.training(configuration)
    let model = TrainingRun.model(configuration, inputs.data)
    let objective = try TrainingRun.objective(configuration, model: model, data: inputs.data)
    let plan = BatchPlan(batch: configuration.batch, microBatch: configuration.microBatch, ranks: 1, threads: 1)
    var (targets, flops) = (0.0, 0.0)
    for step in 0..<steps {
      let context = StepContext(seed: configuration.seed, step: step, steps: steps)
      for example in try Trainer.examples(
        step: step, rank: 0, plan: plan, objective: objective, source: training, context: context)
      {
        targets += example.targets.reduce(0) { $0 + Double($1.rows.count) }
        flops += objective.trainingFlops(example)
      }
    }
    return (targets, flops, Double(steps * configuration.batch) / Double(max(training.samplesPerEpoch, 1)))
  }

  /// This process's sgemm rate in flops per second.
  public static func measureSgemm(threads: Int, seconds: Double = 0.3) -> Double {
    BLAS.useOneThread()
    let pool = WorkerPool(threads: threads)
    defer { pool.stop() }
    return SGEMMBaseline.sgemm(pool, seconds: seconds)
  }

  /// The rates of all ranks with the kernels that run, and with the best ones. Collective.
  public static func measureRate(threads: Int, over communicator: any Communicator) throws -> MachineRate {
    BLAS.useOneThread()
    let pool = WorkerPool(threads: threads)
    defer { pool.stop() }
    return try MachineRate.measure(pool, over: communicator, seconds: 0.3)
  }
}
