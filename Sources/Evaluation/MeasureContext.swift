import Collectives
import Core
import Data
import Kernels
import Layers
import Machine
import Metrics
import Models
import Objectives
import Tensors
import Training

/// What a measure works with: the model, the data, and the ranks and threads.
public final class MeasureContext {
  public let model: MeasuredModel
  /// nil when no corpus was named.
  public let corpus: Corpus?
  public let split: CorpusSplit
  public let communicator: any Communicator
  public let pool: WorkerPool
  /// Samples computed together: a part of the arithmetic.
  public let microBatch: Int
  public let seed: UInt64
  /// Where `finetune` saves what it trained; nil to drop it.
  public let classifierFolder: String?
  /// Show how far a measure is; nil on all ranks but one, and where nobody looks.
  public let meters: WorkMeters?
  /// What meters are labelled with: the measure's name.
  public var activity = "measuring"

  public init(
    _ model: MeasuredModel, corpus: Corpus?, split: CorpusSplit = .validation, communicator: any Communicator,
    threads: Int, microBatch: Int = 8,
    seed: UInt64 = 1, classifierFolder: String? = nil, meters: WorkMeters? = nil
  ) {
    self.meters = meters
    (self.model, self.corpus, self.split) = (model, corpus, split)
    (self.communicator, self.microBatch, self.seed) = (communicator, microBatch, seed)
    self.classifierFolder = classifierFolder
    pool = WorkerPool(threads: threads)
  }

  deinit { pool.stop() }

  /// The corpus, for measures that need one. - Throws: `ConfigurationError` when none was named.
  public func requireCorpus(_ measure: String) throws(ConfigurationError) -> Corpus {
    guard let corpus else { throw ConfigurationError("--corpus", "is missing; \(measure) is measured on a corpus.") }
    return corpus
  }

  /// Computes a row of numbers for each of `count` items, partitioned over ranks and threads. Collective.
  ///
  /// A row must be a function of its item alone; then all rows are the same bits on any ranks and threads.
  /// - Parameters:
  ///   - outer: counts the items in place of a meter of their own, where they are a part of something longer.
  ///   - makeWorkspace: memory for one thread, made before the items.
  /// - Returns: all rows, on every rank.
  public func rows<Workspace>(
    _ count: Int, columns: Int, meter outer: WorkMeter? = nil, workspace makeWorkspace: @Sendable () -> Workspace,
    _ body: @escaping @Sendable (Int, Workspace) throws -> [Double]
  ) throws -> [[Double]] {
    let slots = MicroBatchTable(rows: count, columns: columns)
    let mine = BatchPlan.partition(count, to: communicator.size, communicator.rank)
    let failure = FirstFailure()
    let workspaces = (0..<pool.threads).map { _ in Owned(makeWorkspace()) }
    let threads = pool.threads
    let meter = outer ?? meters?.start(activity, total: mine.count, unit: "items")
    defer { if outer == nil { meter?.finish() } }
    pool.run { thread in
      for index in BatchPlan.partition(mine.count, to: threads, thread).map({ mine.lowerBound + $0 })
      where failure.error == nil {
        do { slots.set(index, try body(index, workspaces[thread].value)) } catch { failure.note(error) }
        meter?.advance()
        Heartbeat.beat()
      }
    }
    if let error = failure.error { throw error }
    return try slots.gather(communicator)
  }
}

/// A value that one thread at a time uses.
private struct Owned<Value>: @unchecked Sendable {
  // Sendable: thread i of the pool uses workspace i alone.
  let value: Value
  init(_ value: Value) { self.value = value }
}

/// Memory for forward passes of one thread through the measured network.
public final class ForwardWorkspace {
  public let transformer: Transformer.Workspace
  private let arena: Arena

  /// - Parameter samples: the most samples in one pass, each of up to `length` rows.
  public init(_ model: Transformer, samples: Int, length: Int) {
    (arena, transformer) = Arena.sized {
      Transformer.Workspace(model, samples: samples, length: length, forBackward: false, $0)
    }
  }
}
