import Foundation

/// One axis of a plot: data to pixels, and round numbers to write along it.
public struct PlotAxis: Equatable, Sendable {
  public let low: Double
  public let high: Double
  public let isLogarithmic: Bool
  public let pixels: ClosedRange<Double>
  /// Whether larger values have smaller coordinates, as upwards on a screen.
  public let isReversed: Bool

  public init(low: Double, high: Double, isLogarithmic: Bool, pixels: ClosedRange<Double>, isReversed: Bool) {
    (self.low, self.high, self.isLogarithmic) = (low, high, isLogarithmic)
    (self.pixels, self.isReversed) = (pixels, isReversed)
  }

  public func position(_ value: Double) -> Double {
    let share = (scaled(value) - scaled(low)) / (scaled(high) - scaled(low))
    let length = pixels.upperBound - pixels.lowerBound
    return isReversed ? pixels.upperBound - share * length : pixels.lowerBound + share * length
  }

  private func scaled(_ value: Double) -> Double { isLogarithmic ? log10(max(value, .leastNormalMagnitude)) : value }

  /// Round values inside the axis, with their texts.
  public var ticks: [(value: Double, text: String)] {
    guard isLogarithmic else {
      let step = Self.roundStep(high - low, count: 6)
      return Self.multiples(of: step, from: low, to: high).map { ($0, Self.text($0, step: step)) }
    }
    let decades = Int(log10(low).rounded(.down))...Int(log10(high).rounded(.up))
    let factors: [Double] = decades.count > 4 ? [1] : [1, 2, 5]
    return decades.flatMap { decade in factors.map { $0 * pow(10, Double(decade)) } }
      .filter { $0 >= low * 0.999_999 && $0 <= high * 1.000_001 }
      .map { ($0, Self.text($0, step: $0)) }
  }

  /// 1, 2 or 5 times a power of ten, so that about `count` of them span `range`.
  static func roundStep(_ range: Double, count: Int) -> Double {
    let raw = range / Double(count)
    let power = pow(10, log10(raw).rounded(.down))
    let lead = raw / power
    return (lead < 1.5 ? 1 : lead < 3.5 ? 2 : lead < 7.5 ? 5 : 10) * power
  }

  static func multiples(of step: Double, from low: Double, to high: Double) -> [Double] {
    let first = Int((low / step - 1e-6).rounded(.up))
    let last = Int((high / step + 1e-6).rounded(.down))
    return first > last ? [] : (first...last).map { Double($0) * step }
  }

  /// As many decimals as the step needs; thousands as `20k`.
  static func text(_ value: Double, step: Double) -> String {
    if abs(value) >= 10_000 || (abs(value) >= 1_000 && step >= 1_000) {
      let (scale, unit) = abs(value) >= 1e6 ? (1e6, "M") : (1e3, "k")
      return trimmed(value / scale) + unit
    }
    let decimals = max(0, Int((-log10(step) - 1e-9).rounded(.up)))
    return String(format: "%.\(decimals)f", value)
  }

  private static func trimmed(_ value: Double) -> String {
    value == value.rounded() ? String(format: "%.0f", value) : String(format: "%g", value)
  }
}
