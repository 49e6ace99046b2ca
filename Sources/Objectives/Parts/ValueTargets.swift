import Core
import Layers

/// What the numbers of a position are compared with.
public enum ValueTarget: Sendable, Equatable {
  /// The numbers as they are.
  case values
  /// (x - mean) / √(variance + 10⁻⁶) over the position's own numbers, with the unbiased variance, as MAE has it.
  case normalized
}

/// Collects positions of numbers as the targets of a term: the one rule for numbers that were not measured.
///
/// A number that was not measured has no weight, and a position without one that was is no target. The others of a
/// position have 1/k each, so that the term's count is Σ (share of measured numbers).
public struct ValueTargets: Sendable {
  private var (rows, values, elementWeights, weights) = ([Int](), [Float](), [Float](), [Float]())
  private let target: ValueTarget

  public init(_ target: ValueTarget = .values) { self.target = target }

  /// Positions collected until now.
  public var count: Int { rows.count }

  /// Makes the numbers [k] at position `i` of a sample of `clean` a target, in row sample · length + i.
  public mutating func add(_ i: Int, of sample: Int, in clean: SampleBatch) {
    let (row, size) = (sample * clean.length + i, clean.valueSize)
    let numbers = row * size..<(row + 1) * size
    let measured = clean.observed.isEmpty ? nil : Array(clean.observed[numbers])
    let count = measured.map { $0.count { $0 } } ?? size
    guard count > 0 else { return }
    rows.append(row)
    values += target == .values ? Array(clean.values[numbers]) : Self.normalized(clean.values[numbers], measured)
    if let measured { elementWeights += measured.map { $0 ? 1 / Float(size) : 0 } }
    weights.append(Float(count) / Float(size))
  }

  /// Everything collected.
  public func targets() -> TermTargets {
    var targets = TermTargets(rows: rows, values: values, elementWeights: elementWeights, weights: weights)
    // A number's weight is an element's; the row's would count it twice.
    if !elementWeights.isEmpty { targets.weights = [Float](repeating: 1, count: rows.count) }
    return targets
  }

  /// In double precision; of one number alone the variance is 0.
  private static func normalized(_ numbers: ArraySlice<Float>, _ measured: [Bool]?) -> [Float] {
    let (mean, deviation) = statistics(numbers, measured)
    return numbers.map { Float((Double($0) - mean) / deviation) }
  }

  /// What the numbers of a position are normalised by: the mean, and √(variance + 10⁻⁶), of those that were measured.
  static func statistics(_ numbers: ArraySlice<Float>, _ measured: [Bool]?) -> (mean: Double, deviation: Double) {
    let own = measured.map { zip(numbers, $0).filter(\.1).map { Double($0.0) } } ?? numbers.map(Double.init)
    let mean = own.reduce(0, +) / Double(own.count)
    let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(own.count - 1, 1))
    return (mean, (variance + 1e-6).squareRoot())
  }
}
