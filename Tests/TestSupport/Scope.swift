import Core
import Kernels
import Tensors

/// Numbers that a reference computes from the parameters and then takes for constants: what a generator draws, what a
/// stopped gradient leaves behind. Differences must not move them, so they stay those of the point.
final class HeldNumbers {
  private var numbers: [String: [Double]] = [:]

  func get(_ name: String, _ compute: () -> [Double]) -> [Double] {
    if let known = numbers[name] { return known }
    let computed = compute()
    numbers[name] = computed
    return computed
  }
}

/// What a reference computes with: the parameters by name, as values on a tape.
public struct Scope {
  public let tape: Tape
  public let layout: ParameterLayout
  /// The generator of dropout masks, and the offset of their sites; nil switches dropout off.
  public var dropout: CounterGenerator?
  public var siteOffset: UInt32 = 0
  /// What no gradient flows through, kept from the point that differences are taken around; nil where there are none.
  var held: HeldNumbers?
  /// Which rows have the maxima.
  public var choices = Choices()
  private let values: [Value]

  public init(_ tape: Tape, _ layout: ParameterLayout, _ parameters: [Double], dropout: CounterGenerator? = nil) {
    (self.tape, self.layout, self.dropout) = (tape, layout, dropout)
    values = layout.entries.map { tape.leaf($0.rows, $0.columns, Array(parameters[$0.range])) }
  }

  public func parameter(_ name: String) -> Value {
    guard let value = optional(name) else {
      preconditionFailure("the reference asks for \(name), which the layout does not have")
    }
    return value
  }

  public func optional(_ name: String) -> Value? { layout.entry(named: name).map { values[$0.index] } }

  /// Numbers that differences leave as they are at the point.
  func holding(_ name: String, _ compute: () -> [Double]) -> [Double] { held?.get(name, compute) ?? compute() }

  /// The gradients of all parameters after `Tape.backward`, laid out as the parameters.
  public var gradients: [Double] {
    var flat = [Double](repeating: 0, count: layout.count)
    for entry in layout.entries { flat.replaceSubrange(entry.range, with: values[entry.index].gradient) }
    return flat
  }

  /// Σ w · e · ℓ(y - t) over the numbers of some rows, as `RegressionHead` scores them: e is a number's weight, or 1/k.
  /// Of `cosine`, Σ w · (1 - cos(y, t)) over the rows.
  public func regression(_ kind: RegressionLoss, _ y: Value, _ t: RegressionTargets, beta: Double = 1) -> Value {
    let k = y.columns
    let target = tape.leaf(y.rows, k, t.values.map(Double.init))
    if kind == .cosine {
      return (y.oneMinusCosine(target) * tape.leaf(y.rows, 1, t.weights.map(Double.init))).total()
    }
    let elements =
      t.elementWeights.isEmpty
      ? [Double](repeating: 1 / Double(k), count: y.rows * k) : t.elementWeights.map(Double.init)
    let weights = elements.enumerated().map { $0.element * Double(t.weights[$0.offset / k]) }
    let difference = y - target
    let losses =
      switch kind {
      // The side of a target that a prediction is on is held: at the target itself there is no derivative.
      case .l1:
        difference * tape.leaf(y.rows, k, choices.next(difference.data.map { $0 < 0 ? -1 : 1 }).map(Double.init))
      case .smoothL1: smoothAbsolute(difference, beta)
      case .l2, .cosine: difference * difference
      }
    return (losses * tape.leaf(y.rows, k, weights)).total()
  }

  /// ½x²/β where |x| < β, else |x| - ½β. The branch is held: at |x| = β there is no second derivative.
  private func smoothAbsolute(_ x: Value, _ beta: Double) -> Value {
    let sides = choices.next(x.data.map { abs($0) < beta ? 0 : $0 < 0 ? -1 : 1 }).map(Double.init)
    let (outer, inner) = (
      tape.leaf(x.rows, x.columns, sides), tape.leaf(x.rows, x.columns, sides.map { $0 == 0 ? 1 : 0 })
    )
    let offsets = tape.leaf(x.rows, x.columns, sides.map { $0 == 0 ? 0 : 0.5 * beta })
    return inner * x * x * (0.5 / beta) + outer * x - offsets
  }

  /// The largest element of each column, [1, columns]; of equal ones the first has the gradient.
  public func columnMaxima(_ x: Value) -> Value { x.taking(places: choices.next(x.placesOfColumnMaxima())) }

  /// The factor that dropout puts on element `index` of the sequence that starts at group `firstGroup`: 0 or 1 / (1 -
  /// p), p the rate in units of 2⁻¹⁶.
  ///
  /// Elements come in groups of 32. Element 8w + 2j + h of a group is decided by half h of word w of block 4 · group +
  /// j.
  public static func dropoutFactor(rate: Float, firstGroup: Int = 0, _ index: Int, _ random: CounterGenerator) -> Double
  {
    let (group, inside) = (firstGroup + index / 32, index % 32)
    let word = random.block(UInt32(truncatingIfNeeded: 4 * group + inside % 8 / 2))[inside / 8]
    let half = Int(inside % 2 == 0 ? word & 0xFFFF : word >> 16)
    let limit = Int((Double(rate) * 65_536).rounded())
    return half < limit ? 0 : Double(65_536 / Float(65_536 - limit))
  }

  /// Dropout of rows that belong to samples.
  public func dropped(_ x: Value, rate: Float, positions: [UInt64], site: UInt32) -> Value {
    guard let dropout, rate > 0 else { return x }
    let size = x.data.count / max(positions.count, 1)
    let factors = positions.flatMap { position in
      let random = dropout.at(position: position, site: site &+ siteOffset)
      return (0..<size).map { Self.dropoutFactor(rate: rate, $0, random) }
    }
    return x * tape.leaf(x.rows, x.columns, factors)
  }
}

/// Choices that a reference made at one point, to be made again at points near it: a maximum that changes hands between
/// two points has no derivative there, and differences of a function with its choices held fixed are what a gradient
/// is.
public final class Choices {
  private var made: [[Int]] = []
  private var place = 0

  public init() {}

  /// From the first choice on again.
  public func rewind() { place = 0 }

  /// The choice made here before, or this one.
  func next(_ choice: [Int]) -> [Int] {
    if place == made.count { made.append(choice) }
    place += 1
    return made[place - 1]
  }
}
