import Glibc
import Kernels

/// How many directions features really use: the singular values of the centred feature matrix, and their effective
/// rank.
///
/// *Concretely:* with X [n, D], column means taken off, σᵢ are the singular values of X / √n, so that σᵢ² are the
/// variances along the principal directions; effective rank = exp(H(p)) with pᵢ = σᵢ / Σσ and H(p) = -Σ p·ln p. It is 1
/// for one direction and D for D alike.
///
/// Reference: Roy, Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
public struct FeatureSpectrum: Codable, Sendable, Equatable {
  public let rows: Int
  public let columns: Int
  /// min(n, D) values, largest first; those below 10⁻⁸ of the largest are noise of rounding.
  public let singularValues: [Double]
  /// 0 where all features are alike.
  public let effectiveRank: Double

  /// - Parameter features: [n, D], row-major.
  /// - Precondition: they are finite, and there is at least one.
  /// - Complexity: 2·n·D·min(n, D) flops in double precision.
  public init(_ features: [Float], rows: Int, columns: Int) {
    precondition(
      rows > 0 && columns > 0 && features.count == rows * columns,
      "\(features.count) features are not [\(rows), \(columns)]")
    var means = [Double](repeating: 0, count: columns)
    for row in 0..<rows { for k in 0..<columns { means[k] += Double(features[row * columns + k]) / Double(rows) } }
    let scale = 1 / Double(rows).squareRoot()
    let x = features.indices.map { (Double(features[$0]) - means[$0 % columns]) * scale }
    let wide = rows < columns
    let size = min(rows, columns)
    let gram = dgemm(x, x, rows: size, inner: max(rows, columns), columns: size, transposeA: !wide, transposeB: wide)
    // The two halves of the product are rounded apart; the mean of both is symmetric.
    let symmetric = gram.indices.map { (gram[$0] + gram[$0 % size * size + $0 / size]) / 2 }
    singularValues = symmetricEigen(symmetric, size).values.map { max($0, 0).squareRoot() }
    (self.rows, self.columns) = (rows, columns)
    let total = singularValues.reduce(0, +)
    let shares = total > 0 ? singularValues.map { $0 / total }.filter { $0 > 0 } : []
    effectiveRank = shares.isEmpty ? 0 : exp(-shares.reduce(0) { $0 + $1 * log($1) })
  }
}
