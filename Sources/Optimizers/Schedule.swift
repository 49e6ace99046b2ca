import Glibc

/// The learning rate over a run.
public struct LearningRateSchedule: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable, CaseIterable {
    case constant, linear, cosine
    /// Warm-up, a stable plateau, then a linear decay over the last `decayRatio` of the run.
    case warmupStableDecay = "wsd"
  }

  public var type: Kind
  /// Steps over which the rate rises linearly from peak / warmupSteps to the peak.
  public var warmupSteps: Int
  /// What the rate falls to, as a share of the peak.
  public var minLrFactor: Double
  /// Share of the run that `wsd` decays over.
  public var decayRatio: Double

  public init(type: Kind = .cosine, warmupSteps: Int = 0, minLrFactor: Double = 0.1, decayRatio: Double = 0.2) {
    (self.type, self.warmupSteps, self.minLrFactor, self.decayRatio) = (type, warmupSteps, minLrFactor, decayRatio)
  }

  /// The rate of step `step` (from 0) of `steps`.
  ///
  /// *Concretely:* with t the share of the steps after warm-up that are done and f = minLrFactor: constant 1, linear
  /// 1 - t·(1 - f), cosine f + (1 - f)·(1 + cos πt)/2, wsd 1 until t = 1 - decayRatio and then linear to f; all times
  /// the peak.
  ///
  /// Of n steps after warm-up, step k (from 0) has t = k / (n - 1), so that the last one has the rate f. Where f is 0
  /// that step would change nothing: then t = k / n, and the rate is 0 only after the last step.
  /// Reference for wsd: Hu et al., "MiniCPM", 2024, arXiv 2404.06395.
  public func rate(step: Int, of steps: Int, peak: Double) -> Double {
    if step < warmupSteps { return peak * Double(step + 1) / Double(warmupSteps) }
    let length = steps - warmupSteps
    // The place at which the final share is reached: the last step, or the one after it.
    let end = minLrFactor > 0 ? length - 1 : length
    // A step beyond those planned has the last one's rate.
    let place = min(step, max(steps, 1) - 1) - warmupSteps
    let t = end > 0 ? min(1, Double(max(place, 0)) / Double(end)) : 0
    switch type {
    case .constant: return peak
    case .linear: return peak * (1 - t * (1 - minLrFactor))
    case .cosine: return peak * (minLrFactor + (1 - minLrFactor) * 0.5 * (1 + cos(Double.pi * t)))
    case .warmupStableDecay:
      let start = 1 - decayRatio
      return t <= start || decayRatio <= 0 ? peak : peak * (1 - (t - start) / decayRatio * (1 - minLrFactor))
    }
  }
}
