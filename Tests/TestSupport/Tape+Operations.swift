import Glibc

// Elementwise operations broadcast: a side with one row is repeated over rows, one with one column over columns.

extension Value {
  static func binary(
    _ a: Value, _ b: Value, _ f: (Double, Double) -> Double, _ da: @escaping (Double, Double) -> Double,
    _ db: @escaping (Double, Double) -> Double
  ) -> Value {
    let (rows, columns) = (a.rows == 1 ? b.rows : a.rows, a.columns == 1 ? b.columns : a.columns)
    precondition(
      (a.rows == rows || a.rows == 1) && (b.rows == rows || b.rows == 1) && (a.columns == columns || a.columns == 1)
        && (b.columns == columns || b.columns == 1),
      "cannot combine [\(a.rows), \(a.columns)] with [\(b.rows), \(b.columns)]")
    func at(_ v: Value, _ index: Int) -> Int {
      (v.rows == 1 ? 0 : index / columns) * v.columns + (v.columns == 1 ? 0 : index % columns)
    }
    let data = (0..<rows * columns).map { f(a.data[at(a, $0)], b.data[at(b, $0)]) }
    return made(a.tape, rows, columns, data) { result in
      for index in 0..<rows * columns {
        let (i, j, g) = (at(a, index), at(b, index), result.gradient[index])
        a.gradient[i] += g * da(a.data[i], b.data[j])
        b.gradient[j] += g * db(a.data[i], b.data[j])
      }
    }
  }

  public static func + (a: Value, b: Value) -> Value { binary(a, b, +, { _, _ in 1 }, { _, _ in 1 }) }
  public static func - (a: Value, b: Value) -> Value { binary(a, b, -, { _, _ in 1 }, { _, _ in -1 }) }
  public static func * (a: Value, b: Value) -> Value { binary(a, b, *, { $1 }, { x, _ in x }) }
  public static func / (a: Value, b: Value) -> Value { binary(a, b, /, { 1 / $1 }, { -$0 / ($1 * $1) }) }
  public static func + (a: Value, b: Double) -> Value { a.map({ $0 + b }, { _, _ in 1 }) }
  public static func * (a: Value, b: Double) -> Value { a.map({ $0 * b }, { _, _ in b }) }

  /// f of each element; `derivative` takes the element and its image.
  func map(_ f: (Double) -> Double, _ derivative: @escaping (Double, Double) -> Double) -> Value {
    Value.made(tape, rows, columns, data.map(f)) { [self] result in
      for i in data.indices { gradient[i] += result.gradient[i] * derivative(data[i], result.data[i]) }
    }
  }

  /// |x|, with a derivative of 0 at 0.
  public func absolute() -> Value { map(abs) { x, _ in x > 0 ? 1 : x < 0 ? -1 : 0 } }

  /// ½x²/β where |x| < β, else |x| - ½β.
  public func smoothAbsolute(_ beta: Double) -> Value {
    map({ abs($0) < beta ? 0.5 * $0 * $0 / beta : abs($0) - 0.5 * beta }) { x, _ in
      abs(x) < beta ? x / beta : x > 0 ? 1 : -1
    }
  }

  /// 1 - x·t / (‖x‖·‖t‖) of each row [n, 1], with a gradient for x alone.
  public func oneMinusCosine(_ t: Value) -> Value {
    func row(_ i: Int) -> (x: ArraySlice<Double>, t: ArraySlice<Double>) {
      (data[i * columns..<(i + 1) * columns], t.data[i * columns..<(i + 1) * columns])
    }
    func dot(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
    let losses = (0..<rows).map { i in
      let (x, t) = row(i)
      return 1 - dot(x, t) / (dot(x, x) * dot(t, t)).squareRoot()
    }
    return Value.made(tape, rows, 1, losses) { [self] result in
      for i in 0..<rows {
        let (x, t) = row(i)
        let (xx, xt, norms) = (dot(x, x), dot(x, t), (dot(x, x) * dot(t, t)).squareRoot())
        for (j, (a, b)) in zip(x, t).enumerated() {
          gradient[i * columns + j] -= result.gradient[i] * (b - a * xt / xx) / norms
        }
      }
    }
  }

  public func exponential() -> Value { map(exp, { $1 }) }
  public func logarithm() -> Value { map(log, { x, _ in 1 / x }) }
  public func hyperbolicTangent() -> Value { map(tanh, { 1 - $1 * $1 }) }
  public func errorFunction() -> Value { map(erf, { x, _ in 2 / Double.pi.squareRoot() * exp(-x * x) }) }
  public func squareRoot() -> Value { map({ $0.squareRoot() }, { 0.5 / $1 }) }
}

extension Value {
  /// This matrix times `other`, or times its transpose.
  public func times(_ other: Value, transposed: Bool = false) -> Value {
    let (n, k, m) = (rows, columns, transposed ? other.rows : other.columns)
    precondition(
      k == (transposed ? other.columns : other.rows), "inner sizes \(k) and \(other.rows) × \(other.columns) differ")
    let b = transposed ? other.data : transpose(other.data, k, m)
    return Value.made(tape, n, m, product(data, b, n, k, m)) { [self] result in
      let g = result.gradient
      let bT = transposed ? transpose(other.data, m, k) : other.data
      let da = product(g, bT, n, m, k)
      let gT = transpose(g, n, m)
      let db = product(gT, transpose(data, n, k), m, n, k)
      for i in da.indices { gradient[i] += da[i] }
      for row in 0..<m {
        for column in 0..<k { other.gradient[transposed ? row * k + column : column * m + row] += db[row * k + column] }
      }
    }
  }

