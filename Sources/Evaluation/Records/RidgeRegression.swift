import Kernels

/// Linear regression of several targets with an L2 penalty that is chosen on a part of the rows.
///
/// *Concretely:* columns of X are standardised and columns of Y centred by the rows of the fit; W minimises
/// ‖Y - X·W‖² + s·n·‖W‖² over n rows, in double precision by the eigenvectors of XᵀX. The strength s is the one of
/// `strengths` with the smallest error on every fifth row, the larger of equals, and the fit is repeated on all rows.
/// Reference: Hoerl, Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970.
struct RidgeRegression {
  static let strengths = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10]

  let strength: Double
  private let fit: Fit

  /// - Parameters:
  ///   - x: [rows, columns], row-major.
  ///   - y: [rows, targets].
  /// - Precondition: there are ten rows or more.
  /// - Complexity: rows · columns² + columns³.
  init(_ x: [[Double]], _ y: [[Double]]) {
    precondition(x.count == y.count && x.count >= 10, "a ridge regression on \(x.count) and \(y.count) rows")
    let (fitted, held) = (x.indices.filter { $0 % 5 != 4 }, x.indices.filter { $0 % 5 == 4 })
    let part = Fit(fitted.map { x[$0] }, fitted.map { y[$0] })
    let errors = Self.strengths.map { strength -> Double in
      let weights = part.weights(strength)
      var total = 0.0
      for row in held {
        for (found, truth) in zip(part.predict(x[row], weights), y[row]) { total += (found - truth) * (found - truth) }
      }
      return total
    }
    let best = errors.indices.reduce(0) { errors[$1] <= errors[$0] ? $1 : $0 }
    strength = Self.strengths[best]
    fit = Fit(x, y)
    weights = fit.weights(strength)
  }

  private let weights: [Double]

  /// The targets of a row.
  func callAsFunction(_ row: [Double]) -> [Double] { fit.predict(row, weights) }

  /// The eigenvectors that give the weights of every strength.
  private struct Fit {
    let rows: Int
    let columns: Int
    let targets: Int
    let mean: [Double]
    /// 0 for a column that does not vary.
    let inverse: [Double]
    let targetMean: [Double]
    let values: [Double]
    /// An eigenvector a row.
    let vectors: [Double]
    /// Eigenvectors · Xᵀ · Y, [columns, targets].
    let projected: [Double]

    init(_ x: [[Double]], _ y: [[Double]]) {
      (rows, columns, targets) = (x.count, x[0].count, y[0].count)
      let n = Double(rows)
      func means(_ all: [[Double]], _ count: Int) -> [Double] {
        (0..<count).map { (k: Int) -> Double in
          var sum = 0.0
          for row in all { sum += row[k] }
          return sum / n
        }
      }
      let (mean, targetMean) = (means(x, columns), means(y, targets))
      let inverse = mean.indices.map { k -> Double in
        var squares = 0.0
        for row in x { squares += (row[k] - mean[k]) * (row[k] - mean[k]) }
        let deviation = (squares / n).squareRoot()
        return deviation > 1e-9 * max(1, abs(mean[k])) ? 1 / deviation : 0
      }
      let standard = x.flatMap { row in row.indices.map { (row[$0] - mean[$0]) * inverse[$0] } }
      let centred = y.flatMap { row in row.indices.map { row[$0] - targetMean[$0] } }
      let gram = dgemm(
        standard, standard, rows: columns, inner: rows, columns: columns, transposeA: true)
      let size = columns
      // The two halves of the product are rounded apart; the mean of both is symmetric.
      let symmetric = gram.indices.map { (gram[$0] + gram[$0 % size * size + $0 / size]) / 2 }
      (values, vectors) = symmetricEigen(symmetric, size)
      let product = dgemm(standard, centred, rows: columns, inner: rows, columns: targets, transposeA: true)
      projected = dgemm(vectors, product, rows: columns, inner: columns, columns: targets)
      (self.mean, self.inverse, self.targetMean) = (mean, inverse, targetMean)
    }

    /// [columns, targets].
    func weights(_ strength: Double) -> [Double] {
      let scaled = projected.indices.map {
        projected[$0] / (max(values[$0 / targets], 0) + strength * Double(rows))
      }
      return dgemm(vectors, scaled, rows: columns, inner: columns, columns: targets, transposeA: true)
    }

    func predict(_ row: [Double], _ weights: [Double]) -> [Double] {
      var result = targetMean
      for k in 0..<columns {
        let value = (row[k] - mean[k]) * inverse[k]
        for t in 0..<targets { result[t] += value * weights[k * targets + t] }
      }
      return result
    }
  }
}
