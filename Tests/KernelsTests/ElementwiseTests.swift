import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct ElementwiseTests {
  @Test(arguments: lengths)
  func sums(n: Int) {
    let m = Matrices(seed: UInt64(n) + 1)
    let (x, y, z) = (m.normal(1, n), m.normal(1, n), m.empty(1, n))
    add(x, y, into: z)
    #expect(z.array == zip(x.array, y.array).map { $0 + $1 })
    addInPlace(y, x)
    #expect(y.array == z.array)
  }

  /// Columns past whole strips of 64, and no rows at all.
  @Test(arguments: lengths, [0, 1, 7])
  func rowSumsAndBroadcast(n: Int, rows: Int) {
    let m = Matrices(seed: UInt64(n) + 1)
    let (x, total) = (m.normal(rows, n), m.empty(1, n))
    sumRows(x, into: total)
    #expect(total.array == (0..<n).map { column in (0..<rows).reduce(Float(0)) { $0 + x[$1, column] } })
    let y = m.empty(rows, n)
    broadcastRow(total, into: y)
    #expect(y.array == (0..<rows).flatMap { _ in total.array })
  }

  @Test(arguments: lengths)
  func average(n: Int) {
    let m = Matrices(seed: UInt64(n) + 1)
    let (target, source) = (m.normal(1, n), m.normal(1, n))
    let (before, decay) = (target.array, Float(0.996))
    movingAverage(target, toward: source, decay: decay)
    let expected = zip(before, source.array).map { Double(decay) * Double($0) + (1 - Double(decay)) * Double($1) }
    #expect(n == 0 || mismatch("average", target.array, expected, tolerance: 2 * Tolerance.ulp) == nil)
    let kept = target.array
    movingAverage(target, toward: source, decay: 1)
    #expect(target.array == kept)
    movingAverage(target, toward: source, decay: 0)
    #expect(target.array == source.array)
  }

  @Test func nonFinite() {
    let m = Matrices()
    #expect(firstNonFinite(m.with([1, 2, 3], 1, 3)) == nil)
    #expect(firstNonFinite(m.with([1, -.infinity, .nan], 1, 3)) == 1)
  }

  /// Products of all four transpositions against the plain sum.
  @Test(arguments: [false, true], [false, true])
  func products(transposeA: Bool, transposeB: Bool) {
    BLAS.useOneThread()
    let (n, k, p) = (7, 13, 5)
    let m = Matrices()
    let (a, b, c) = (
      m.normal(transposeA ? k : n, transposeA ? n : k), m.normal(transposeB ? p : k, transposeB ? k : p), m.normal(n, p)
    )
    let start = c.array
    gemm(a, b, transposeA: transposeA, transposeB: transposeB, into: c, alpha: 0.5, beta: 2)
    let expected = (0..<n * p).map { index -> Double in
      let (i, j) = (index / p, index % p)
      let sum = (0..<k).reduce(0.0) {
        $0 + Double(transposeA ? a[$1, i] : a[i, $1]) * Double(transposeB ? b[j, $1] : b[$1, j])
      }
      return 0.5 * sum + 2 * Double(start[index])
    }
    #expect(mismatch("product", c.array, expected, tolerance: Tolerance.float(sum: k)) == nil)
  }
}
