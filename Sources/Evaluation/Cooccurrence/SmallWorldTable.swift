import Foundation

/// The table of docs/small-worlds.md: every scheme in the first worlds, mean ± standard deviation over them.
public struct SmallWorldTable: Sendable, CustomStringConvertible {
  public struct Row: Sendable {
    public let scheme: SmallWorldScheme
    /// One a world.
    public let aware: [SmallWorldFigures]
    /// With targets that do not know their position.
    public let blind: [SmallWorldFigures]
  }

  public let rows: [Row]

  public init(worlds: Int = 6) {
    let worlds = (0..<worlds).map { SmallWorld.mixture(seed: UInt64($0)) }
    rows = SmallWorldScheme.table.map { scheme in
      Row(
        scheme: scheme, aware: worlds.map { SmallWorldFigures($0, scheme) },
        blind: worlds.map { SmallWorldFigures($0, scheme, positionAware: false) })
    }
  }

  public var description: String {
    let head = [
      "| scheme | components | σ₂ | Σσ² | Σ_{i>6} σ² | probe error, 6 features | Bayes error | σ₂, position-blind |",
      "|---|---|---|---|---|---|---|---|",
    ]
    return (head + rows.map(line)).joined(separator: "\n")
  }

  private func line(_ row: Row) -> String {
    let components = Set(row.aware.map(\.components)).sorted().map(String.init).joined(separator: ", ")
    let cells = [
      "\(row.scheme)", components, spread(row.aware) { $0.singularValues[1] }, spread(row.aware, \.squaredSum),
      spread(row.aware) { $0.tail(6) },
      spread(row.aware, \.probeError), spread(row.aware, \.bayesError), spread(row.blind) { $0.singularValues[1] },
    ]
    return "| " + cells.joined(separator: " | ") + " |"
  }

  private func spread(_ figures: [SmallWorldFigures], _ value: (SmallWorldFigures) -> Double) -> String {
    let values = figures.map(value)
    let mean = values.reduce(0, +) / Double(values.count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(values.count - 1, 1))
    return String(format: "%.3f ± %.3f", mean, variance.squareRoot())
  }
}
