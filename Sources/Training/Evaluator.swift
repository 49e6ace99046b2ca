import Collectives
import Core
import Data
import Kernels
import Machine
import Metrics
import Objectives
import Synchronization

extension Trainer {
  /// The loss of each term over `samples` samples of `source`, evenly spread over it, over all ranks, with masks that
  /// are the same at every call.
  ///
  /// Micro-batches have the shape they have in training; the last one is padded. Sums and counts are fixed-order.
  public func evaluate(_ source: any SampleSource, samples: Int, meters: WorkMeters? = nil) throws -> [Double] {
    let evaluator = Evaluator(
      objective: objective, parameters: parameters, microBatch: plan.microBatch, seed: options.seed,
      communicator: communicator, pool: pool,
      workers: workers)
    return try evaluator.losses(source, samples: samples, meters: meters, label: "validation")
  }
}

/// Loss over a set of samples, partitioned over ranks and threads.
public struct Evaluator {
  let objective: any Objective
  let parameters: ParameterSet
  let microBatch: Int
  let seed: UInt64
  let communicator: any Communicator
  let pool: WorkerPool
  let workers: [Worker]

  init(
    objective: any Objective, parameters: ParameterSet, microBatch: Int, seed: UInt64, communicator: any Communicator,
    pool: WorkerPool,
    workers: [Worker]
  ) {
    (self.objective, self.parameters, self.microBatch, self.seed) = (objective, parameters, microBatch, seed)
    (self.communicator, self.pool, self.workers) = (communicator, pool, workers)
  }

  /// An evaluator with memory of its own.
  public init(
    objective: any Objective, parameters: ParameterSet, length: Int, microBatch: Int, pool: WorkerPool, seed: UInt64,
    communicator: any Communicator
  ) {
    self.init(
      objective: objective, parameters: parameters, microBatch: microBatch, seed: seed, communicator: communicator,
      pool: pool,
      workers: (0..<pool.threads).map { _ in Worker(objective, samples: microBatch, length: length, sum: nil) })
  }

  /// Loss of each term, Σ w·ℓ / Σ w.
  public func losses(_ source: any SampleSource, samples: Int, meters: WorkMeters? = nil, label: String = "loss") throws
    -> [Double]
  {
    let found = try sumsAndCounts(source, samples: samples, meters: meters, label: label)
    return zip(found.sums, found.counts).map { $1 > 0 ? $0 / $1 : .nan }
  }

  /// What a set of samples adds up to.
  public struct Totals: Sendable {
    /// Σ w·ℓ and Σ w of each term.
    public var sums: [Double]
    public var counts: [Double]
    /// Of the first term: the sum of what its targets stand for.
    public var worth: Double
  }

  /// Loss sums and counts of each term over `samples` samples that are evenly spread over `source`.
  /// - Parameters:
  ///   - worth: what each id stands for, such as bytes of text.
  ///   - meters, label: show how far it is.
  public func sumsAndCounts(
    _ source: any SampleSource, samples: Int, worth: [Double] = [], meters: WorkMeters? = nil, label: String = "loss"
  ) throws -> Totals {
    let source = SpreadSource(source, count: min(samples, source.samplesPerEpoch))
    let total = source.samplesPerEpoch
    let microBatches = (total + microBatch - 1) / microBatch
    let terms = objective.terms.count
    let slots = MicroBatchTable(rows: microBatches, columns: 2 * terms + 1)
    let mine = BatchPlan.partition(microBatches, to: communicator.size, communicator.rank)
    let failure = FirstFailure()
    let meter = meters?.start(label, total: mine.count * microBatch, unit: "windows")
    defer { meter?.finish() }
    let (objective, parameters, microBatch, workers, threads) = (
      objective, parameters, microBatch, workers, pool.threads
    )
    let context = StepContext(seed: seed, step: 0, steps: 0, purpose: .evaluation)
    pool.run { thread in
      let pass = ObjectivePass(parameters, sink: nil, dropout: nil)
      let scales = [Float](repeating: 0, count: terms)
      for index in BatchPlan.partition(mine.count, to: threads, thread).map({ mine.lowerBound + $0 }) {
        do {
          let end = min((index + 1) * microBatch, total)
          let batch = try source.samples(at: UInt64(index * microBatch)..<UInt64(end)).padded(to: microBatch)
          let example = objective.corrupt(batch, context)
          Heartbeat.beat()
          let losses = objective.lossAndGradient(example, pass, scales: scales, workers[thread].workspace)
          slots.set(index, losses + example.counts + [example.targets[0].total(worth)])
          meter?.advance(by: microBatch)
        } catch {
          failure.note(error)
        }
      }
    }
    if let error = failure.error { throw error }
    let sums = try slots.total(communicator)
    return Totals(sums: Array(sums[..<terms]), counts: Array(sums[terms..<2 * terms]), worth: sums[2 * terms])
  }
}

extension TermTargets {
  /// Σ w · what each target id stands for; 0 where nothing is said.
  fileprivate func total(_ worth: [Double]) -> Double {
    worth.isEmpty ? 0 : zip(ids, weights).reduce(0) { $0 + Double($1.1) * worth[Int($1.0)] }
  }
}

/// The first error of several threads.
public final class FirstFailure: Sendable {
  private let state = Mutex<(any Error)?>(nil)
  public init() {}
  public func note(_ error: any Error) { state.withLock { $0 = $0 ?? error } }
  public var error: (any Error)? { state.withLock { $0 } }
}
