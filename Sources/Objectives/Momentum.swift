import Glibc

/// How much of an exponential moving average stays at each step: θ' ← μ·θ' + (1 - μ)·θ.
public struct Momentum: Sendable, Equatable {
  enum Shape: Equatable {
    case linear, cosine, exponential(until: Int), ramp(share: Double)
  }

  let shape: Shape
  let start: Double
  let end: Double

  /// The same μ in every step.
  public static func constant(_ value: Double) -> Momentum { linear(from: value, to: value) }

  /// μ goes in a line from `start` to `end` over the run (data2vec, DINO's simplest).
  public static func linear(from start: Double, to end: Double) -> Momentum {
    Momentum(shape: .linear, start: start, end: end)
  }

  /// μ = end - (end - start)·(1 + cos πt)/2 over the run. Reference: Grill et al., "BYOL", 2020, arXiv 2006.07733.
  public static func cosine(from start: Double, to end: Double) -> Momentum {
    Momentum(shape: .cosine, start: start, end: end)
  }

  /// μ goes in a line from `start` to `end` over the first `share` of the run and then stays, as data2vec has it.
  /// `share` of 0: `end` at once.
  public static func ramp(from start: Double, to end: Double, share: Double) -> Momentum {
    Momentum(shape: .ramp(share: share), start: start, end: end)
  }

  /// 1 - μ falls by a constant factor per step, from 1 - start at step 0 to 1 - end at step `until`, and μ is 1 from
  /// there on: the average stands still, as the teacher of SpidR does. - Precondition: start and end lie below 1.
  public static func exponential(from start: Double, to end: Double, until step: Int) -> Momentum {
    precondition(
      start < 1 && end < 1 && step >= 1, "an exponential momentum from \(start) to \(end) over \(step) steps")
    return Momentum(shape: .exponential(until: step), start: start, end: end)
  }

  /// Whether μ depends on the number of planned steps.
  public var followsProgress: Bool {
    if case .exponential = shape { return false }
    return start != end
  }

  /// μ after the step that `context` is of.
  public func value(_ context: StepContext) -> Double {
    switch shape {
    case .linear: return start + (end - start) * context.progress
    case .cosine: return end - (end - start) * (1 + cos(Double.pi * context.progress)) / 2
    case .ramp(let share): return start + (end - start) * (share > 0 ? min(1, context.progress / share) : 1)
    case .exponential(let until):
      guard context.step < until else { return 1 }
      return 1 - (1 - start) * pow((1 - end) / (1 - start), Double(context.step) / Double(until))
    }
  }
}
