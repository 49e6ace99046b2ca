import Foundation
import Storage
import Synchronization

/// Shows how far a piece of work is that has so many equal parts, and how long it will still take: one line that is
/// written over on a terminal, and elsewhere a line after ten seconds and then at least every minute. Work that ends
/// sooner says nothing.
///
/// Any number of threads may advance it.
public final class WorkMeter: Sendable {
  /// What is being done, such as `probe` or `validation`.
  private let label: String
  private let total: Int
  private let unit: String
  private let settings: WorkMeters
  private let state: Mutex<State>

  private struct State {
    var done = 0
    var lastShown: Double?
    var interval = 10.0
    var barIsOpen = false
  }

  init(_ label: String, total: Int, unit: String, _ settings: WorkMeters) {
    (self.label, self.total, self.unit, self.settings) = (label, total, unit, settings)
    started = settings.clock()
    state = Mutex(State())
  }

  private let started: Double

  /// Counts parts as done, and shows it when it is time to.
  public func advance(by parts: Int = 1) {
    let elapsed = settings.clock() - started
    state.withLock { state in
      state.done += parts
      let since = elapsed - (state.lastShown ?? 0)
      guard since >= (settings.isTerminal ? (state.lastShown == nil ? 1 : 0.2) : state.interval) else { return }
      if state.lastShown != nil { state.interval = min(state.interval * 1.3, 60) }
      state.lastShown = elapsed
      let fields = fields(done: state.done, elapsed: elapsed)
      settings.sink(
        settings.isTerminal
          ? "\r" + ProgressText.bar(state.done, of: total, fields, width: settings.width() - 1) + "\u{1B}[K"
          : fields.joined(separator: "  ") + "\n")
      state.barIsOpen = settings.isTerminal
    }
  }

  /// Takes the line off a terminal.
  public func finish() {
    state.withLock { state in
      if state.barIsOpen { settings.sink("\r\u{1B}[K") }
      state.barIsOpen = false
    }
  }

  private func fields(done: Int, elapsed: Double) -> [String] {
    let left = done > 0 ? elapsed / Double(done) * Double(max(0, total - done)) : .nan
    return [
      "\(label) \(done)/\(total) \(unit) \(ProgressText.percent(done, of: total))",
      "\(ProgressText.duration(left)) left",
      ProgressText.duration(elapsed),
    ]
  }
}

/// Makes meters that show themselves in one place. One rank of a job has it.
public struct WorkMeters: Sendable {
  let isTerminal: Bool
  let width: @Sendable () -> Int
  let sink: @Sendable (String) -> Void
  /// Seconds of a steady clock.
  let clock: @Sendable () -> Double

  public init(
    isTerminal: Bool, width: @escaping @Sendable () -> Int = { 80 }, clock: @escaping @Sendable () -> Double,
    sink: @escaping @Sendable (String) -> Void
  ) {
    (self.isTerminal, self.width, self.clock, self.sink) = (isTerminal, width, clock, sink)
  }

  /// Meters on standard error.
  public static func standardError() -> WorkMeters {
    WorkMeters(
      isTerminal: isatty(STDERR_FILENO) == 1, width: ProgressDisplay.terminalWidth,
      clock: { ProcessInfo.processInfo.systemUptime },
      sink: StandardError.write)
  }

  public func start(_ label: String, total: Int, unit: String) -> WorkMeter {
    WorkMeter(label, total: total, unit: unit, self)
  }
}
