import Core
import Kernels
import Testing

@Suite struct SymmetricEigenTests {
  // LAPACK's bits depend on the number of threads.
  init() { BLAS.useOneThread() }

  private func numbers(_ count: Int, seed: UInt64 = 1) -> [Double] {
    let r = CounterGenerator(seed: seed, purpose: .evaluation)
    return (0..<count).map { r.uniformDouble($0) - 0.5 }
  }

  @Test func byHand() {
    let (values, vectors) = symmetricEigen([2, 1, 1, 2], 2)
    #expect(abs(values[0] - 3) < 1e-15 && abs(values[1] - 1) < 1e-15)
    #expect(
      abs(abs(vectors[0]) - 0.5.squareRoot()) < 1e-15 && abs(vectors[0] - vectors[1]) < 1e-15
        && abs(vectors[2] + vectors[3]) < 1e-15)
    #expect(symmetricEigen([-4], 1).values == [-4])
  }

  /// Σ λ·v·vᵀ is the matrix again, and the vectors are orthonormal.
  @Test(arguments: [3, 17, 60]) func vectorsRebuildTheMatrix(n: Int) {
    let x = numbers(n * n)
    let matrix = (0..<n * n).map { x[$0] + x[$0 % n * n + $0 / n] }
    let (values, vectors) = symmetricEigen(matrix, n)
    #expect(values == values.sorted(by: >))
    let scaled = vectors.indices.map { vectors[$0] * values[$0 / n] }
    let rebuilt = dgemm(scaled, vectors, rows: n, inner: n, columns: n, transposeA: true)
    for (a, b) in zip(rebuilt, matrix) { #expect(abs(a - b) < 1e-13 * Double(n)) }
    let products = dgemm(vectors, vectors, rows: n, inner: n, columns: n, transposeB: true)
    for i in 0..<n * n { #expect(abs(products[i] - (i / n == i % n ? 1 : 0)) < 1e-14 * Double(n)) }
  }

  @Test(arguments: [false, true], [false, true]) func products(transposeA: Bool, transposeB: Bool) {
    let (m, k, n) = (5, 7, 3)
    let (a, b) = (numbers(m * k), numbers(k * n, seed: 2))
    let c = dgemm(a, b, rows: m, inner: k, columns: n, transposeA: transposeA, transposeB: transposeB)
    for i in 0..<m {
      for j in 0..<n {
        let sum = (0..<k).reduce(0) {
          $0 + (transposeA ? a[$1 * m + i] : a[i * k + $1]) * (transposeB ? b[j * k + $1] : b[$1 * n + j])
        }
        #expect(abs(c[i * n + j] - sum) < 1e-15 * Double(k))
      }
    }
    #expect(dgemm([], [], rows: 2, inner: 0, columns: 2) == [0, 0, 0, 0])
  }
}
