import Core

/// How the samples of a step are partitioned into micro-batches and distributed to ranks and threads.
///
/// The micro-batch size is part of the mathematics and comes from the configuration; the distribution is not, and
/// changes with the job.
public struct BatchPlan: Sendable, Equatable {
  /// Samples per optimiser step.
  public let batch: Int
  /// Samples per micro-batch.
  public let microBatch: Int
  public let ranks: Int
  public let threads: Int

  public init(batch: Int, microBatch: Int, ranks: Int, threads: Int) {
    precondition(
      batch > 0 && microBatch > 0 && batch % microBatch == 0, "a batch of \(batch) in micro-batches of \(microBatch)")
    (self.batch, self.microBatch, self.ranks, self.threads) = (batch, microBatch, ranks, threads)
  }

  public var microBatchCount: Int { batch / microBatch }

  /// Workers without a micro-batch.
  public var idleWorkers: Int { max(0, ranks * threads - microBatchCount) }

  /// The micro-batches of a rank: a contiguous range, sizes differing by one at most (16 on 7 ranks: 3,3,2,2,2,2,2).
  public func microBatches(of rank: Int) -> Range<Int> { Self.partition(microBatchCount, to: ranks, rank) }

  /// The micro-batches of a thread, as indices into those of its rank.
  public func share(of thread: Int, rank: Int) -> Range<Int> {
    Self.partition(microBatches(of: rank).count, to: threads, thread)
  }

  /// Stream positions of micro-batch `index` of step `step`.
  public func positions(step: Int, microBatch index: Int) -> Range<UInt64> {
    let start = UInt64(step) * UInt64(batch) + UInt64(index * microBatch)
    return start..<start + UInt64(microBatch)
  }

  public static func partition(_ count: Int, to workers: Int, _ worker: Int) -> Range<Int> {
    let (base, extra) = (count / workers, count % workers)
    let start = worker * base + min(worker, extra)
    return start..<start + base + (worker < extra ? 1 : 0)
  }
}
