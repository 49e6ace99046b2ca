import Collectives
import Core
import Data
import Kernels
import Machine
import Models
import Objectives
import Optimizers
import Tensors
import Training

/// What `lockstep benchmark step` measures.
public struct StepBenchmarkResult: Codable, Sendable {
  /// Trained parameters.
  public var params: Int
  /// MPI ranks of the job.
  public var ranks: Int
  /// Computing threads of each rank.
  public var threads: Int
  /// Name in the registry.
  public var objective: String
  /// Positions a second of the whole job, at the median step.
  public var tokensPerS: Double
  /// What positions are: tokens, patches and so on.
  public var unit: String
  /// Median seconds of a measured step.
  public var stepSMedian: Double
  /// Seconds of the fastest step.
  public var stepSMin: Double
  /// Seconds of the slowest step.
  public var stepSMax: Double
  /// OpenBLAS's kernels that ran, and the best ones of this CPU.
  public var kernel: String
  /// OpenBLAS core whose kernels are the best of this CPU.
  public var bestKernel: String
  /// The whole job's sgemm rate, measured before and after the steps, and with the best kernels.
  public var sgemmGflops: Double
  /// GFLOP/s of the whole job with the best kernels.
  public var bestSgemmGflops: Double
  /// Required flops over what the best kernels could do in the time.
  public var mfu: Double
  /// Median seconds of a step, as a mean over ranks, from the first bucket that was taken up to the last complete sum.
  public var commS: Double
  /// Median seconds of a step, as a mean over ranks, of the part of it after the backward pass.
  public var exposedCommS: Double
  /// Largest resident memory of any rank.
  public var peakRssBytes: Int
  /// Activations, scratch and gradients of one layer, for all threads of a rank.
  public var workspaceBytes: Int
  /// What the memory rule of the documentation allows: 20 bytes per parameter (24 in several ranks, and up to 8 more
  /// that belong to other ranks of the node, which the system counts for each), the workspaces, and 64 MB.
  public var allowedRssBytes: Int
  /// Measured steps.
  public var steps: Int
  /// Samples of a step, over all ranks.
  public var batch: Int
  /// Samples of a micro-batch.
  public var microBatch: Int
  /// Positions of a sample.
  public var context: Int
  /// Mean seconds of each phase of a step.
  public var phases: [String: Double]
}

/// Times optimiser steps on random samples.
public struct StepBenchmark {
  /// Steps that are measured.
  public var steps = 12
  /// Steps before them that are not.
  public var warmup = 3
  /// Whether one more step is recorded after them.
  public var tracing = false
  /// What that step was made of, on this rank.
  public private(set) var spans: [Trace.Span] = []

  public init() {}

  /// - Parameter model: the main network, whose positions are those of a sample.
  public mutating func run(
    _ objective: any Objective, model: ModelConfiguration, data: DataShape, plan: BatchPlan,
    communicator: any Communicator,
    sum: SumArithmetic = .exact
  ) throws -> StepBenchmarkResult {
    var options = TrainerOptions(steps: steps + warmup + 1, sum: sum)
    options.schedule = LearningRateSchedule(type: .constant)
    options.optimizer.learningRate = 3e-4
    let trainer = try Trainer(
      objective, length: model.maxPosition, plan: plan, options: options, communicator: communicator)
    trainer.parameters.initialize(seed: 1)
    let source = SyntheticSamples.source(for: objective.requirements, data, length: model.maxPosition)
    let before = SGEMMBaseline.sgemm(trainer.pool)
    var outcomes: [StepOutcome] = []
    var (flops, samples) = (0.0, 0)
    for step in 0..<steps + warmup + (tracing ? 1 : 0) {
      let examples = try Trainer.examples(
        step: step, rank: communicator.rank, plan: plan, objective: objective, source: source,
        context: trainer.context(step))
      guard step < warmup + steps else {
        spans = try recorded(communicator) { _ = try trainer.step(step, examples) }
        continue
      }
      let outcome = try trainer.step(step, examples)
      guard step >= warmup else { continue }
      outcomes.append(outcome)
      flops += examples.reduce(0) { $0 + objective.trainingFlops($1) }
      samples += examples.count * plan.microBatch
    }
    let perStep = samples > 0 ? flops / Double(samples) * Double(plan.batch) : 0
    // Read before the SGEMM baseline takes matrices of its own.
    let resident = try communicator.maximum(SGEMMBaseline.peakResidentBytes)
    let rate = try MachineRate.measure(
      trainer.pool, over: communicator, running: (before + SGEMMBaseline.sgemm(trainer.pool)) / 2, seconds: 0.3)
    var result = summary(outcomes, trainer, model, flops: perStep, rate: rate, resident: resident)
    result.unit = data.unit.rawValue
    return result
  }

  /// Spans of a step, counted from a barrier before it.
  private func recorded(_ communicator: any Communicator, _ step: () throws -> Void) throws -> [Trace.Span] {
    try communicator.barrier()
    let zero = Trace.now
    Trace.begin()
    defer { _ = Trace.end() }
    try step()
    return Trace.end().map {
      Trace.Span(name: $0.name, thread: $0.thread, start: $0.start - zero, end: $0.end - zero)
    }
  }

  private func summary(
    _ outcomes: [StepOutcome], _ trainer: Trainer, _ model: ModelConfiguration, flops: Double, rate: MachineRate,
    resident: Int
  ) -> StepBenchmarkResult {
    let (plan, communicator) = (trainer.plan, trainer.communicator)
    let times = outcomes.map(\.stepSeconds).sorted()
    let median = times[times.count / 2]
    let tokens = Double(plan.batch * model.maxPosition)
    let workspace = trainer.workers.reduce(0) { $0 + 4 * (($1.arena.capacity ?? 0) + trainer.sum.layout.largestGroup) }
    let parameters = trainer.sum.layout.parameterCount
    var phases: [String: Double] = [:]
    for outcome in outcomes {
      for (phase, seconds) in outcome.seconds { phases[phase, default: 0] += seconds / Double(outcomes.count) }
    }
    return StepBenchmarkResult(
      params: parameters, ranks: communicator.size, threads: plan.threads, objective: type(of: trainer.objective).name,
      tokensPerS: tokens / median, unit: DataShape.Unit.tokens.rawValue, stepSMedian: median, stepSMin: times[0],
      stepSMax: times[times.count - 1],
      kernel: ComputeKernel.current.core, bestKernel: ComputeKernel.current.best, sgemmGflops: rate.running / 1e9,
      bestSgemmGflops: rate.best / 1e9, mfu: flops / median / rate.best,
      commS: outcomes.map(\.waits.communication).sorted()[outcomes.count / 2],
      exposedCommS: outcomes.map(\.waits.exposed).sorted()[outcomes.count / 2],
      peakRssBytes: resident, workspaceBytes: workspace,
      allowedRssBytes: (communicator.size == 1 ? 20 : trainer.sum.isShared ? 32 : 24) * parameters + workspace
        + 64_000_000, steps: outcomes.count,
      batch: plan.batch, microBatch: plan.microBatch,
      context: model.maxPosition, phases: phases)
  }
}
