import COpenBLAS
import Tensors

/// The library that multiplies, as it describes itself.
public struct BLASIdentity: Sendable, Equatable {
  /// Version and build options, such as `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …`.
  public let configuration: String
  /// The kernel chosen for this CPU, such as `Haswell` or `SkylakeX`.
  public let coreName: String
}

public enum BLAS {
  /// OpenBLAS computes every product on the calling thread: the bits then do not depend on its thread count.
  /// Call once before the first product.
  public static func useOneThread() { openblas_set_num_threads(1) }

  /// Asked once: OpenBLAS composes its description in a static buffer, and callers at the same time would read each other's halves.
  public static let identity = BLASIdentity(
    configuration: String(cString: openblas_get_config()).split(separator: " ").joined(separator: " "),
    coreName: String(cString: openblas_get_corename()))
}

/// C ← α · op(A) · op(B) + β · C.
///
/// Shapes after transposition: A [m, k], B [k, n], C [m, n], all contiguous.
/// - Complexity: 2·m·n·k flops.
public func multiply(
  _ a: TensorView, _ b: TensorView, transposeA: Bool = false, transposeB: Bool = false, into c: TensorView, alpha: Float = 1,
  beta: Float = 0
) {
  let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
  let (k2, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
  precondition(
    k == k2 && c.rows == m && c.columns == n,
    "cannot multiply [\(m), \(k)] by [\(k2), \(n)] into [\(c.rows), \(c.columns)]")
  gemm(
    transposeA, transposeB, m, n, k, alpha, a.base, a.columns, b.base, b.columns, beta, c.base, c.columns)
}

/// The product on raw pointers with leading dimensions, for blocks inside wider matrices.
@inline(__always) func gemm(
  _ transposeA: Bool, _ transposeB: Bool, _ m: Int, _ n: Int, _ k: Int, _ alpha: Float, _ a: UnsafePointer<Float>, _ lda: Int,
  _ b: UnsafePointer<Float>, _ ldb: Int, _ beta: Float, _ c: UnsafeMutablePointer<Float>, _ ldc: Int
) {
  guard m > 0, n > 0 else { return }
  cblas_sgemm(
    CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, blasCount(m), blasCount(n),
    blasCount(k), alpha, a, blasCount(lda), b, blasCount(ldb), beta, c, blasCount(ldc))
}

@inline(__always) private func blasCount(_ value: Int) -> Int32 {
  guard let count = Int32(exactly: value) else { preconditionFailure("\(value) is more than BLAS can count") }
  return count
}
