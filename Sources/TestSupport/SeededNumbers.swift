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

  /// Nearly normal: the sum of twelve uniform numbers, less six.
  public mutating func normal(_ count: Int, deviation: Float = 1) -> [Float] {
    (0..<count).map { _ in (uniform(12).reduce(0, +) - 6) * deviation }
  }

  public mutating func below(_ bound: Int, count: Int) -> [Int32] {
    uniform(count).map { Int32(min(Int($0 * Float(bound)), bound - 1)) }
  }
}

extension SeededNumbers {
  /// ln n.
  static func naturalLogarithm(_ n: Int) -> Double { log(Double(n)) }
}
