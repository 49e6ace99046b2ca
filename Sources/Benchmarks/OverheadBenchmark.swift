import Collectives
import Core
import Data
import Kernels
import Models
import Objectives
import Optimizers
import Tensors
import Training

/// What `lockstep benchmark overheads` measures: what the promise costs.
public struct OverheadResult: Codable, Sendable {
  /// Trained parameters.
  public var params: Int
  /// MPI ranks of the job.
  public var ranks: Int
  /// Computing threads of each rank.
  public var threads: Int
  /// Name in the registry.
  public var objective: String
  /// Samples of a step, over all ranks.
  public var batch: Int
  /// Samples of a micro-batch.
  public var microBatch: Int
  /// Positions of a sample.
  public var context: Int
  /// Steps that each variant took.
  public var pairs: Int
  /// Median seconds of a step as it is in a run: exact sum, replicas compared.
  public var stepSMedian: Double
  /// Median over pairs of t(exact sum) / t(float sum) - 1.
  public var exactSumOverhead: Double
  /// Its quartiles over pairs.
  public var exactSumOverheadQuartiles: [Double]
  /// Median over pairs of t(replicas compared) / t(not compared) - 1; 0 for one rank, which has nothing to compare.
  public var replicaHashOverhead: Double
  /// Its quartiles over pairs.
  public var replicaHashOverheadQuartiles: [Double]
}

/// Times the same step with and without what makes runs reproducible, alternately, so that a neighbour on the
/// machine slows both alike.
public struct OverheadBenchmark {
  /// Steps of each variant that are measured.
  public var pairs = 15
  /// Steps before them that are not.
  public var warmup = 2

  public init() {}

  /// - Parameter make: a fresh objective; each of the three trainers has its own.
  public func run(
    _ make: () throws -> any Objective, model: ModelConfiguration, data: DataShape, plan: BatchPlan,
    communicator: any Communicator
  ) throws -> OverheadResult {
    let variants: [(SumArithmetic, DivergencePolicy)] = [(.exact, .repair), (.exact, .off), (.float, .off)]
    let trainers = try variants.map { sum, divergence in
      var options = TrainerOptions(steps: warmup + pairs, sum: sum, divergence: divergence)
      options.schedule = LearningRateSchedule(type: .constant)
      options.optimizer.learningRate = 3e-4
      let trainer = try Trainer(
        try make(), length: model.maxPosition, plan: plan, options: options, communicator: communicator)
      trainer.parameters.initialize(seed: 1)
      return trainer
    }
    let source = SyntheticSamples.source(for: trainers[0].objective.requirements, data, length: model.maxPosition)
    var seconds = [[Double]](repeating: [], count: variants.count)
    for step in 0..<warmup + pairs {
      let examples = try Trainer.examples(
        step: step, rank: communicator.rank, plan: plan, objective: trainers[0].objective, source: source,
        context: trainers[0].context(step))
      // The order turns with the step, so that no variant always runs after the same other one.
      for turn in variants.indices {
        let variant = (step + turn) % variants.count
        try communicator.barrier()
        let outcome = try trainers[variant].step(step, examples)
        let slowest = try communicator.maximum(outcome.stepSeconds)
        if step >= warmup { seconds[variant].append(slowest) }
      }
    }
    let (exact, hash) = (Self.ratios(seconds[1], seconds[2]), Self.ratios(seconds[0], seconds[1]))
    return OverheadResult(
      params: trainers[0].sum.layout.parameterCount, ranks: communicator.size, threads: plan.threads,
      objective: type(of: trainers[0].objective).name, batch: plan.batch, microBatch: plan.microBatch,
      context: model.maxPosition,
      pairs: pairs, stepSMedian: seconds[0].sorted()[pairs / 2], exactSumOverhead: exact[pairs / 2],
      exactSumOverheadQuartiles: [exact[pairs / 4], exact[3 * pairs / 4]], replicaHashOverhead: hash[pairs / 2],
      replicaHashOverheadQuartiles: [hash[pairs / 4], hash[3 * pairs / 4]])
  }

  private static func ratios(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 / $1 - 1 }.sorted() }
}
