import Core
@testable import Evaluation
import Kernels
import Objectives
import Testing

@Suite struct CooccurrenceMatrixTests {
  // LAPACK's bits depend on the number of threads.
  init() { BLAS.useOneThread() }

  /// A matrix with about a quarter of its places filled; the first columns are used by few rows.
  private func random(_ rows: Int, _ columns: Int, seed: UInt64 = 3) -> [NodePair: Double] {
    let r = CounterGenerator(seed: seed, purpose: .evaluation)
    var joint: [NodePair: Double] = [:]
    for row in 0..<rows {
      for column in 0..<columns where r.below(4, 2 * (row * columns + column)) == 0 {
        joint[NodePair(UInt64(row * 7), UInt64(column * 5))] = 1 + Double(r.below(9, 2 * (row * columns + column) + 1))
      }
    }
    return joint
  }

  /// Two pairs apart and a square: by hand, the square [[2, 1], [1, 2]] / 3 has the values 1 and 1/3.
  @Test func byHand() {
    let joint: [NodePair: Double] = [
      NodePair(1, 1): 5, NodePair(2, 2): 2, NodePair(2, 3): 1, NodePair(3, 2): 1, NodePair(3, 3): 2, NodePair(4, 9): 0,
    ]
    let matrix = CooccurrenceMatrix(joint)
    #expect(matrix.conditions == [1, 2, 3] && matrix.targets == [1, 2, 3])
    #expect(matrix.conditionWeights == [5, 3, 3] && matrix.targetWeights == [5, 3, 3] && matrix.total == 11)
    #expect(matrix.components == 2)
    #expect(abs(matrix.squaredSum - (2 + 1.0 / 9)) < 1e-15)
    for (value, expected) in zip(matrix.singularValues().values, [1, 1, 1.0 / 3]) {
      #expect(abs(value - expected) < 1e-15)
    }
    #expect(
      CooccurrenceMatrix([:]).components == 0 && CooccurrenceMatrix([:]).leadingSingularValues(3, seed: 1).isEmpty)
  }

  /// Right singular vectors are orthonormal, and A stretches each by its value.
  @Test func vectorsBelongToValues() {
    let matrix = CooccurrenceMatrix(random(80, 20))
    let (values, vectors) = matrix.singularValues()
    let n = matrix.targets.count
    #expect(abs(values[0] - 1) < 1e-14 && values == values.sorted(by: >))
    // The first vector is √P(target).
    for (k, weight) in matrix.targetWeights.enumerated() {
      #expect(abs(abs(vectors[k]) - (weight / matrix.total).squareRoot()) < 1e-13)
    }
    #expect(abs(values.reduce(0) { $0 + $1 * $1 } - matrix.squaredSum) < 1e-13)
    for i in 0..<n {
      for j in 0...i {
        let product = (0..<n).reduce(0) { $0 + vectors[i * n + $1] * vectors[j * n + $1] }
        #expect(abs(product - (i == j ? 1 : 0)) < 1e-13)
      }
    }
  }

  /// Subspace iteration finds what the whole decomposition finds, whatever its start, and stays at a narrow matrix's
  /// width.
  @Test(arguments: [(300, 90, 6), (40, 200, 5), (50, 9, 20)]) func leadingValues(rows: Int, columns: Int, count: Int) {
    let matrix = CooccurrenceMatrix(random(rows, columns))
    let exact = matrix.singularValues().values.prefix(count)
    for seed in [1, 2] as [UInt64] {
      let found = matrix.leadingSingularValues(count, seed: seed, tolerance: 1e-12, rounds: 1000)
      #expect(found.count == min(count, matrix.targets.count))
      for (a, b) in zip(found, exact) { #expect(abs(a - b) < 1e-7) }
    }
    #expect(matrix.leadingSingularValues(count, seed: 4) == matrix.leadingSingularValues(count, seed: 4))
  }

  /// Components appear as unit values.
  @Test func componentsAreUnitValues() {
    var joint = random(60, 30)
    for (key, value) in random(50, 30, seed: 5) { joint[NodePair(key.condition + 10_000, key.target + 10_000)] = value }
    for (key, value) in random(40, 30, seed: 6) { joint[NodePair(key.condition + 20_000, key.target + 20_000)] = value }
    let matrix = CooccurrenceMatrix(joint)
    #expect(matrix.components == 3)
    let leading = matrix.leadingSingularValues(4, seed: 1)
    #expect(leading.prefix(3).allSatisfy { abs($0 - 1) < 1e-9 } && leading[3] < 0.9)
  }
}

