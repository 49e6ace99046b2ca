/// Counts what a preparation has done and reports it a few times per second. For the thread that consumes.
final class ProgressMeter {
  var documents = 0
  var tokens = 0
  private(set) var bytesDone = 0
  private var total: Int
  private let report: (PreparationProgress) throws -> Void
  private var phase = PreparationProgress.Phase.hashing
  private var started = ContinuousClock.now
  private var lastReport = ContinuousClock.now

  private static let interval = Duration.milliseconds(200)

  init(total: Int, report: @escaping (PreparationProgress) throws -> Void) {
    (self.total, self.report) = (total, report)
  }

  /// - Parameter total: bytes of this phase and those after it; nil for as many as before.
  func begin(_ phase: PreparationProgress.Phase, total: Int? = nil) {
    self.phase = phase
    if let total { self.total = total }
    (documents, tokens, bytesDone) = (0, 0, 0)
    started = .now
    lastReport = started
  }

  func advance(to bytes: Int) throws {
    bytesDone = bytes
    let now = ContinuousClock.now
    guard now - lastReport >= Self.interval else { return }
    lastReport = now
    try report(value(at: now))
  }

  /// Reports the end of the phase, whatever the time: all bytes are done, those that had not to be read as well.
  func end() throws {
    bytesDone = total
    try report(value(at: .now))
  }

  /// Reports while a piece of work takes long.
  func wait() throws { try advance(to: bytesDone) }

  private func value(at now: ContinuousClock.Instant) -> PreparationProgress {
    let seconds = (now - started) / .seconds(1)
    return PreparationProgress(
      phase: phase, bytesDone: bytesDone, bytesTotal: total, documents: documents, tokens: tokens, seconds: seconds)
  }
}
