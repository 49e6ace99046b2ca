import COpenBLAS

// Linear algebra in double precision for what is measured, not trained. Matrices are row-major arrays.

/// C ← op(A) · op(B) in double precision.
///
/// Shapes after transposition: A [m, k], B [k, n], result [m, n]. - Complexity: 2·m·n·k flops.
public func dgemm(
  _ a: [Double], _ b: [Double], rows m: Int, inner k: Int, columns n: Int, transposeA: Bool = false,
  transposeB: Bool = false
) -> [Double] {
  precondition(
    a.count == m * k && b.count == k * n, "\(a.count) and \(b.count) doubles are not [\(m), \(k)] and [\(k), \(n)]")
  var c = [Double](repeating: 0, count: m * n)
  guard m > 0, n > 0, k > 0 else { return c }
  cblas_dgemm(
    CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, lapackCount(m),
    lapackCount(n),
    lapackCount(k), 1, a, lapackCount(transposeA ? m : k), b, lapackCount(transposeB ? k : n), 0, &c, lapackCount(n))
  return c
}

/// Eigenvalues of a symmetric matrix, largest first, and one eigenvector of length 1 for each: row i of `vectors`
/// belongs to value i.
///
/// The errors of the values are a few ε · ‖matrix‖. - Parameter matrix: [n, n].
/// - Complexity: about 9·n³ flops.
public func symmetricEigen(_ matrix: [Double], _ n: Int) -> (values: [Double], vectors: [Double]) {
  precondition(n >= 1 && matrix.count == n * n, "\(matrix.count) doubles are no matrix of \(n) × \(n)")
  precondition(matrix.allSatisfy(\.isFinite), "the eigenvalues of a matrix that is not finite")
  var (a, values) = (matrix, [Double](repeating: 0, count: n))
  var (info, size) = (blasint(0), lapackCount(n))
  func call(_ work: inout [Double], _ workSize: blasint, _ integers: inout [blasint], _ integerSize: blasint) {
    var (workSize, integerSize) = (workSize, integerSize)
    dsyevd_("V", "U", &size, &a, &size, &values, &work, &workSize, &integers, &integerSize, &info, 1, 1)
  }
  var (work, integers) = ([0.0], [blasint(0)])
  call(&work, -1, &integers, -1)
  (work, integers) = ([Double](repeating: 0, count: Int(work[0])), [blasint](repeating: 0, count: Int(integers[0])))
  call(&work, lapackCount(work.count), &integers, lapackCount(integers.count))
  precondition(info == 0, "LAPACK's dsyevd found no eigenvalues of a matrix of \(n) × \(n): info \(info)")
  // LAPACK's columns are rows here, in rising order of the values.
  let vectors = (0..<n).reversed().flatMap { a[$0 * n..<($0 + 1) * n] }
  return (values.reversed(), vectors)
}

private func lapackCount(_ value: Int) -> blasint {
  guard let count = blasint(exactly: value) else { preconditionFailure("\(value) is more than LAPACK can count") }
  return count
}