@Suite struct CorpusCooccurrenceTests {
  // LAPACK's bits depend on the number of threads.
  init() { BLAS.useOneThread() }

  private let world = SmallWorld.mixture(seed: 0)

  /// Texts of a small world, drawn: documents of five tokens.
  private func texts(_ count: Int) -> [[Int32]] {
    let r = CounterGenerator(seed: 9, purpose: .order)
    return (0..<count).map { d in
      let chain = world.transitions[r.below(2, 8 * d)]
      var text = [r.below(4, 8 * d + 1)]
      for i in 1..<5 {
        var rest = r.uniformDouble(8 * d + 1 + i)
        text.append(
          (0..<3).first { to in
            rest -= chain[text[i - 1] * 4 + to]
            return rest < 0
          } ?? 3)
      }
      return text.map(Int32.init)
    }
  }

  private func options(_ change: (inout PairOptions) -> Void = { _ in }) -> PairOptions {
    var options = PairOptions()
    (options.window, options.neighbours, options.vocabulary, options.pairs, options.rank) = (5, 5, 4, 40_000, 6)
    change(&options)
    return options
  }

  private static let schemes: [PairScheme] = [
    .ahead(offsets: 1), .ahead(offsets: 2), .ahead(offsets: 4), .masked(hidden: 1), .masked(hidden: 2),
    .maskedEvenly(lowest: 1, highest: 3),
  ]

  /// A drawn number of hidden tokens is the mixture of the fixed ones: the counts of its pairs lie as near to their
  /// mean as chance allows.
  @Test func drawnNumbersAreTheMixture() throws {
    let documents = texts(2000)
    func counts(_ scheme: PairScheme) throws -> PairCounts {
      try PairSampler(documents, scheme, options { $0.pairs = 60_000 }).counts(0..<60_000)
    }
    let parts = try [counts(.masked(hidden: 1)), counts(.masked(hidden: 2)), counts(.masked(hidden: 3))]
    let mixed = try counts(.maskedEvenly(lowest: 1, highest: 3))
    #expect(mixed.total == 60_000 && PairScheme.maskedEvenly(lowest: 1, highest: 3).targetsPerCondition == 2)
    var far = 0
    for pair in Set(parts.flatMap(\.pairs.keys)).union(mixed.pairs.keys) {
      let mean = parts.reduce(0.0) { $0 + Double($1.pairs[pair] ?? 0) } / 3
      if abs(Double(mixed.pairs[pair] ?? 0) - mean) > 5 * max(mean, 4).squareRoot() { far += 1 }
    }
    #expect(far == 0)
    #expect(try counts(.maskedEvenly(lowest: 2, highest: 2)).total == 60_000)
  }

