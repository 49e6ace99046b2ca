/// Seconds spent at each stop of the line during a step.
struct StepTimer {
  private(set) var seconds: [(stop: String, seconds: Double)] = []
  private var last = ContinuousClock.now
  private let start = ContinuousClock.now

  /// The time since the last mark belongs to `stop`.
  mutating func mark(_ stop: String) {
    let now = ContinuousClock.now
    let elapsed = (now - last).inSeconds
    last = now
    if let index = seconds.firstIndex(where: { $0.stop == stop }) {
      seconds[index].seconds += elapsed
    } else {
      seconds.append((stop, elapsed))
    }
  }

  var total: Double { (ContinuousClock.now - start).inSeconds }
}

extension Duration {
  /// As a floating-point number of seconds.
  public var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
