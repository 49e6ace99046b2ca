import Core

/// Seconds spent in each phase of a step.
struct StepTimer {
  private(set) var seconds: [(phase: String, seconds: Double)] = []
  private var last = ContinuousClock.now
  private let start = ContinuousClock.now
  private var marked = Trace.isOn ? Trace.now : 0

  /// The time since the last mark belongs to `phase`.
  mutating func mark(_ phase: String) {
    let now = ContinuousClock.now
    let elapsed = (now - last).inSeconds
    last = now
    Trace.record(phase, thread: 0, since: marked)
    marked = Trace.isOn ? Trace.now : 0
    if let index = seconds.firstIndex(where: { $0.phase == phase }) {
      seconds[index].seconds += elapsed
    } else {
      seconds.append((phase, elapsed))
    }
  }

  var total: Double { (ContinuousClock.now - start).inSeconds }
}
