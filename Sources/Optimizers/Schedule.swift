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
  /// Reference for wsd: Hu et al., "MiniCPM", 2024, arXiv 2404.06395.
  public func rate(step: Int, of steps: Int, peak: Double) -> Double {
    if step < warmupSteps { return peak * Double(step + 1) / Double(warmupSteps) }
    let length = steps - warmupSteps
    let t = length > 1 ? min(1, Double(step - warmupSteps) / Double(length - 1)) : 0
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
