import Tensors

/// Holds the matrix product against one in double precision: some kernels are wrong on some CPUs.
///
/// The shapes reach what kernels are made of: single rows and columns, odd rests of every register block, the code for
/// small matrices, depths beyond a cache block; each plain and transposed, writing and adding, inside wider matrices.
public struct ProductCheck {
  /// A row-major product C ← op(A) · op(B) + β · C with leading dimensions.
  public struct Call {
    public var transposeA: Bool, transposeB: Bool
    public var m: Int, n: Int, k: Int
    public var a: UnsafePointer<Float>, lda: Int
    public var b: UnsafePointer<Float>, ldb: Int
    public var beta: Float
    public var c: UnsafeMutablePointer<Float>, ldc: Int
  }

  static let shapes = [
    (1, 1, 1), (2, 3, 4), (7, 5, 9), (33, 1, 70), (1, 47, 70), (17, 33, 65), (31, 64, 8), (65, 19, 130), (5, 9, 1025),
    (601, 3, 4),
    (3, 601, 4), (103, 131, 97), (37, 61, 700),
  ]

  private let product: (Call) -> Void

  /// - Parameter product: what is checked; OpenBLAS's by default.
  public init(_ product: @escaping (Call) -> Void = ProductCheck.blas) { self.product = product }

  public static func blas(_ call: Call) {
    func operand(_ base: UnsafePointer<Float>, _ rows: Int, _ columns: Int, _ stride: Int, transposed: Bool)
      -> Submatrix
    {
      let base = UnsafeMutablePointer(mutating: base)
      return transposed
        ? Submatrix(base: base, rows: columns, columns: rows, stride: stride)
        : Submatrix(base: base, rows: rows, columns: columns, stride: stride)
    }
    gemm(
      operand(call.a, call.m, call.k, call.lda, transposed: call.transposeA),
      operand(call.b, call.k, call.n, call.ldb, transposed: call.transposeB),
      transposeA: call.transposeA, transposeB: call.transposeB,
      into: Submatrix(base: call.c, rows: call.m, columns: call.n, stride: call.ldc), beta: call.beta)
  }

  /// The first product that is wrong, as a sentence; nil when all are right.
  /// - Complexity: about 4 million multiplications in double precision.
  public func firstWrong() -> String? {
    for (m, n, k) in Self.shapes {
      if let sentence = firstWrong(m, n, k) { return sentence }
    }
    return nil
  }

  private func firstWrong(_ m: Int, _ n: Int, _ k: Int) -> String? {
    let matrices = Matrices(m, n, k)
    let ldc = n + 3
    for variant in 0..<8 {
      let (transposeA, transposeB, adds) = (variant & 1 != 0, variant & 2 != 0, variant & 4 != 0)
      // What is overwritten must not be read: a NaN would show.
      var c = [Float](repeating: adds ? 0.5 : .nan, count: m * ldc)
      matrices.withOperands(transposeA, transposeB) { a, lda, b, ldb in
        c.withUnsafeMutableBufferPointer { c in
          guard let c = c.baseAddress else { return }
          product(
            Call(
              transposeA: transposeA, transposeB: transposeB, m: m, n: n, k: k, a: a, lda: lda, b: b, ldb: ldb,
              beta: adds ? 1 : 0, c: c, ldc: ldc))
        }
      }
      for i in 0..<m {
        for j in 0..<n {
          let (exact, bound) = matrices.expected(i, j, plus: adds ? 0.5 : 0)
          guard abs(Double(c[i * ldc + j]) - exact) <= bound else {
            let form =
              "\(transposeA ? "Aᵀ" : "A")·\(transposeB ? "Bᵀ" : "B")\(adds ? " + C" : "") of \(m) × \(k) by \(k) × \(n)"
            return "\(form) has \(c[i * ldc + j]) at row \(i), column \(j) instead of \(Float(exact))"
          }
        }
      }
    }
    return nil
  }
}

/// Operands in both layouts, with the exact product and how far a float one may be from it.
private struct Matrices {
  private let n: Int
  private let a: (plain: [Float], transposed: [Float]), b: (plain: [Float], transposed: [Float])
  private let ld: (a: Int, at: Int, b: Int, bt: Int)
  private var exact: [Double], bound: [Double]

  init(_ m: Int, _ n: Int, _ k: Int) {
    self.n = n
    ld = (k + 2, m + 2, n + 2, k + 2)
    // Any fixed numbers with full significands do.
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15 &+ UInt64(m * 1_000_003 + n * 1009 + k)
    func draw() -> Float {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
    }
    let x = (0..<m * k).map { _ in draw() }, y = (0..<k * n).map { _ in draw() }
    a = (Self.laidOut(x, m, k, ld.a), Self.laidOut(Self.transposed(x, m, k), k, m, ld.at))
    b = (Self.laidOut(y, k, n, ld.b), Self.laidOut(Self.transposed(y, k, n), n, k, ld.bt))
    exact = [Double](repeating: 0, count: m * n)
    bound = exact
    x.withUnsafeBufferPointer { x in
      y.withUnsafeBufferPointer { y in
        exact.withUnsafeMutableBufferPointer { exact in
          bound.withUnsafeMutableBufferPointer { bound in
            for i in 0..<m {
              for l in 0..<k {
                let left = Double(x[i * k + l])
                for j in 0..<n {
                  let term = left * Double(y[l * n + j])
                  exact[i * n + j] += term
                  bound[i * n + j] += abs(term)
                }
              }
            }
          }
        }
      }
    }
    // Roundings of a float sum add up as a random walk of k steps, each far below 2⁻²⁴ · Σ|aᵢbᵢ|: this is some fifty
    // times what a right kernel shows, in any order, and the worst case of k + 2 would hide faults in deep sums.
    for i in bound.indices { bound[i] = (bound[i] + 0.5) * (Double(k).squareRoot() + 6) * 0x1p-24 }
  }

  func expected(_ i: Int, _ j: Int, plus c: Double) -> (exact: Double, bound: Double) {
    (exact[i * n + j] + c, bound[i * n + j])
  }

  func withOperands(
    _ transposeA: Bool, _ transposeB: Bool, _ body: (UnsafePointer<Float>, Int, UnsafePointer<Float>, Int) -> Void
  ) {
    (transposeA ? a.transposed : a.plain).withUnsafeBufferPointer { x in
      (transposeB ? b.transposed : b.plain).withUnsafeBufferPointer { y in
        guard let x = x.baseAddress, let y = y.baseAddress else { return }
        body(x, transposeA ? ld.at : ld.a, y, transposeB ? ld.bt : ld.b)
      }
    }
  }

  private static func transposed(_ values: [Float], _ rows: Int, _ columns: Int) -> [Float] {
    (0..<rows * columns).map { values[($0 % rows) * columns + $0 / rows] }
  }

  /// Rows further apart than they are long, with NaN between them.
  private static func laidOut(_ values: [Float], _ rows: Int, _ columns: Int, _ leading: Int) -> [Float] {
    var out = [Float](repeating: .nan, count: rows * leading)
    for i in 0..<rows { out[i * leading..<i * leading + columns] = values[i * columns..<(i + 1) * columns] }
    return out
  }
}
