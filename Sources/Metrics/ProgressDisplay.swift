import Foundation
import Storage

/// How progress is shown.
public enum ProgressMode: String, Codable, Sendable, CaseIterable {
  /// A bar on a terminal, plain lines elsewhere.
  case auto
  /// One line that is written over.
  case bar
  /// A line now and then, for log files.
  case plain
  case none
}

/// Shows where a run stands: one line that is written over on a terminal, and elsewhere a line now and
/// then, at first every ten seconds and at growing intervals up to a minute.
public final class ProgressDisplay {
  /// Receives text as it is to appear, control characters included.
  public typealias Sink = (String) -> Void

  private let mode: ProgressMode
  private let width: () -> Int
  private let sink: Sink
  private let growth = 1.3
  private let longestInterval = 60.0
  private var interval: Double
  private var lastShown: Double?
  private var barIsOpen = false
  /// The step of the last validation loss that stands in a plain line.
  private var shownValidation: Int?

  /// - Parameters:
  ///   - intervalSeconds: between plain lines at first.
  ///   - isTerminal: decides what `auto` means.
  ///   - width: columns of the terminal, read for each line.
  public init(
    mode: ProgressMode, intervalSeconds: Double = 10, isTerminal: Bool, width: @escaping () -> Int = { 80 },
    sink: @escaping Sink
  ) {
    self.mode = mode == .auto ? (isTerminal ? .bar : .plain) : mode
    self.interval = intervalSeconds
    self.width = width
    self.sink = sink
  }

  /// A display on standard error.
  public static func standardError(mode: ProgressMode) -> ProgressDisplay {
    ProgressDisplay(mode: mode, isTerminal: isatty(STDERR_FILENO) == 1, width: terminalWidth, sink: StandardError.write)
  }

  /// Shows `snapshot`, if it is time to. `now` is in seconds of any steady clock. The last step is always shown.
  public func show(_ snapshot: ProgressSnapshot, now: Double) {
    let isLast = snapshot.step >= snapshot.totalSteps
    switch mode {
    case .none, .auto: break
    case .bar:
      guard isLast || isDue(now, every: 0.1) else { return }
      sink("\r" + ProgressText.bar(snapshot, width: width() - 1) + "\u{1B}[K")
      barIsOpen = true
    case .plain:
      guard isLast || isDue(now, every: interval) else { return }
      if lastShown != nil { interval = min(interval * growth, longestInterval) }
      sink(ProgressText.line(withoutKnown(snapshot)) + "\n")
    }
    if mode != .none { lastShown = now }
  }

  /// Lines stay, so each validation loss stands in one of them only.
  private func withoutKnown(_ snapshot: ProgressSnapshot) -> ProgressSnapshot {
    var shown = snapshot
    if snapshot.validationStep == shownValidation { shown.validationLoss = nil }
    shownValidation = snapshot.validationStep
    return shown
  }

  /// A line that stays and only helps to read the others: left out where no progress is wanted.
  public func remark(_ text: String) {
    if mode != .none { note(text) }
  }

  /// A line that stays, such as a warning, without disturbing the bar. Shown in every mode.
  public func note(_ text: String) {
    sink((barIsOpen ? "\r\u{1B}[K" : "") + text + "\n")
    barIsOpen = false
  }

  /// Leaves the last line standing.
  public func finish() {
    if barIsOpen { sink("\n") }
    barIsOpen = false
  }

  private func isDue(_ now: Double, every seconds: Double) -> Bool {
    guard let lastShown else { return true }
    return now - lastShown >= seconds
  }

  static func terminalWidth() -> Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }
}
