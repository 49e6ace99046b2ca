/// A borrowed matrix of floats, row-major and contiguous. A vector is one row.
///
/// Invariant: `base` points into an arena or a parameter store that outlives every use of the view and
/// holds at least `rows · columns` floats from there on. Higher shapes are written in the names of
/// values (`x_BTC` is [B·T, C]).
@frozen public struct TensorView: @unchecked Sendable {
  // Sendable: a view is an address; who may write through it is decided by the owner of the arena (one thread).
  public let base: UnsafeMutablePointer<Float>
  public let rows: Int
  public let columns: Int

  @inlinable public init(base: UnsafeMutablePointer<Float>, rows: Int, columns: Int) {
    self.base = base
    self.rows = rows
    self.columns = columns
  }

  @inlinable public var count: Int { rows * columns }

  @inlinable public subscript(row: Int, column: Int) -> Float {
    get { base[row * columns + column] }
    nonmutating set { base[row * columns + column] = newValue }
  }

  @inlinable public subscript(index: Int) -> Float {
    get { base[index] }
    nonmutating set { base[index] = newValue }
  }

  /// Rows `range` of this matrix.
  @inlinable public func rows(_ range: Range<Int>) -> TensorView {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of a matrix with \(rows) rows")
    return TensorView(base: base + range.lowerBound * columns, rows: range.count, columns: columns)
  }

  /// The first `count` rows.
  @inlinable public func first(_ count: Int) -> TensorView { rows(0..<count) }

  /// The same floats under another shape of at most the same size.
  @inlinable public func shaped(_ rows: Int, _ columns: Int) -> TensorView {
    precondition(rows * columns <= count, "\(rows) × \(columns) does not fit into \(count) floats")
    return TensorView(base: base, rows: rows, columns: columns)
  }

  public var array: [Float] { Array(UnsafeBufferPointer(start: base, count: count)) }

  public func copy(from values: some Collection<Float>) {
    precondition(values.count == count, "\(values.count) values for a matrix of \(rows) × \(columns)")
    for (index, value) in values.enumerated() { base[index] = value }
  }

  public func copy(from other: TensorView) {
    precondition(other.count == count, "\(other.count) values for a matrix of \(rows) × \(columns)")
    base.update(from: other.base, count: count)
  }

  public func fill(_ value: Float) { base.update(repeating: value, count: count) }
}
