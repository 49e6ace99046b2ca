import Core

/// How many of n positions a share is: max(1, round(share · n)).
public func maskCount(_ share: Double, of n: Int) -> Int { max(1, Int((share * Double(n)).rounded())) }

/// How many positions of a sample are hidden, drawn anew for every sample.
///
/// Reference: Zhang et al., "Look ahead or look around?", 2024, arXiv 2407.00935.
public struct MaskCount: Sendable {
  public enum Distribution: String, Codable, Sendable, CaseIterable {
    /// k ~ U{1 … n}.
    case uniformCount = "uniform-count"
    /// k = max(1, round(r · n)), r ~ U[low, high].
    case uniformRatio = "uniform-ratio"
    /// k = ⌈n · cos(π·u/2)⌉, u ~ U[0, 1).
    case cosine
    /// k = max(1, round(fixed · n)).
    case fixed
  }

  public let distribution: Distribution
  /// Bounds of the share under `uniformRatio`, 0 … 1.
  public let ratios: ClosedRange<Double>
  /// The share under `fixed`, 0 … 1.
  public let fixedRatio: Double

  public init(_ distribution: Distribution, ratios: ClosedRange<Double> = 0...1, fixedRatio: Double = 0.15) {
    (self.distribution, self.ratios, self.fixedRatio) = (distribution, ratios, fixedRatio)
  }

  /// 1 … n, for n ≥ 1. Element 0 of the generator is used.
  public func callAsFunction(of n: Int, _ random: CounterGenerator) -> Int {
    switch distribution {
    case .uniformCount: 1 + random.below(n, 0)
    case .uniformRatio:
      maskCount(ratios.lowerBound + (ratios.upperBound - ratios.lowerBound) * random.uniformDouble(0), of: n)
    case .cosine: min(n, max(1, Int((Double(n) * cosineOfQuarterTurn(random.uniformDouble(0))).rounded(.up))))
    case .fixed: maskCount(fixedRatio, of: n)
    }
  }
}

/// cos(π·u/2) for u in [0, 1], by its series: products and sums alone, so that no library's rounding can change a
/// count.
///
/// - Note: the first term left out is below 10⁻¹⁹.
func cosineOfQuarterTurn(_ u: Double) -> Double {
  let x = u * (Double.pi / 2)
  return stride(from: 22, to: 0, by: -2).reduce(1.0) { 1 - $0 * x * x / Double($1 * ($1 - 1)) }
}
