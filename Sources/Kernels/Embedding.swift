import Tensors

/// y[i] ← table[ids[i]], or y[i] += table[ids[i]] when `accumulate`.
///
/// Shapes: `table` [V, C], `ids` n, `y` [n, C].
public func gatherRows(_ table: TensorView, _ ids: [Int32], into y: TensorView, accumulate: Bool = false) {
  let c = table.columns
  precondition(y.rows == ids.count && y.columns == c, "\(ids.count) rows of \(c) do not fit [\(y.rows), \(y.columns)]")
  for (i, id) in ids.enumerated() {
    precondition(id >= 0 && Int(id) < table.rows, "row \(id) of a table with \(table.rows) rows")
    let (source, target) = (table.base + Int(id) * c, y.base + i * c)
    if accumulate {
      for k in stride(from: 0, to: c, by: 16) { store(load(target, k, c) + load(source, k, c), target, k, c) }
    } else {
      target.update(from: source, count: c)
    }
  }
}

/// The gradient of `gatherRows`: for each distinct id, the sum of its rows of `dy`, added in row order.
///
/// - Parameters:
///   - sums: [n, C] scratch; its first rows receive the sums.
/// - Returns: the distinct ids in rising order, one for each row of `sums`.
/// - Complexity: O(n log n) for sorting and n·C additions.
public func scatterRows(_ ids: [Int32], dy: TensorView, into sums: TensorView) -> [Int32] {
  precondition(dy.rows == ids.count && sums.columns == dy.columns, "one gradient row per id")
  // A key holds the id above the row, so that sorting keys sorts by id and keeps the order of rows.
  var keys = [UInt64](unsafeUninitializedCapacity: ids.count) { buffer, count in
    for i in 0..<ids.count { buffer[i] = UInt64(UInt32(bitPattern: ids[i])) << 32 | UInt64(i) }
    count = ids.count
  }
  keys.sort()
  let c = dy.columns
  var distinct: [Int32] = []
  var previous: UInt64?
  for key in keys {
    let source = dy.base + Int(key & 0xFFFF_FFFF) * c
    if previous != key >> 32 {
      previous = key >> 32
      precondition(distinct.count < sums.rows, "more distinct ids than rows of scratch")
      (sums.base + distinct.count * c).update(from: source, count: c)
      distinct.append(Int32(truncatingIfNeeded: key >> 32))
    } else {
      let target = sums.base + (distinct.count - 1) * c
      for k in stride(from: 0, to: c, by: 16) { store(load(target, k, c) + load(source, k, c), target, k, c) }
    }
  }
  return distinct
}

/// y[i] ← x[rows[i]]: gathers rows of hidden states, such as those with a loss weight.
public func gatherRows(_ x: TensorView, at rows: [Int], into y: TensorView) {
  let c = x.columns
  precondition(
    y.columns == c && y.rows == rows.count, "\(rows.count) rows of \(c) do not fit [\(y.rows), \(y.columns)]")
  for (i, row) in rows.enumerated() { (y.base + i * c).update(from: x.base + row * c, count: c) }
}

/// x[rows[i]] ← x[rows[i]] + y[i]: the backward pass of the row gather. Rows that come twice are added in order.
public func addRows(_ y: TensorView, at rows: [Int], into x: TensorView) {
  let c = x.columns
  precondition(y.columns == c && y.rows == rows.count, "\(rows.count) rows of \(c), got [\(y.rows), \(y.columns)]")
  for (i, row) in rows.enumerated() {
    let (source, target) = (y.base + i * c, x.base + row * c)
    for k in stride(from: 0, to: c, by: 16) { store(load(target, k, c) + load(source, k, c), target, k, c) }
  }
}
