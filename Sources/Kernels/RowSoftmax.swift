/// The softmax of one row z [n]: its largest element m, and Σ exp(z - m).
///
/// - Parameter replacing: whether z becomes exp(z - m).
@inline(__always) func softmaxSum(_ z: UnsafeMutablePointer<Float>, _ n: Int, replacing: Bool) -> (
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
// the largest scaled score.

/// Scores p [n] ← exp(scale · p - m), zero for hidden keys.
///
/// - Returns: m, and 1 / Σ of the row; both 0 where no key is visible.
@inline(__always) func softmaxNumerators<Row: VisibleRow>(
  _ p: UnsafeMutablePointer<Float>, _ n: Int, _ row: Row, scale: Float
) -> (largest: Float, inverse: Float) {
  let (visible, count) = clearHidden(p, n, row)
  var peak = Lanes(repeating: -.infinity)
  for i in stride(from: 0, to: count, by: 16) {
    peak = maximum(peak, row.masked(load(visible, i, count, fill: -.infinity), i))
  }
  let score = maximum(peak)
  // Where no key is visible, any finite number makes every exponential zero.
  let largest = Row.mayBeEmpty && score == -.infinity ? 0 : score * scale
  var total = Lanes.zero
  for i in stride(from: 0, to: count, by: 16) {
    let e = exp(row.masked(load(visible, i, count, fill: -.infinity), i) * scale - largest)
    total += e
    store(e, visible, i, count)
  }
  let denominator = sum(total)
  return (largest, Row.mayBeEmpty && denominator == 0 ? 0 : 1 / denominator)
}

/// Scores p [n] ← exp(scale · p - m) · inverse, with m and 1 / Σ as `softmaxNumerators` returned them.
@inline(__always) func softmaxWeights<Row: VisibleRow>(
  _ p: UnsafeMutablePointer<Float>, _ n: Int, _ row: Row, scale: Float, largest: Float, inverse: Float
) {
  let (visible, count) = clearHidden(p, n, row)
  for i in stride(from: 0, to: count, by: 16) {
    store(exp(row.masked(load(visible, i, count), i) * scale - largest) * inverse, visible, i, count)
  }
}

/// Zeroes p [n] outside first ..< end of the row. - Returns: where that range starts, and its count.
@inline(__always) private func clearHidden<Row: VisibleRow>(
  _ p: UnsafeMutablePointer<Float>, _ n: Int, _ row: Row
) -> (UnsafeMutablePointer<Float>, Int) {
  p.update(repeating: 0, count: row.first)
  (p + row.end).update(repeating: 0, count: n - row.end)
  return (p + row.first, row.end - row.first)
}
