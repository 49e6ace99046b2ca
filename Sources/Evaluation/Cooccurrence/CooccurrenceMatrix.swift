import Kernels

/// A condition and a target as nodes of a bipartite graph, named by 64-bit keys.
public struct NodePair: Hashable, Comparable, Sendable {
  public var condition: UInt64
  public var target: UInt64

  public init(_ condition: UInt64, _ target: UInt64) { (self.condition, self.target) = (condition, target) }

  public static func < (a: NodePair, b: NodePair) -> Bool { (a.condition, a.target) < (b.condition, b.target) }
}

/// The context–target matrix of an objective: A[c, t] = P(c, t) / √(P(c) · P(t)) with P the distribution of its
/// (condition, target) pairs.
///
/// σ₁ is 1, and 1 occurs once for each connected component of the graph of pairs. The best factorisation A ≈ F·Gᵀ of
/// rank k leaves Σ_{i>k} σᵢ². Rows and columns are sorted by key, so that the same pairs give the same bits whoever
/// counted them.
public struct CooccurrenceMatrix: Sendable {
  /// Keys in rising order.
  public let conditions: [UInt64]
  public let targets: [UInt64]
  /// Σ over a row or column of what was given, and over everything.
  public let conditionWeights: [Double]
  public let targetWeights: [Double]
  public let total: Double
  /// Row c has the entries starts[c] ..< starts[c + 1], with rising columns and the values of A.
  let starts: [Int]
  let columns: [Int]
  let values: [Double]

  /// - Parameter joint: weights of pairs, probabilities or counts; those that are not positive are left out.
  public init(_ joint: [NodePair: Double]) {
    let pairs = joint.filter { $0.value > 0 }.sorted { $0.key < $1.key }
    let targets = Set(pairs.map(\.key.target)).sorted()
    let place = Dictionary(uniqueKeysWithValues: targets.enumerated().map { ($1, $0) })
    var (conditions, starts, rowSums) = ([UInt64](), [Int](), [Double]())
    var columnSums = [Double](repeating: 0, count: targets.count)
    let columns = pairs.map { place[$0.key.target] ?? 0 }
    for (index, pair) in pairs.enumerated() {
      if conditions.last != pair.key.condition {
        conditions.append(pair.key.condition)
        starts.append(index)
        rowSums.append(0)
      }
      rowSums[rowSums.count - 1] += pair.value
      columnSums[columns[index]] += pair.value
    }
    starts.append(pairs.count)
    var values = pairs.map(\.value)
    for row in conditions.indices {
      for index in starts[row]..<starts[row + 1] {
        values[index] /= (rowSums[row] * columnSums[columns[index]]).squareRoot()
      }
    }
    (self.conditions, self.targets, self.starts, self.columns, self.values) = (
      conditions, targets, starts, columns, values
    )
    (conditionWeights, targetWeights, total) = (rowSums, columnSums, rowSums.reduce(0, +))
  }

  /// Σ σᵢ² over all of them.
  public var squaredSum: Double { values.reduce(0) { $0 + $1 * $1 } }

  /// Connected components of the graph. - Complexity: almost linear in pairs.
  public var components: Int {
    var parent = Array(0..<conditions.count + targets.count)
    func root(_ node: Int) -> Int {
      var node = node
      while parent[node] != node {
        parent[node] = parent[parent[node]]
        node = parent[node]
      }
      return node
    }
    var count = parent.count
    for row in conditions.indices {
      for index in starts[row]..<starts[row + 1] {
        let (a, b) = (root(row), root(conditions.count + columns[index]))
        if a != b {
          parent[max(a, b)] = min(a, b)
          count -= 1
        }
      }
    }
    return count
  }

  // MARK: - Singular values

  /// All singular values, largest first, and a right singular vector of length 1 for each: row i of `vectors` [r,
  /// targets].
  ///
  /// By the eigenvalues of AᵀA: an error of 10⁻¹⁵ in σ², which for σ near 0 is one of 10⁻⁸ in σ.
  /// - Complexity: about 9·targets³ flops; for some hundred targets.
  public func singularValues() -> (values: [Double], vectors: [Double]) {
    let n = targets.count
    guard n > 0 else { return ([], []) }
    var gram = [Double](repeating: 0, count: n * n)
    for row in conditions.indices {
      let range = starts[row]..<starts[row + 1]
      for i in range { for j in range { gram[columns[i] * n + columns[j]] += values[i] * values[j] } }
    }
    let (squares, vectors) = symmetricEigen(gram, n)
    return (squares.map { max($0, 0).squareRoot() }, vectors)
  }

  /// y ← A·x for x [targets, width], by rows.
  func times(_ x: [Double], width: Int) -> [Double] {
    var y = [Double](repeating: 0, count: conditions.count * width)
    y.withUnsafeMutableBufferPointer { y in
      x.withUnsafeBufferPointer { x in
        for row in conditions.indices {
          for index in starts[row]..<starts[row + 1] {
            let (value, source) = (values[index], columns[index] * width)
            for k in 0..<width { y[row * width + k] += value * x[source + k] }
          }
        }
      }
    }
    return y
  }

  /// x ← Aᵀ·y for y [conditions, width], rows added in order.
  func transposedTimes(_ y: [Double], width: Int) -> [Double] {
    var x = [Double](repeating: 0, count: targets.count * width)
    x.withUnsafeMutableBufferPointer { x in
      y.withUnsafeBufferPointer { y in
        for row in conditions.indices {
          for index in starts[row]..<starts[row + 1] {
            let (value, target) = (values[index], columns[index] * width)
            for k in 0..<width { x[target + k] += value * y[row * width + k] }
          }
        }
      }
    }
    return x
  }
}