  /// With whole contexts as conditions the estimate is that of the exact matrix: the same components, and σ₂ within
  /// what 40,000 pairs allow (rare conditions, seen once, add spurious dependence).
  @Test func estimatesOfASmallWorldAreItsFigures() throws {
    let documents = texts(30_000)
    // The last scheme is a mixture, which the small world has not.
    for (scheme, exact) in zip(
      Self.schemes,
      [.ahead(offsets: 1), .ahead(offsets: 2), .ahead(offsets: 4), .masked(hidden: 1), .masked(hidden: 2)]
        as [SmallWorldScheme])
    {
      let report = try CooccurrenceReport.measure(documents, scheme, options())
      let figures = SmallWorldFigures(world, exact)
      #expect(report.pairs == 40_000)
      #expect(
        report.components == figures.components && report.targets == figures.targets
          && report.conditions <= figures.conditions)
      #expect(abs(report.singularValues[1] - figures.singularValues[1]) < 0.02, "\(scheme)")
      #expect(report.squaredSum > figures.squaredSum && report.tails[6] >= 0)
      #expect(
        abs(report.tails[2] - (report.squaredSum - report.singularValues.prefix(2).reduce(0) { $0 + $1 * $1 })) < 1e-12)
    }
  }

  /// Where targets do not know their position, further offsets join nothing that was apart.
  @Test func positionBlind() throws {
    let documents = texts(5000)
    let near = try CooccurrenceReport.measure(documents, .ahead(offsets: 1), options { $0.positionAware = false })
    let far = try CooccurrenceReport.measure(documents, .ahead(offsets: 4), options { $0.positionAware = false })
    #expect(near.components == 1 && far.components == 1 && near.targets == 4)
    #expect(abs(near.singularValues[1] - far.singularValues[1]) < 0.03)
  }

  /// The same pairs, however they are divided: integers added in any order.
  @Test(arguments: schemes) func partsAddUp(scheme: PairScheme) throws {
    let sampler = try PairSampler(texts(500), scheme, options { $0.pairs = 3000 })
    let whole = try sampler.counts(0..<3000)
    #expect(whole.total == 3000)
    for parts in [2, 3, 7] {
      var sum = PairCounts()
      for part in (0..<parts).reversed() {
        sum.add(try sampler.counts(3000 * part / parts..<3000 * (part + 1) / parts))
      }
      #expect(sum == whole)
      #expect(CooccurrenceReport(sum, scheme, options()) == CooccurrenceReport(whole, scheme, options()))
    }
    #expect(try PairSampler(texts(500), scheme, options { ($0.pairs, $0.seed) = (3000, 2) }).counts(0..<3000) != whole)
  }

  /// Only the V′ most frequent tokens are targets; all others are one in a condition, and every scheme keeps its number
  /// of pairs.
  @Test func vocabularyCut() throws {
    let r = CounterGenerator(seed: 4, purpose: .order)
    let documents = (0..<300).map { d in
      (0..<20).map { i in Int32(min(r.below(6, 40 * d + 2 * i), r.below(6, 40 * d + 2 * i + 1))) }
    }
    for scheme in Self.schemes {
      let report = try CooccurrenceReport.measure(
        documents, scheme, options { ($0.vocabulary, $0.neighbours, $0.positionAware) = (2, 1, false) })
      #expect(report.pairs == 40_000 && report.targets == 2)
      if case .ahead = scheme {
        #expect(report.conditions == 3)
      } else {
        #expect(report.conditions <= 3 * 3 + 2 * 3 + 1)
      }
    }
  }

  /// Evenly drawn tokens collide as often as 1 / V, also with few pairs a shape; times the targets of a condition.
  @Test func collisions() throws {
    let r = CounterGenerator(seed: 4, purpose: .order)
    let documents = (0..<400).map { d in (0..<50).map { Int32(r.below(4, 50 * d + $0)) } }
    for scheme in Self.schemes {
      let report = try CooccurrenceReport.measure(documents, scheme, options { $0.neighbours = 1 })
      #expect(report.targetsPerCondition == scheme.targetsPerCondition)
      // m places ahead, or the places between the neighbours, are different targets.
      if report.targetsPerCondition == 1 { #expect(abs(report.collision - 0.25) < 0.01) }
      #expect(report.collisionRate == report.collision * report.targetsPerCondition)
    }
    // With three pairs a shape one estimate is off by a tenth, the mean of 100 by a hundredth.
    let mean = try (1...100).reduce(0.0) { total, seed in
      let few = try PairSampler(
        documents, .ahead(offsets: 1), options { ($0.pairs, $0.window, $0.seed) = (60, 20, UInt64(seed)) })
      return total + (try few.counts(0..<60).collision) / 100
    }
    #expect(abs(mean - 0.25) < 0.03)
  }

  @Test func errors() {
    #expect {
      _ = try PairSampler([[1, 2, 3]], .ahead(offsets: 9), options { ($0.pairs, $0.rank) = (0, 0) })
    } throws: { error in
      (error as? ConfigurationError)?.description
        == "pairs is 0; it must lie in 1...1000000000.\nrank is 0; it must lie in 1...256.\noffsets is 9; it must lie in 1...4."
    }
    #expect {
      _ = try PairSampler([[1, 2, 3]], .masked(hidden: 1), options())
    } throws: { error in
      (error as? DataError)?.description
        == "the documents: hold no 5 tokens in a row. Take a smaller window or longer documents."
    }
  }
}
