import Tensors

/// The softmax of one row z [n]: its largest element m, and Σ exp(z - m).
///
/// - Parameter replacing: whether z becomes exp(z - m).
@inline(always) func softmaxSum(_ z: UnsafeMutablePointer<Float>, _ n: Int, replacing: Bool) -> (
  largest: Float, sum: Float
) {
  var peak = Lanes(repeating: -.infinity)
  for i in stride(from: 0, to: n, by: 16) { peak = maximum(peak, load(z, i, n, fill: -.infinity)) }
  let largest = maximum(peak)
  var total = Lanes.zero
  for i in stride(from: 0, to: n, by: 16) {
    let e = exp(load(z, i, n, fill: -.infinity) - largest)
    total += e
    if replacing { store(e, z, i, n) }
  }
  return (largest, sum(total))
}

// The softmax of one row of attention scores: P = exp(scale · S - m) / Σ exp(scale · S - m) over the visible keys, m
// the largest scaled score. Rows have memory for whole vectors; what lies past their last key is not read as a number.

/// Scores p [n] ← exp(scale · p - m), zero for hidden keys.
///
/// - Returns: m, and 1 / Σ of the row; both 0 where no key is visible.
@inline(always) func softmaxNumerators<Row: VisibleRow>(
  _ p: UnsafeMutablePointer<Float>, _ n: Int, _ row: Row, scale: Float
) -> (largest: Float, inverse: Float) {
  let vectors = clearHidden(p, n, row)
  var peak = Lanes(repeating: -.infinity)
  for i in stride(from: vectors.lowerBound, to: vectors.upperBound, by: 16) {
    peak = maximum(peak, row.masked(load(p, i), i))
  }
  let score = maximum(peak)
  // Where no key is visible, any finite number makes every exponential zero.
  let largest = Row.mayBeEmpty && score == -.infinity ? 0 : score * scale
  var total = Lanes.zero
  for i in stride(from: vectors.lowerBound, to: vectors.upperBound, by: 16) {
    let e = exp(row.masked(load(p, i), i) * scale - largest)
    total += e
    store(e, p, i)
  }
  let denominator = sum(total)
  return (largest, Row.mayBeEmpty && denominator == 0 ? 0 : 1 / denominator)
}

/// Scores p [n] ← exp(scale · p - m) · inverse, with m and 1 / Σ as `softmaxNumerators` returned them.
@inline(always) func softmaxWeights<Row: VisibleRow>(
  _ p: UnsafeMutablePointer<Float>, _ n: Int, _ row: Row, scale: Float, largest: Float, inverse: Float
) {
  let vectors = clearHidden(p, n, row)
  for i in stride(from: vectors.lowerBound, to: vectors.upperBound, by: 16) {
    store(exp(row.masked(load(p, i), i) * scale - largest) * inverse, p, i)
  }
}

/// Zeroes p [n] outside of the vectors that hold visible keys. - Returns: where these start and end.
@inline(always) func clearHidden<Row: VisibleRow>(
  _ p: UnsafeMutablePointer<Float>, _ n: Int, _ row: Row
) -> Range<Int> {
  let vectors = visibleVectors(row)
  p.update(repeating: 0, count: vectors.lowerBound)
  if vectors.upperBound < n { (p + vectors.upperBound).update(repeating: 0, count: n &- vectors.upperBound) }
  return vectors
}

/// The whole vectors that hold all visible keys of a row.
@inline(always) func visibleVectors(_ row: some VisibleRow) -> Range<Int> { row.first & ~15..<paddedCount(row.end) }
