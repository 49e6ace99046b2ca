import Foundation

/// Makes values ahead of their use on one background thread, through a bounded queue.
///
/// Invariant: all mutable state is touched under `condition`'s lock only.
public final class Prefetcher<Value: Sendable>: @unchecked Sendable {
  // Sendable: see the invariant.
  private let condition = NSCondition()
  private let depth: Int
  private var ready: [Result<Value, any Error>] = []
  private var stopped = false
  private var finished = false

  /// - Parameters:
  ///   - depth: values that may wait.
  ///   - start: the first index.
  ///   - produce: makes the value of an index; an error is delivered in its place and ends production.
  public init(depth: Int, start: Int, produce: @escaping @Sendable (Int) throws -> Value) {
    precondition(depth >= 1, "a queue of depth \(depth)")
    self.depth = depth
    let thread = Thread { [self] in
      var index = start
      while put(Result { try produce(index) }) { index += 1 }
      condition.lock()
      finished = true
      condition.broadcast()
      condition.unlock()
    }
    thread.name = "lockstep prefetch"
    thread.stackSize = 4 << 20
    thread.start()
  }

  /// The next value, in index order; waits until it is there.
  public func next() throws -> Value {
    condition.lock()
    while ready.isEmpty, !finished { condition.wait() }
    guard !ready.isEmpty else {
      condition.unlock()
      preconditionFailure("a prefetcher was asked for a value after it had stopped")
    }
    let value = ready.removeFirst()
    condition.broadcast()
    condition.unlock()
    return try value.get()
  }

  /// Ends production and waits for the thread.
  public func stop() {
    condition.lock()
    stopped = true
    condition.broadcast()
    while !finished { condition.wait() }
    condition.unlock()
  }

  /// - Returns: whether to go on.
  private func put(_ value: Result<Value, any Error>) -> Bool {
    condition.lock()
    defer { condition.unlock() }
    while ready.count >= depth, !stopped { condition.wait() }
    guard !stopped else { return false }
    ready.append(value)
    condition.broadcast()
    if case .failure = value { return false }
    return true
  }
}
