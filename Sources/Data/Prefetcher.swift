import Core
import Foundation

/// Produces values ahead of their use: one background thread calls `produce(start)`, `produce(start + 1)`, …
/// and at most `depth` finished values wait in a queue.
///
/// An error comes out of `next()` at the index that threw it, after the values before it; nothing is
/// produced after it. The thread ends, and has been waited for, when the prefetcher is stopped or released.
public final class Prefetcher<Value: Sendable>: Sendable {
  private let queue: PrefetchQueue<Value>

  /// - Parameters:
  ///   - depth: finished values that may wait, at least 1.
  ///   - start: the first index.
  ///   - produce: makes the value of an index; called on the background thread alone, in rising order.
  public init(depth: Int = 2, start: Int = 0, produce: @escaping @Sendable (Int) throws -> Value) {
    precondition(depth >= 1, "a prefetcher needs a depth of at least 1, not \(depth)")
    let queue = PrefetchQueue<Value>(depth: depth)
    self.queue = queue
    // The thread holds the queue, not the prefetcher: releasing the prefetcher ends the thread.
    let thread = Thread { queue.fill(from: start, produce) }
    thread.name = "prefetch"
    thread.start()
  }

  deinit { queue.stop() }

  /// The next value; waits until it is finished.
  ///
  /// - Throws: what `produce` threw for this index (and again on every later call); `DataError` after `stop()`.
  public func next() throws -> Value { try queue.take() }

  /// Ends the background thread and waits for it; a value it is producing is finished first and dropped.
  public func stop() { queue.stop() }
}

/// The bounded queue between the thread that fills it and the thread that takes from it.
///
/// Invariant: every field is read and written only between `monitor.lock()` and `monitor.unlock()`.
private final class PrefetchQueue<Value: Sendable>: @unchecked Sendable {
  // Sendable: the monitor guards all that changes.
  private let monitor = NSCondition()
  private let depth: Int
  private var finished: [Result<Value, any Error>] = []
  private var stopped = false
  private var ended = false

  init(depth: Int) { self.depth = depth }

  func fill(from start: Int, _ produce: (Int) throws -> Value) {
    var index = start
    while put(Result { try produce(index) }) { index += 1 }
    monitor.lock()
    ended = true
    monitor.broadcast()
    monitor.unlock()
  }

  /// Whether another value is wanted.
  private func put(_ result: Result<Value, any Error>) -> Bool {
    monitor.lock()
    defer { monitor.unlock() }
    finished.append(result)
    monitor.broadcast()
    if case .failure = result { return false }
    while finished.count >= depth, !stopped { monitor.wait() }
    return !stopped
  }

  func take() throws -> Value {
    monitor.lock()
    defer { monitor.unlock() }
    while finished.isEmpty, !stopped { monitor.wait() }
    if stopped { throw DataError("prefetcher", "was stopped before this value was taken.") }
    let first = finished[0]
    if case .success = first {
      finished.removeFirst()
      monitor.broadcast()
    }
    return try first.get()
  }

  func stop() {
    monitor.lock()
    defer { monitor.unlock() }
    stopped = true
    monitor.broadcast()
    while !ended { monitor.wait() }
    finished.removeAll()
  }
}
