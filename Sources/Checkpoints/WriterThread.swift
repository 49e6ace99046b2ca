import Foundation
import Synchronization

/// One piece of work at a time on a thread of its own, and its result.
public final class WriterThread: Sendable {
  public typealias Outcome = Result<[String], any Error>

  private enum Phase {
    case free
    case busy
    case ended(Outcome)
  }

  private let phase = Mutex(Phase.free)

  public init() {}

  /// Whether nothing is under way and no result waits to be taken.
  public var isFree: Bool {
    phase.withLock {
      if case .free = $0 { true } else { false }
    }
  }

  /// Starts a piece of work, which returns warnings.
  ///
  /// - Precondition: the thread is free.
  public func start(_ work: @escaping @Sendable () throws -> [String]) {
    phase.withLock {
      guard case .free = $0 else { preconditionFailure("the writer has not finished the work before") }
      $0 = .busy
    }
    let thread = Thread { [self] in
      let outcome = Result { try work() }
      phase.withLock { $0 = .ended(outcome) }
    }
    thread.name = "lockstep writer"
    thread.stackSize = 8 << 20
    thread.start()
  }

  /// The result of work that has ended, once; the thread is then free.
  public func take() -> Outcome? {
    phase.withLock {
      guard case .ended(let outcome) = $0 else { return nil }
      $0 = .free
      return outcome
    }
  }
}
