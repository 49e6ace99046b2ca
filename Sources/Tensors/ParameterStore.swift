import Core
import Glibc

/// A flat array of floats under a layout: parameters, or a moment of the optimiser.
///
/// Invariant: `memory` is one mapping of `layout.count` floats, which lives as long as the store. Between steps one
/// thread writes; during forward and backward all threads only read.
public final class ParameterStore: @unchecked Sendable {
  // Sendable: the trainer separates the phases in which threads read from those in which one range has one writer.
  public let layout: ParameterLayout
  public let memory: UnsafeMutablePointer<Float>
  /// Bytes of a mapping of this store's own; nil where `owner` has it.
  private let mapped: Int?
  private let owner: AnyObject?

  /// All zero.
  public init(_ layout: ParameterLayout) {
    self.layout = layout
    let bytes = max(layout.count, 16) * MemoryLayout<Float>.stride
    (mapped, owner, memory) = (bytes, nil, mapFloats(bytes: bytes))
  }

  /// The floats that are in `memory`, which lives as long as `owner`.
  public init(_ layout: ParameterLayout, in memory: UnsafeMutablePointer<Float>, owner: AnyObject) {
    (self.layout, self.memory, mapped, self.owner) = (layout, memory, nil, owner)
  }

  deinit { if let mapped { munmap(memory, mapped) } }

  /// A parameter as a matrix (a vector is one row).
  public func view(_ index: Int) -> TensorView {
    let entry = layout.entries[index]
    return TensorView(base: memory + entry.offset, rows: entry.rows, columns: entry.columns)
  }

  /// The whole array as one row, padding included.
  public var all: TensorView { TensorView(base: memory, rows: 1, columns: layout.count) }

  /// Draws every parameter by its initialiser, keyed by (seed, name, element): the values do not depend
  /// on the order of the layout, on ranks, or on what other parameters there are.
  public func initialize(seed: UInt64) {
    for entry in layout.entries {
      let values = view(entry.index)
      switch entry.spec.initializer {
      case .zeros: values.fill(0)
      case .ones: values.fill(1)
      case .sinCos(let grid, let leading): fillSinCos(values, grid: grid, leading: leading)
      case .normal(let deviation):
        let random = CounterGenerator(
          seed: seed, purpose: .initialization, position: Self.key(of: entry.name))
        fillNormal(values, deviation: deviation, random)
      }
    }
  }
}

extension ParameterStore {
  /// A number for a name, by FNV-1a of 64 bits.
  public static func key(of name: String) -> UInt64 {
    name.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
  }
}

/// Normal numbers by Box and Muller in double precision, two from each pair of uniform numbers.
func fillNormal(_ values: TensorView, deviation: Float, _ random: CounterGenerator) {
  for pair in 0..<(values.count + 1) / 2 {
    // `uniformDouble` of 2 · pair and the next: both lie in one block.
    let words = random.block(UInt32(truncatingIfNeeded: pair))
    func uniform(_ low: UInt32, _ high: UInt32) -> Double {
      Double((UInt64(low) | UInt64(high) << 32) >> 11) * 0x1p-53
    }
    // 1 - u lies in (0, 1], so that the logarithm is finite.
    let radius = (-2 * log(1 - uniform(words.x, words.y))).squareRoot() * Double(deviation)
    let angle = 2 * Double.pi * uniform(words.z, words.w)
    values[2 * pair] = Float(radius * cos(angle))
    if 2 * pair + 1 < values.count { values[2 * pair + 1] = Float(radius * sin(angle)) }
  }
}

/// The table of `Initializer.sinCos`. - Precondition: a row per cell and leading row, and columns that 2 · axes
/// divides.
func fillSinCos(_ values: TensorView, grid: [Int], leading: Int) {
  let (axes, cells) = (max(grid.count, 1), grid.reduce(1, *))
  precondition(
    values.rows == leading + cells && values.columns % (2 * axes) == 0,
    "no table of \(grid) in [\(values.rows), \(values.columns)]")
  values.fill(0)
  let (share, half) = (values.columns / axes, values.columns / axes / 2)
  for cell in 0..<cells {
    var rest = cell
    for (place, axis) in grid.indices.reversed().enumerated() {
      let coordinate = Double(rest % grid[axis])
      rest /= grid[axis]
      for k in 0..<half {
        let angle = coordinate * exp(-log(10_000) * Double(k) / Double(half))
        values[leading + cell, place * share + k] = Float(sin(angle))
        values[leading + cell, place * share + half + k] = Float(cos(angle))
      }
    }
  }
}
