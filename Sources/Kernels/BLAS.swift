import COpenBLAS
import Glibc
import Tensors

/// The BLAS library's own description.
public struct BLASIdentity: Sendable, Equatable {
  /// Version and build options, such as `OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …`.
  public let configuration: String
  /// The kernel chosen for this CPU, such as `Haswell` or `SkylakeX`.
  public let coreName: String

  public init(configuration: String, coreName: String) {
    (self.configuration, self.coreName) = (configuration, coreName)
  }

  /// Whether OpenBLAS chooses its kernel when it is loaded; else it was built for one.
  public var isDynamic: Bool { configuration.contains("DYNAMIC_ARCH") }

  /// How many threads may call OpenBLAS at the same time. It has two buffers for each of the `MAX_THREADS` it was built
  /// for, and ends the program when more are needed. `Int.max` where the description has no `MAX_THREADS`.
  public var mostCallers: Int {
    let prefix = "MAX_THREADS="
    let word = configuration.split(separator: " ").first { $0.hasPrefix(prefix) }
    return word.flatMap { Int($0.dropFirst(prefix.count)) }.map { 2 * $0 } ?? .max
  }
}

public enum BLAS {
  /// OpenBLAS computes every product on the calling thread: the bits then do not depend on its thread count.
  /// Call once before the first product.
  public static func useOneThread() { openblas_set_num_threads(1) }

  /// Read once, because OpenBLAS writes its description into a static buffer, which concurrent calls would corrupt.
  public static let identity = BLASIdentity(
    configuration: String(cString: openblas_get_config()).split(separator: " ").joined(separator: " "),
    coreName: String(cString: openblas_get_corename()))

  /// The cores this OpenBLAS holds, of those there are for this architecture; nil where it hides them.
  public static let availableCores: Set<String>? = {
    // Each is a table of functions, which the library exports under the core's name.
    let names = BLASCore.all(CPU.native).map(\.name).filter { dlsym(nil, "gotoblas_\($0.uppercased())") != nil }
    return names.isEmpty ? nil : Set(names)
  }()

  /// Address space that OpenBLAS allocates for each thread at its first product and never frees.
  public static let bytesPerThread = 128 << 20

  /// Whether the system can allocate the buffers of `threads` threads. If it cannot, OpenBLAS retries without end.
  public static func fits(threads: Int) -> Bool {
    let pieces = (0..<threads).map { _ in
      mmap(nil, bytesPerThread, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    }
    let given = pieces.filter { $0 != nil && $0 != MAP_FAILED }
    for piece in given { munmap(piece, bytesPerThread) }
    return given.count == threads
  }
}

/// C ← α · op(A) · op(B) + β · C.
///
/// Shapes after transposition: A [m, k], B [k, n], C [m, n], all contiguous.
/// - Complexity: 2·m·n·k flops.
public func gemm(
  _ a: TensorView, _ b: TensorView, transposeA: Bool = false, transposeB: Bool = false, into c: TensorView,
  alpha: Float = 1,
  beta: Float = 0
) {
  let (m, k) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
  let (k2, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
  precondition(
    k == k2 && c.rows == m && c.columns == n,
    "cannot multiply [\(m), \(k)] by [\(k2), \(n)] into [\(c.rows), \(c.columns)]")
  gemm(
    Submatrix(a), Submatrix(b), transposeA: transposeA, transposeB: transposeB, into: Submatrix(c), alpha: alpha,
    beta: beta)
}

/// A block of a wider row-major matrix: element (i, j) is base[i · stride + j].
public struct Submatrix {
  let base: UnsafeMutablePointer<Float>
  let rows: Int
  let columns: Int
  /// Floats between the starts of two rows: BLAS's leading dimension.
  let stride: Int

  @inline(__always) init(base: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int) {
    (self.base, self.rows, self.columns, self.stride) = (base, rows, columns, stride)
  }

  /// All of a matrix.
  @inline(__always) public init(_ matrix: TensorView) {
    self.init(base: matrix.base, rows: matrix.rows, columns: matrix.columns, stride: matrix.columns)
  }

  /// Columns column ..< column + columns of some rows of `matrix`.
  @inline(__always) public init(of matrix: TensorView, rows: Range<Int>, column: Int, columns: Int) {
    self.init(
      base: matrix.base + rows.lowerBound * matrix.columns + column, rows: rows.count, columns: columns,
      stride: matrix.columns)
  }
}

/// C ← α · op(A) · op(B) + β · C for blocks of wider matrices, which must have fitting shapes.
@inline(__always) public func gemm(
  _ a: Submatrix, _ b: Submatrix, transposeA: Bool = false, transposeB: Bool = false, into c: Submatrix,
  alpha: Float = 1,
  beta: Float = 0
) {
  guard c.rows > 0, c.columns > 0 else { return }
  cblas_sgemm(
    CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans, blasCount(c.rows),
    blasCount(c.columns), blasCount(transposeA ? a.rows : a.columns), alpha, a.base, blasCount(a.stride), b.base,
    blasCount(b.stride),
    beta, c.base, blasCount(c.stride))
}

@inline(__always) private func blasCount(_ value: Int) -> Int32 {
  guard let count = Int32(exactly: value) else { preconditionFailure("\(value) is more than BLAS can count") }
  return count
}
