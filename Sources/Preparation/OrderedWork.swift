import Foundation

/// Runs independent pieces of work on several threads and hands their results on in the order of the pieces.
///
/// `next` is called by one thread at a time and `consume` on the calling thread, so neither needs a lock.
/// At most `2 · threads + 2` pieces are on their way at once, of `64 MiB · threads` or a single larger one, which
/// bounds the memory. The first error in
/// the order of the pieces is the one that comes out, whichever thread had an error first.
///
/// - Parameters:
///   - threads: worker threads, at least 1.
///   - next: the next piece, nil after the last.
///   - transform: the work; a pure function of its piece.
///   - weight: bytes of memory that a piece takes; while those on their way take more than the budget, no further one
///     is begun.
///   - waiting: called on the calling thread a few times per second while nothing can be consumed; what it throws ends
///     the work.
///   - consume: takes the results, in order, and says whether it wants more.
func orderedWork<Piece, Output>(
  threads: Int, next: @escaping () throws -> Piece?, transform: @escaping @Sendable (Piece) throws -> Output,
  weight: @escaping (Piece) -> Int = { _ in 0 }, waiting: () throws -> Void = {}, consume: (Output) throws -> Bool
) throws {
  let line = OrderedLine(threads: threads, next: next, transform: transform, weight: weight)
  for number in 0..<threads {
    let thread = Thread { line.work() }
    thread.name = "encode-\(number)"
    // Tokenisers may recurse; the default of a secondary thread is small on some systems.
    thread.stackSize = 8 << 20
    thread.start()
  }
  defer { line.stop() }
  while let result = try line.take(waiting), try consume(result.get()) {}
}

/// The line between the workers and the thread that consumes.
///
/// Invariant: every field is read and written, and `next` is called, only while the monitor is locked
/// or, for `next`, by the one worker that has set `reading`.
private final class OrderedLine<Piece, Output>: @unchecked Sendable {
  // Sendable: the monitor guards all that changes, and a piece has one owner at a time.
  private let monitor = NSCondition()
  private let window: Int
  private let next: () throws -> Piece?
  private let transform: @Sendable (Piece) throws -> Output
  private var reading = false
  private var exhausted = false
  private var started = 0
  private var taken = 0
  private var finished: [Int: Result<Output, any Error>] = [:]
  private var workers: Int
  private let weight: (Piece) -> Int
  private let budget: Int
  /// Of the pieces begun and not taken.
  private var weights: [Int: Int] = [:]
  private var weightUnderWay = 0

  init(
    threads: Int, next: @escaping () throws -> Piece?, transform: @escaping @Sendable (Piece) throws -> Output,
    weight: @escaping (Piece) -> Int
  ) {
    precondition(threads >= 1, "work needs at least one thread, not \(threads)")
    self.window = 2 * threads + 2
    self.weight = weight
    self.budget = threads << 26
    self.workers = threads
    self.next = next
    self.transform = transform
  }

  func work() {
    while let (index, piece) = nextPiece() {
      let result = Result { try transform(piece.get()) }
      locked { finished[index] = result }
    }
    locked { workers -= 1 }
  }

  private func nextPiece() -> (Int, Result<Piece, any Error>)? {
    monitor.lock()
    while !exhausted, reading || started - taken >= window || weightUnderWay > budget { monitor.wait() }
    if exhausted {
      monitor.unlock()
      return nil
    }
    reading = true
    monitor.unlock()
    let piece = Result { try next() }
    return locked {
      reading = false
      switch piece {
      case .success(nil):
        exhausted = true
        return nil
      case .success(let piece?):
        weights[started] = weight(piece)
        weightUnderWay += weight(piece)
        started += 1
        return (started - 1, .success(piece))
      case .failure(let error):
        exhausted = true
        started += 1
        return (started - 1, .failure(error))
      }
    }
  }

  /// The result after the last one taken; nil when there is none any more.
  func take(_ waiting: () throws -> Void) throws -> Result<Output, any Error>? {
    monitor.lock()
    defer { monitor.unlock() }
    while finished[taken] == nil {
      if exhausted, taken == started, !reading { return nil }
      guard !monitor.wait(until: Date(timeIntervalSinceNow: 0.2)) else { continue }
      monitor.unlock()
      defer { monitor.lock() }
      try waiting()
    }
    defer {
      weightUnderWay -= weights.removeValue(forKey: taken) ?? 0
      taken += 1
      monitor.broadcast()
    }
    return finished.removeValue(forKey: taken)
  }

  /// Starts no further piece and waits until the workers have left.
  func stop() {
    monitor.lock()
    exhausted = true
    monitor.broadcast()
    while workers > 0 { monitor.wait() }
    monitor.unlock()
  }

  private func locked<Value>(_ body: () -> Value) -> Value {
    monitor.lock()
    defer {
      monitor.broadcast()
      monitor.unlock()
    }
    return body()
  }
}
