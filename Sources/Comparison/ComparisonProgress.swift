import Foundation
import Metrics
import Storage

/// Where a whole comparison stands, while it runs: one line that is written over on a terminal, elsewhere a line now
/// and then, at first after ten seconds and at least once per minute.
public final class ComparisonProgress {
  private let isTerminal: Bool
  private let now: () -> Double
  private let sink: (String) -> Void
  private let began: Double
  private var lastShown: Double
  private var interval = 10.0
  private var barIsOpen = false

  /// Work in flops of this rank: of the whole, of finished runs, of the one that runs.
  private var (whole, done, current) = (0.0, 0.0, 0.0)
  private var phaseBegan: Double
  private var (runs, run, runName) = (0, 0, "")
  private var measures = 0
  /// Seconds of the measures taken so far, by name.
  private var taken: [String: [Double]] = [:]

  /// - Parameters:
  ///   - now: seconds of any steady clock.
  ///   - sink: gets text as it is to appear.
  public init(isTerminal: Bool, now: @escaping () -> Double, sink: @escaping (String) -> Void) {
    (self.isTerminal, self.now, self.sink) = (isTerminal, now, sink)
    (began, lastShown, phaseBegan) = (now(), now(), now())
  }

  /// On standard error, of this process's clock.
  public static func standardError() -> ComparisonProgress {
    let start = ContinuousClock.now
    return ComparisonProgress(
      isTerminal: isatty(STDERR_FILENO) == 1, now: { (ContinuousClock.now - start) / .seconds(1) },
      sink: StandardError.write)
  }

  /// A line that stays.
  public func note(_ line: String) {
    sink((barIsOpen ? "\r\u{1B}[K" : "") + line + "\n")
    barIsOpen = false
  }

  /// - Parameters:
  ///   - work: flops that this rank has a part in, until everything is trained.
  ///   - measures: that will follow.
  func beginTraining(runs: Int, work: Double, measures: Int) {
    (self.runs, whole, self.measures, phaseBegan) = (runs, work, measures, now())
  }

  func beginRun(_ name: String) {
    run += 1
    (runName, current) = (name, 0)
  }

  /// - Parameter work: of the run, as this rank's part.
  func step(_ step: Int, of steps: Int, work: Double) {
    current = work * Double(step) / Double(max(steps, 1))
    guard isDue else { return }
    show("run \(run) of \(runs): \(runName), step \(step) of \(steps)", left: trainingLeft, thenMeasures: measures)
  }

  func endRun(work: Double) { (done, current) = (done + work, 0) }

  /// Seconds until everything is trained; nil before anything is.
  var trainingLeft: Double? {
    let finished = done + current
    guard finished > 0 else { return nil }
    return (now() - phaseBegan) * max(0, whole / finished - 1)
  }

  /// - Parameter name: of the measure that begins.
  /// - Parameter open: names of measures that this rank still has to take, this one included.
  func beginMeasure(_ name: String, of run: String, number: Int, count: Int, open: [String]) {
    guard isDue else { return }
    show("measure \(number) of \(count): \(run), \(name)", left: measuringLeft(open), thenMeasures: 0)
  }

  func endMeasure(_ name: String, seconds: Double) { taken[name, default: []].append(seconds) }

  /// Each open measure takes as long as those of its name so far, or as all of them on average.
  func measuringLeft(_ open: [String]) -> Double? {
    let every = taken.values.flatMap { $0 }
    guard !every.isEmpty else { return nil }
    let mean = every.reduce(0, +) / Double(every.count)
    return open.reduce(0) { sum, name in sum + (taken[name].map { $0.reduce(0, +) / Double($0.count) } ?? mean) }
  }

  private var isDue: Bool { now() - lastShown >= (isTerminal ? 0.2 : interval) }

  private func show(_ what: String, left: Double?, thenMeasures: Int) {
    lastShown = now()
    let share =
      whole > 0 && thenMeasures > 0 ? ", \(Int((100 * (done + current) / whole).rounded(.down))) % of the training" : ""
    let time = left.map { ", about \(ProgressText.duration($0)) left" } ?? ""
    let next = thenMeasures > 0 ? ", then \(thenMeasures) \(thenMeasures == 1 ? "measure" : "measures")" : ""
    let line = "\(what)\(share); \(ProgressText.duration(now() - began)) so far\(time)\(next)"
    if isTerminal {
      sink("\r" + line + "\u{1B}[K")
      barIsOpen = true
    } else {
      interval = min(interval * 1.3, 60)
      sink(line + "\n")
    }
  }
}
