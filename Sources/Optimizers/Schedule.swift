import Glibc

/// The learning rate over a run.
public struct LearningRateSchedule: Codable, Sendable, Equatable {
  public enum Shape: String, Codable, Sendable, CaseIterable {
    case constant, linear, cosine
    /// Warm-up, a stable plateau, then a linear decay over the last `decayShare` of the run.
    case warmupStableDecay = "wsd"
  }

  public var shape: Shape
  /// Steps over which the rate rises linearly from peak / warmupSteps to the peak.
  public var warmupSteps: Int
  /// What the rate falls to, as a share of the peak.
  public var finalShare: Double
  /// Share of the run that `wsd` decays over.
  public var decayShare: Double

  public init(shape: Shape = .cosine, warmupSteps: Int = 0, finalShare: Double = 0.1, decayShare: Double = 0.2) {
    (self.shape, self.warmupSteps, self.finalShare, self.decayShare) = (shape, warmupSteps, finalShare, decayShare)
  }

  /// The rate of step `step` (from 0) of `steps`.
  ///
  /// *Concretely:* with t the share of the steps after warm-up that are done and f = finalShare: constant 1, linear
  /// 1 - t·(1 - f), cosine f + (1 - f)·(1 + cos πt)/2, wsd 1 until t = 1 - decayShare and then linear to f; all times the peak.
  ///
  /// Of n steps after warm-up, step k (from 0) has t = k / (n - 1), so that the last one has the rate f. Where f is 0 that step
  /// would change nothing: then t = k / n, and the rate is 0 only after the last step.
  /// Reference for wsd: Hu et al., "MiniCPM", 2024, arXiv 2404.06395.
  public func rate(step: Int, of steps: Int, peak: Double) -> Double {
    if step < warmupSteps { return peak * Double(step + 1) / Double(warmupSteps) }
    let length = steps - warmupSteps
    // The place at which the final share is reached: the last step, or the one after it.
    let end = finalShare > 0 ? length - 1 : length
    // A step beyond those planned has the last one's rate.
    let place = min(step, max(steps, 1) - 1) - warmupSteps
    let t = end > 0 ? min(1, Double(max(place, 0)) / Double(end)) : 0
    switch shape {
    case .constant: return peak
    case .linear: return peak * (1 - t * (1 - finalShare))
    case .cosine: return peak * (finalShare + (1 - finalShare) * 0.5 * (1 + cos(Double.pi * t)))
    case .warmupStableDecay:
      let start = 1 - decayShare
      return t <= start || decayShare <= 0 ? peak : peak * (1 - (t - start) / decayShare * (1 - finalShare))
    }
  }
}
