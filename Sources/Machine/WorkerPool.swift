import Foundation
import Kernels

/// The threads of a rank that compute. They live as long as the pool; with one thread the caller computes itself,
/// unless it has other work to do meanwhile.
///
/// Invariant: `body` is set before the generation counter rises and cleared after every thread has reported, all under
/// the condition's lock.
public final class WorkerPool: @unchecked Sendable {
  // Sendable: all mutable state is guarded by `condition`.
  public let threads: Int
  private let condition = NSCondition()
  private var body: (@Sendable (Int) -> Void)?
  private var generation = 0
  private var running = 0
  private var stopped = false
  /// Whether the pool has threads of its own.
  private let isSeparate: Bool

  /// - Parameter separate: whether one thread, too, is another than the caller's.
  public init(threads: Int, separate: Bool = false) {
    precondition(threads >= 1, "a pool of \(threads) threads")
    (self.threads, isSeparate) = (threads, separate || threads > 1)
    guard isSeparate else { return }
    for index in 0..<threads {
      let thread = Thread { [self] in work(index) }
      thread.name = "lockstep worker \(index)"
      thread.stackSize = 16 << 20
      thread.start()
    }
  }

  /// Ends the threads. The pool keeps itself alive through them until then.
  public func stop() {
    condition.lock()
    stopped = true
    condition.broadcast()
    condition.unlock()
  }

  /// Runs `body` once on every thread and returns when all have finished.
  ///
  /// - Parameter whileWaiting: called by the caller's thread again and again until then; never where it computes
  ///   itself. It says whether it wants to be called again soon: the sleeps between are 0.1 ms then, and otherwise 1
  ///   ms.
  public func run(whileWaiting: (() -> Bool)? = nil, _ body: @escaping @Sendable (Int) -> Void) {
    guard isSeparate else { return withFlushedDenormals { body(0) } }
    condition.lock()
    self.body = body
    running = threads
    generation += 1
    condition.broadcast()
    while running > 0 {
      if let whileWaiting {
        condition.unlock()
        let isBusy = whileWaiting()
        condition.lock()
        // Each time that this thread wakes it takes a core from a computing one.
        if running > 0 { _ = condition.wait(until: Date(timeIntervalSinceNow: isBusy ? 100e-6 : 1e-3)) }
      } else {
        condition.wait()
      }
    }
    self.body = nil
    condition.unlock()
  }

  /// Runs `body` for each index below `count`, distributed to the threads round-robin.
  public func forEach(_ count: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let threads = threads
    run { worker in
      for index in stride(from: worker, to: count, by: threads) { body(index) }
    }
  }

  private func work(_ index: Int) {
    flushDenormals()
    var seen = 0
    while true {
      condition.lock()
      while generation == seen, !stopped { condition.wait() }
      guard !stopped, let body else {
        condition.unlock()
        return
      }
      seen = generation
      condition.unlock()
      body(index)
      condition.lock()
      running -= 1
      if running == 0 { condition.broadcast() }
      condition.unlock()
    }
  }
}