  /// Σ over each row, [rows, 1].
  public func rowSums() -> Value {
    let c = columns
    let sums = (0..<rows).map { row in data[row * c..<(row + 1) * c].reduce(0, +) }
    return Value.made(tape, rows, 1, sums) { [self] result in
      for i in gradient.indices { gradient[i] += result.gradient[i / c] }
    }
  }

  /// Σ over everything, [1, 1].
  public func total() -> Value {
    Value.made(tape, 1, 1, [data.reduce(0, +)]) { [self] result in
      for i in gradient.indices { gradient[i] += result.gradient[0] }
    }
  }

  /// The row with the largest element of each column; of equal ones the first.
  public func placesOfColumnMaxima() -> [Int] {
    let c = columns
    return (0..<c).map { column in
      (1..<max(rows, 1)).reduce(0) { data[$1 * c + column] > data[$0 * c + column] ? $1 : $0 }
    }
  }

  /// The element of each column in the given row, [1, columns].
  public func taking(places: [Int]) -> Value {
    let c = columns
    return Value.made(tape, 1, c, (0..<c).map { data[places[$0] * c + $0] }) { [self] result in
      for column in 0..<c { gradient[places[column] * c + column] += result.gradient[column] }
    }
  }

  /// The given rows, in this order; a row may be taken more than once.
  public func taking(rows taken: [Int]) -> Value {
    let c = columns
    let picked = taken.flatMap { data[$0 * c..<($0 + 1) * c] }
    return Value.made(tape, taken.count, c, picked) { [self] result in
      for (i, row) in taken.enumerated() {
        for k in 0..<c { gradient[row * c + k] += result.gradient[i * c + k] }
      }
    }
  }

  /// Columns `range`.
  public func taking(columns range: Range<Int>) -> Value {
    let (c, width) = (columns, range.count)
    let picked = (0..<rows).flatMap { data[$0 * c + range.lowerBound..<$0 * c + range.upperBound] }
    return Value.made(tape, rows, width, picked) { [self] result in
      for i in 0..<rows * width { gradient[i / width * c + range.lowerBound + i % width] += result.gradient[i] }
    }
  }

  /// Matrices of as many rows side by side.
  public static func besides(_ parts: [Value]) -> Value {
    let (rows, columns) = (parts[0].rows, parts.reduce(0) { $0 + $1.columns })
    let joined = (0..<rows).flatMap { row in parts.flatMap { $0.data[row * $0.columns..<(row + 1) * $0.columns] } }
    return made(parts[0].tape, rows, columns, joined) { result in
      var start = 0
      for part in parts {
        for i in part.gradient.indices {
          part.gradient[i] += result.gradient[i / part.columns * columns + start + i % part.columns]
        }
        start += part.columns
      }
    }
  }

  /// Matrices of as many columns one below the other.
  public static func stacked(_ parts: [Value]) -> Value {
    let columns = parts[0].columns
    return made(parts[0].tape, parts.reduce(0) { $0 + $1.rows }, columns, parts.flatMap(\.data)) { result in
      var start = 0
      for part in parts {
        for i in part.gradient.indices { part.gradient[i] += result.gradient[start + i] }
        start += part.gradient.count
      }
    }
  }

  /// The same numbers, through which no gradient flows.
  public func stopped() -> Value { tape.leaf(rows, columns, data) }
}

/// [k, m] stored by rows becomes [m, k].
private func transpose(_ x: [Double], _ rows: Int, _ columns: Int) -> [Double] {
  var y = [Double](repeating: 0, count: x.count)
  for i in 0..<rows { for j in 0..<columns { y[j * rows + i] = x[i * columns + j] } }
  return y
}

/// a [n, k] times the transpose of b [m, k].
private func product(_ a: [Double], _ b: [Double], _ n: Int, _ k: Int, _ m: Int) -> [Double] {
  [Double](unsafeUninitializedCapacity: n * m) { y, count in
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        for i in 0..<n {
          for j in 0..<m {
            var sum = 0.0
            for l in 0..<k { sum += a[i * k + l] * b[j * k + l] }
            y[i * m + j] = sum
          }
        }
      }
    }
    count = n * m
  }
}
