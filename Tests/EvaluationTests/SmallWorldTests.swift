import Core
@testable import Evaluation
import Foundation
import Kernels
import Storage
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// What numpy finds in the same worlds; made by scripts/goldens/small_worlds.py.
private struct Golden: Decodable {
  struct Figures: Decodable {
    var scheme: String
    var size: Int
    var positionAware: Bool
    var conditions: Int
    var targets: Int
    var components: Int
    var singularValues: [Double]
    var squaredSum: Double
    var probeError: Double
    var bayesError: Double
  }
  struct World: Decodable {
    var seed: UInt64
    var transitions: [[Double]]
    var figures: [Figures]
  }
  var worlds: [World]

  static func read() throws -> Golden {
    try JSONDecoder.snakeCase().decode(
      Golden.self, from: Data(contentsOf: root.appendingPathComponent("goldens/small-worlds.json")))
  }
}

/// The co-occurrence matrix of small worlds by exact enumeration.
@Suite struct SmallWorldTests {
  // LAPACK's bits depend on the number of threads.
  init() { BLAS.useOneThread() }

  private static let table = SmallWorldTable()

  private func near(_ a: Double, _ b: Double, _ tolerance: Double) -> Bool { abs(a - b) <= tolerance }

  @Test func worldsAreDistributions() {
    for seed in 0..<6 {
      let texts = SmallWorld.mixture(seed: UInt64(seed)).texts()
      #expect(texts.count == 1024 && Set(texts.map(\.tokens)).count == 1024)
      for label in 0..<2 { #expect(near(texts.reduce(0) { $0 + $1.probabilities[label] }, 0.5, 1e-14)) }
    }
  }

  /// Everything against numpy: a dense matrix and its SVD here, a sparse one and the eigenvalues of its Gram matrix
  /// there. 10⁻¹² in σ² is a thousand roundings of the largest.
  @Test func figuresAreThoseOfNumpy() throws {
    for world in try Golden.read().worlds {
      let mine = SmallWorld.mixture(seed: world.seed)
      for (a, b) in zip(mine.transitions.joined(), world.transitions.joined()) { #expect(near(a, b, 1e-15)) }
      for expected in world.figures {
        let scheme: SmallWorldScheme =
          expected.scheme == "ahead" ? .ahead(offsets: expected.size) : .masked(hidden: expected.size)
        let found = SmallWorldFigures(mine, scheme, positionAware: expected.positionAware)
        #expect(
          (found.conditions, found.targets, found.components) == (
            expected.conditions, expected.targets, expected.components
          ))
        #expect(
          near(found.squaredSum, expected.squaredSum, 1e-11) && near(found.bayesError, expected.bayesError, 1e-13))
        #expect(found.singularValues.count == expected.singularValues.count)
        for (a, b) in zip(found.singularValues, expected.singularValues) { #expect(near(a * a, b * b, 1e-12)) }
        // Six features are only determined where the sixth value is apart from the seventh.
        let s = expected.singularValues
        if s.count <= 6 || s[5] - s[6] > 1e-6 { #expect(near(found.probeError, expected.probeError, 1e-8)) }
      }
    }
  }

  /// Next-token prediction falls into one part per prefix length, masking one token into one per position; any second
  /// target joins them.
  @Test func connectivity() {
    let rows = Self.table.rows
    #expect(rows.map { Set($0.aware.map(\.components)) } == [[4], [1], [1], [1], [5], [1], [1]])
    for row in rows {
      for figures in row.aware + row.blind {
        // As many unit singular values as components, and none between.
        #expect(figures.singularValues.count { near($0, 1, 1e-12) } == figures.components)
        #expect(figures.singularValues[0] < 1 + 1e-12 && figures.singularValues[figures.components] < 0.95)
        #expect(near(figures.tail(0), figures.squaredSum, 1e-11))
      }
    }
  }

  /// More offsets and more holes shrink σ₂ and Σσ² in every world. Ranges are those of the published means, 0.919,
  /// 0.782, 0.739, 0.768 and
  /// 0.707, whose worlds were drawn by another generator: within 0.05.
  @Test func secondValue() {
    let second = Self.table.rows.map { $0.aware.map { $0.singularValues[1] } }
    let sums = Self.table.rows.map { $0.aware.map(\.squaredSum) }
    for world in 0..<6 {
      for (a, b) in [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6)] {
        #expect(second[a][world] > second[b][world] && sums[a][world] > sums[b][world])
      }
      for (row, mean) in [(1, 0.919), (2, 0.782), (3, 0.739), (5, 0.768), (6, 0.707)] {
        #expect(near(second[row][world], mean, 0.05))
      }
    }
  }

  /// At six features next-token prediction loses class information that the context has; with two offsets nothing is
  /// lost.
  @Test func probe() {
    let rows = Self.table.rows
    for world in 0..<6 {
      #expect(rows[0].aware[world].probeError > rows[0].aware[world].bayesError + 0.05)
      for row in [1, 2, 3] {
        #expect(near(rows[row].aware[world].probeError, rows[row].aware[world].bayesError, 1e-3))
        #expect(near(rows[row].aware[world].bayesError, rows[0].aware[world].bayesError, 1e-12))
      }
    }
  }

  /// The claim hinges on positions: where a target is a token alone every scheme is connected, and further offsets
  /// change σ₂ by less than a hundredth on average, where with positions they change it by more than eight.
  @Test func positionBlindTargetsMakeTheDifferenceVanish() {
    let rows = Self.table.rows
    func mean(_ figures: [SmallWorldFigures]) -> Double {
      figures.reduce(0) { $0 + $1.singularValues[1] } / Double(figures.count)
    }
    #expect(rows.allSatisfy { $0.blind.allSatisfy { $0.components == 1 } })
    for row in 1...3 {
      #expect(near(mean(rows[0].blind), mean(rows[row].blind), 0.01))
      #expect(mean(rows[0].aware) - mean(rows[row].aware) > 0.08)
    }
  }

  /// The page shows what the code prints.
  @Test func documentedTable() throws {
    let page = try String(contentsOf: root.appendingPathComponent("docs/small-worlds.md"), encoding: .utf8)
    let text = Self.table.description
    #expect(page.contains(text), "docs/small-worlds.md does not hold this table:\n\(text)")
  }
}
