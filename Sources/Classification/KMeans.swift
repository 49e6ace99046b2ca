import Core
import Evaluation
import Kernels

/// Clusters of rows by Lloyd's algorithm.
///
/// *Concretely:* the first centres are rows drawn by k-means++. Then, until no row changes its cluster or for
/// `mostRounds` rounds, each row joins the centre that is nearest by Euclidean distance, the first of equals, and each
/// centre becomes the mean of its rows, summed in their order. A cluster without rows takes the row that is farthest
/// from its own centre, the first of equals.
/// - Complexity: rows · columns · clusters a round.
///
/// References: Lloyd, "Least squares quantization in PCM", 1982, doi:10.1109/TIT.1982.1056489; Arthur, Vassilvitskii,
/// "k-means++: the advantages of careful seeding", SODA 2007.
struct KMeans: Sendable {
  /// [clusters, columns].
  private(set) var centres: DenseExamples
  private(set) var rounds = 0

  static let mostRounds = 50
  private static let site: UInt32 = 0x6B6D_6E73

  /// Collective: distances are partitioned over ranks and threads.
  /// - Parameter clusters: no more than rows.
  init(_ x: DenseExamples, clusters: Int, _ context: MeasureContext) throws {
    precondition((1...max(x.rows, 1)).contains(clusters), "\(clusters) clusters of \(x.rows) rows")
    centres = Self.first(x, clusters, CounterGenerator(seed: context.seed, purpose: .evaluation, site: Self.site))
    var assigned = [Int](repeating: -1, count: x.rows)
    while rounds < Self.mostRounds {
      let nearest = try nearest(x, context)
      guard nearest.map(\.cluster) != assigned else { break }
      assigned = nearest.map(\.cluster)
      centres = means(x, &assigned, nearest.map(\.distance))
      rounds += 1
    }
  }

  /// The nearest centre of each row, and the squared distance to it. Collective.
  func nearest(_ x: DenseExamples, _ context: MeasureContext) throws -> [(cluster: Int, distance: Double)] {
    let centres = centres
    return try context.rows(x.rows, columns: 2, workspace: {}) { row, _ in
      let distances = (0..<centres.rows).map { squaredDistance(x[row], centres[$0]) }
      let best = distances.indices.reduce(0) { distances[$1] < distances[$0] ? $1 : $0 }
      return [Double(best), distances[best]]
    }.map { (Int($0[0]), $0[1]) }
  }

  /// Each next centre is a row drawn with a probability that grows with its squared distance from those before it.
  private static func first(_ x: DenseExamples, _ clusters: Int, _ random: CounterGenerator) -> DenseExamples {
    var chosen = [random.below(x.rows, 0)]
    var distances = (0..<x.rows).map { squaredDistance(x[$0], x[chosen[0]]) }
    while chosen.count < clusters {
      let total = distances.reduce(0, +)
      var rest = random.uniformDouble(chosen.count) * total
      // Rows that are all equal to centres: any that is not chosen.
      let taken = Set(chosen)
      var next = (0..<x.rows).first { !taken.contains($0) } ?? 0
      for (row, distance) in distances.enumerated() where total > 0 && distance > 0 {
        next = row
        rest -= distance
        if rest < 0 { break }
      }
      chosen.append(next)
      for row in 0..<x.rows { distances[row] = min(distances[row], squaredDistance(x[row], x[next])) }
    }
    return DenseExamples(chosen.map { Array(x[$0]) })
  }

  private func means(_ x: DenseExamples, _ assigned: inout [Int], _ distances: [Double]) -> DenseExamples {
    var sizes = [Int](repeating: 0, count: centres.rows)
    for cluster in assigned { sizes[cluster] += 1 }
    var far = (0..<x.rows).sorted { (-distances[$0], $0) < (-distances[$1], $1) }[...]
    for cluster in sizes.indices where sizes[cluster] == 0 {
      guard let row = far.first(where: { sizes[assigned[$0]] > 1 }) else { break }
      far = far.drop { $0 != row }.dropFirst()
      sizes[assigned[row]] -= 1
      (assigned[row], sizes[cluster]) = (cluster, 1)
    }
    var sums = [[Double]](repeating: [Double](repeating: 0, count: x.columns), count: centres.rows)
    for (row, cluster) in assigned.enumerated() {
      for (j, number) in x[row].enumerated() { sums[cluster][j] += number }
    }
    return DenseExamples(
      sums.indices.map { cluster in
        sizes[cluster] > 0 ? sums[cluster].map { $0 / Double(sizes[cluster]) } : Array(centres[cluster])
      })
  }
}

private func squaredDistance(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double {
  a.withUnsafeBufferPointer { a in
    b.withUnsafeBufferPointer { b in
      var sum = 0.0
      for j in a.indices { sum += (a[j] - b[j]) * (a[j] - b[j]) }
      return sum
    }
  }
}

/// How two labelings of the same items agree.
struct LabelAgreement: Equatable {
  /// 2 · I(a; b) / (H(a) + H(b)); 0 where both are constant.
  let normalizedInformation: Double
  /// Share of the items that have the most frequent `b` among the items of their `a`.
  let purity: Double
  /// e to the entropy of `a`.
  let perplexity: Double

  /// - Precondition: equally many of both, at least one.
  init(_ a: [Int], with b: [Int]) {
    precondition(a.count == b.count && !a.isEmpty, "\(a.count) and \(b.count) labels")
    let n = Double(a.count)
    func entropy(_ counts: some Sequence<Int>) -> Double {
      // Sorted, because a sum of doubles depends on its order, and a dictionary has none.
      counts.sorted().reduce(0) { $0 - Double($1) / n * naturalLogarithm(Double($1) / n) }
    }
    var joint = [Int: [Int: Int]]()
    for (x, y) in zip(a, b) { joint[x, default: [:]][y, default: 0] += 1 }
    let (own, other) = (
      entropy(joint.values.map { $0.values.reduce(0, +) }),
      entropy(Dictionary(grouping: b) { $0 }.values.map(\.count))
    )
    let both = entropy(joint.values.flatMap(\.values))
    normalizedInformation = own + other > 0 ? max(0, 2 * (own + other - both) / (own + other)) : 0
    purity = Double(joint.values.reduce(0) { $0 + ($1.values.max() ?? 0) }) / n
    perplexity = exponential(own)
  }
}
