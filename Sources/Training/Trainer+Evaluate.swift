import Collectives
import Core
import Objectives

extension Trainer {
  /// The loss of each term over the first `samples` samples of `source`, over all ranks, with masks that are the same at every call.
  ///
  /// Micro-batches have the shape they have in training; the last one is padded. Sums and counts are fixed-order.
  public func evaluate(_ source: any SampleSource, samples: Int) throws -> [Double] {
    let evaluator = Evaluator(
      objective: objective, bank: bank, microBatch: plan.microBatch, seed: options.seed, communicator: communicator, pool: pool,
      workers: workers)
    return try evaluator.losses(source, samples: samples)
  }
}

/// Loss over a set of samples, dealt over ranks and threads.
public struct Evaluator {
  let objective: any Objective
  let bank: ParameterBank
  let microBatch: Int
  let seed: UInt64
  let communicator: any Communicator
  let pool: WorkerPool
  let workers: [Worker]

  init(
    objective: any Objective, bank: ParameterBank, microBatch: Int, seed: UInt64, communicator: any Communicator, pool: WorkerPool,
    workers: [Worker]
  ) {
    (self.objective, self.bank, self.microBatch, self.seed) = (objective, bank, microBatch, seed)
    (self.communicator, self.pool, self.workers) = (communicator, pool, workers)
  }

  /// An evaluator with memory of its own.
  public init(
    objective: any Objective, bank: ParameterBank, length: Int, microBatch: Int, pool: WorkerPool, seed: UInt64,
    communicator: any Communicator
  ) {
    self.init(
      objective: objective, bank: bank, microBatch: microBatch, seed: seed, communicator: communicator, pool: pool,
      workers: (0..<pool.threads).map { _ in Worker(objective, samples: microBatch, length: length, sum: nil) })
  }

  /// Loss of each term, Σ w·ℓ / Σ w.
  public func losses(_ source: any SampleSource, samples: Int) throws -> [Double] {
    let (sums, counts) = try sumsAndCounts(source, samples: samples)
    return zip(sums, counts).map { $1 > 0 ? $0 / $1 : .nan }
  }

  /// Loss sums and counts of each term.
  public func sumsAndCounts(_ source: any SampleSource, samples: Int) throws -> (sums: [Double], counts: [Double]) {
    let total = min(samples, source.samplesPerEpoch)
    let microBatches = (total + microBatch - 1) / microBatch
    let terms = objective.terms.count
    let slots = Slots(rows: microBatches, columns: 2 * terms)
    let mine = BatchPlan.deal(microBatches, to: communicator.size, communicator.rank)
    let failure = FirstFailure()
    let (objective, bank, microBatch, workers, threads) = (objective, bank, microBatch, workers, pool.threads)
    let context = StepContext(seed: seed, step: 0, steps: 0, purpose: .evaluation)
    pool.run { thread in
      let pass = ObjectivePass(bank, sink: nil, dropout: nil)
      let scales = [Float](repeating: 0, count: terms)
      for index in BatchPlan.deal(mine.count, to: threads, thread).map({ mine.lowerBound + $0 }) {
        do {
          let end = min((index + 1) * microBatch, total)
          let batch = try source.samples(at: UInt64(index * microBatch)..<UInt64(end)).padded(to: microBatch)
          let example = objective.corrupt(batch, context)
          Heartbeat.beat()
          slots.set(index, objective.lossAndGradient(example, pass, scales: scales, workers[thread].workspace) + example.counts)
        } catch {
          failure.note(error)
        }
      }
    }
    if let error = failure.error { throw error }
    let sums = try slots.total(communicator)
    return (Array(sums[..<terms]), Array(sums[terms...]))
  }
}

import Synchronization

/// The first error of several threads.
public final class FirstFailure: Sendable {
  private let state = Mutex<(any Error)?>(nil)
  public init() {}
  public func note(_ error: any Error) { state.withLock { $0 = $0 ?? error } }
  public var error: (any Error)? { state.withLock { $0 } }
}
