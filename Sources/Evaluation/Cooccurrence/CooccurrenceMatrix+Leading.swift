import Core
import Kernels

extension CooccurrenceMatrix {
  /// The largest singular values, by subspace iteration on AᵀA from a random start, in double precision throughout.
  ///
  /// *Concretely:* Z [targets, w] begins as normal numbers; each round takes Y = A·Z, the eigenvalues of YᵀY as σ², and
  /// Z ← orthonormal columns of Aᵀ·Y. It ends when no wanted value moves by more than `tolerance`, or after `rounds`.
  /// Values approach the true ones from below; those that are well apart from the first one left out are exact to
  /// rounding.
  ///
  /// - Parameters:
  ///   - count: how many; fewer come back where the matrix has fewer columns.
  ///   - seed: of the start; the values do not depend on it beyond the tolerance.
  /// - Complexity: a round takes 4·w·pairs + 2·w²·(conditions + 2·targets) flops, w = 2·count + 8.
  /// Reference: Halko, Martinsson, Tropp, "Finding structure with randomness", SIAM Review 2011, arXiv 0909.4061,
  /// section 4.5.
  public func leadingSingularValues(_ count: Int, seed: UInt64, tolerance: Double = 1e-9, rounds: Int = 200) -> [Double]
  {
    let width = min(2 * count + 8, targets.count)
    guard width > 0 else { return [] }
    var z = orthonormal(start(width, seed: seed), width)
    var last = [Double](repeating: 0, count: min(count, width))
    for _ in 0..<rounds {
      let y = times(z, width: width)
      let gram = dgemm(y, y, rows: width, inner: conditions.count, columns: width, transposeA: true)
      let values = symmetricEigen(gram, width).values.prefix(count).map { max($0, 0).squareRoot() }
      let moved = zip(values, last).reduce(0) { max($0, abs($1.0 - $1.1)) }
      last = values
      if moved <= tolerance { break }
      z = orthonormal(transposedTimes(y, width: width), width)
    }
    return last
  }

  /// Sums of twelve uniform numbers less six: near enough to normal for a start that only must not miss a direction.
  private func start(_ width: Int, seed: UInt64) -> [Double] {
    let random = CounterGenerator(seed: seed, purpose: .evaluation, site: 0x5356_4400)
    return (0..<targets.count * width).map { element in
      (0..<12).reduce(-6.0) { $0 + Double(random.uniform(12 * element + $1)) }
    }
  }

  /// The columns of [n, width] made orthonormal by Gram and Schmidt, twice, in order; a column that vanishes stays
  /// zero.
  private func orthonormal(_ matrix: [Double], _ width: Int) -> [Double] {
    let n = targets.count
    var vectors = (0..<width).map { column in (0..<n).map { matrix[$0 * width + column] } }
    for i in 0..<width {
      let length = norm(vectors[i])
      for _ in 0..<2 {
        for j in 0..<i {
          let share = zip(vectors[i], vectors[j]).reduce(0) { $0 + $1.0 * $1.1 }
          for k in 0..<n { vectors[i][k] -= share * vectors[j][k] }
        }
      }
      let rest = norm(vectors[i])
      let scale = rest > 1e-13 * length ? 1 / rest : 0
      for k in 0..<n { vectors[i][k] *= scale }
    }
    return (0..<n * width).map { vectors[$0 % width][$0 / width] }
  }

  private func norm(_ vector: [Double]) -> Double { vector.reduce(0) { $0 + $1 * $1 }.squareRoot() }
}
