/// Examples as rows of numbers, as a linear model reads them.
protocol ExampleMatrix: Sendable {
  var rows: Int { get }
  var columns: Int { get }
  /// scores[k] += Σⱼ weights[k, j] · x[row, j], for `classes` rows of weights.
  func addScores(of row: Int, _ weights: UnsafePointer<Double>, classes: Int, into scores: UnsafeMutablePointer<Double>)
  /// gradient[k, j] += residuals[k] · x[row, j].
  func addGradient(
    of row: Int, _ residuals: UnsafePointer<Double>, classes: Int, into gradient: UnsafeMutablePointer<Double>)
}

/// A full matrix, row-major.
struct DenseExamples: ExampleMatrix, Equatable {
  let rows: Int
  let columns: Int
  private(set) var values: [Double]

  init(rows: Int, columns: Int) {
    (self.rows, self.columns, values) = (rows, columns, [Double](repeating: 0, count: rows * columns))
  }

  init(_ rows: [[Double]]) { (self.rows, columns, values) = (rows.count, rows.first?.count ?? 0, rows.flatMap(\.self)) }

  mutating func set(_ row: Int, _ numbers: some Collection<Double>) {
    precondition(numbers.count == columns, "\(numbers.count) numbers for a row of \(columns)")
    for (j, number) in numbers.enumerated() { values[row * columns + j] = number }
  }

  subscript(row: Int) -> ArraySlice<Double> { values[row * columns..<(row + 1) * columns] }

  func addScores(of row: Int, _ weights: UnsafePointer<Double>, classes: Int, into scores: UnsafeMutablePointer<Double>)
  {
    values.withUnsafeBufferPointer { x in
      guard let x = x.baseAddress else { return }
      for k in 0..<classes { scores[k] += dot(weights + k * columns, x + row * columns, columns) }
    }
  }

  func addGradient(
    of row: Int, _ residuals: UnsafePointer<Double>, classes: Int, into gradient: UnsafeMutablePointer<Double>
  ) {
    values.withUnsafeBufferPointer { x in
      guard let x = x.baseAddress.map({ $0 + row * columns }) else { return }
      for k in 0..<classes {
        let (factor, target) = (residuals[k], gradient + k * columns)
        for j in 0..<columns { target[j] += factor * x[j] }
      }
    }
  }
}

/// A matrix of which only the non-zero numbers are kept.
struct SparseExamples: ExampleMatrix {
  let columns: Int
  /// Where each row begins in `indices` and `values`, and last their count.
  private var starts = [0]
  private var indices: [Int] = []
  private var values: [Double] = []

  init(columns: Int) { self.columns = columns }

  var rows: Int { starts.count - 1 }

  /// - Parameter entries: distinct columns with their numbers.
  mutating func append(_ entries: [(column: Int, value: Double)]) {
    for entry in entries {
      precondition(entry.column >= 0 && entry.column < columns, "column \(entry.column) of \(columns)")
      indices.append(entry.column)
      values.append(entry.value)
    }
    starts.append(indices.count)
  }

  func addScores(of row: Int, _ weights: UnsafePointer<Double>, classes: Int, into scores: UnsafeMutablePointer<Double>)
  {
    for k in 0..<classes {
      var sum = 0.0
      for i in starts[row]..<starts[row + 1] { sum += weights[k * columns + indices[i]] * values[i] }
      scores[k] += sum
    }
  }

  func addGradient(
    of row: Int, _ residuals: UnsafePointer<Double>, classes: Int, into gradient: UnsafeMutablePointer<Double>
  ) {
    for k in 0..<classes {
      for i in starts[row]..<starts[row + 1] { gradient[k * columns + indices[i]] += residuals[k] * values[i] }
    }
  }
}

/// Mean and deviation of each column over some rows: what features are standardised with.
struct Standardization {
  private let mean: [Double]
  /// 0 for a column that does not vary.
  private let inverse: [Double]

  /// - Parameter rows: those it is fitted on, at least one.
  init(_ x: DenseExamples, rows: [Int]) {
    precondition(!rows.isEmpty, "a standardisation needs rows to be fitted on")
    let n = Double(rows.count)
    var (sums, squares) = ([Double](repeating: 0, count: x.columns), [Double](repeating: 0, count: x.columns))
    for row in rows { for (j, value) in x[row].enumerated() { sums[j] += value } }
    let mean = sums.map { $0 / n }
    for row in rows { for (j, value) in x[row].enumerated() { squares[j] += (value - mean[j]) * (value - mean[j]) } }
    self.mean = mean
    inverse = zip(squares, mean).map { square, mean in
      let deviation = (square / n).squareRoot()
      // What is left of a constant column is rounding.
      return deviation > 1e-9 * abs(mean) && deviation > 0 ? 1 / deviation : 0
    }
  }

  func callAsFunction(_ x: DenseExamples) -> DenseExamples {
    var result = x
    for row in 0..<x.rows { result.set(row, x[row].enumerated().map { ($1 - mean[$0]) * inverse[$0] }) }
    return result
  }
}

/// Σ aᵢ·bᵢ in eight running sums, added as a tree: one order on every machine.
func dot(_ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, _ count: Int) -> Double {
  var sums = SIMD8<Double>.zero
  var i = 0
  while i + 8 <= count {
    sums +=
      UnsafeRawPointer(a + i).loadUnaligned(as: SIMD8<Double>.self)
      * UnsafeRawPointer(b + i).loadUnaligned(as: SIMD8<Double>.self)
    i += 8
  }
  var rest = 0.0
  while i < count {
    rest += a[i] * b[i]
    i += 1
  }
  let four = sums.lowHalf + sums.highHalf
  let two = four.lowHalf + four.highHalf
  return two.x + two.y + rest
}
