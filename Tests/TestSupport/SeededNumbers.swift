import Core
import Glibc

/// Numbers for tests: the same in every run, other ones for another seed.
public struct SeededNumbers {
  private let random: CounterGenerator
  private var next = 0

  public init(_ seed: UInt64) { random = CounterGenerator(seed: seed, purpose: .evaluation, position: 0x7E57) }

  public mutating func uniform(_ count: Int, in range: ClosedRange<Float> = 0...1) -> [Float] {
    defer { next += count }
    return (next..<next + count).map { range.lowerBound + (range.upperBound - range.lowerBound) * random.uniform($0) }
  }

  /// Normal numbers with all bits of a float in use, so that their sums round.
  public mutating func normal(_ count: Int, deviation: Float = 1) -> [Float] {
    defer { next += 2 * count }
    return (0..<count).map { i in
      let radius = (-2 * log(1 - random.uniformDouble(next + 2 * i))).squareRoot()
      return Float(radius * cos(2 * Double.pi * random.uniformDouble(next + 2 * i + 1))) * deviation
    }
  }

  public mutating func below(_ bound: Int, count: Int) -> [Int32] {
    uniform(count).map { Int32(min(Int($0 * Float(bound)), bound - 1)) }
  }
}

extension SeededNumbers {
  /// ln n.
  static func naturalLogarithm(_ n: Int) -> Double { log(Double(n)) }
}
