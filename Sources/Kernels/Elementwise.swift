import Tensors

/// Every row of `y` [n, m] ← `bias` [m].
public func broadcastRow(_ bias: TensorView, into y: TensorView) {
  precondition(bias.count == y.columns, "a bias of \(bias.count) for rows of \(y.columns)")
  for row in 0..<y.rows { (y.base + row * y.columns).update(from: bias.base, count: y.columns) }
}

/// `sums` [m] ← the sum of the rows of `x` [n, m], added in row order.
public func sumRows(_ x: TensorView, into sums: TensorView) {
  precondition(sums.count == x.columns, "\(sums.count) sums for \(x.columns) columns")
  let n = x.columns
  // The sums of four vectors of columns stay in registers over all rows.
  for start in stride(from: 0, to: n, by: 64) {
    var (a, b, c, d) = (Lanes.zero, Lanes.zero, Lanes.zero, Lanes.zero)
    for row in 0..<x.rows {
      let p = x.base + row * n
      a += load(p, start, n)
      if start + 16 < n { b += load(p, start + 16, n) }
      if start + 32 < n { c += load(p, start + 32, n) }
      if start + 48 < n { d += load(p, start + 48, n) }
    }
    store(a, sums.base, start, n)
    if start + 16 < n { store(b, sums.base, start + 16, n) }
    if start + 32 < n { store(c, sums.base, start + 32, n) }
    if start + 48 < n { store(d, sums.base, start + 48, n) }
  }
}

/// y ← y + x.
public func addInPlace(_ y: TensorView, _ x: TensorView) {
  precondition(x.count == y.count, "cannot add \(x.count) floats to \(y.count)")
  let n = y.count
  for i in stride(from: 0, to: n, by: 16) { store(load(y.base, i, n) + load(x.base, i, n), y.base, i, n) }
}

/// z ← x + y.
public func add(_ x: TensorView, _ y: TensorView, into z: TensorView) {
  precondition(x.count == y.count && z.count == x.count, "cannot add \(x.count) and \(y.count) floats into \(z.count)")
  let n = z.count
  for i in stride(from: 0, to: n, by: 16) { store(load(x.base, i, n) + load(y.base, i, n), z.base, i, n) }
}

/// y ← y · x, elementwise.
public func multiply(_ y: TensorView, by x: TensorView) {
  precondition(x.count == y.count, "cannot multiply \(y.count) floats by \(x.count)")
  let n = y.count
  for i in stride(from: 0, to: n, by: 16) { store(load(y.base, i, n) * load(x.base, i, n), y.base, i, n) }
}

/// target ← decay · target + (1 - decay) · source: an exponential moving average.
public func movingAverage(_ target: TensorView, toward source: TensorView, decay: Float) {
  precondition(target.count == source.count, "\(source.count) floats for an average of \(target.count)")
  let n = target.count
  let keep = Lanes(repeating: decay)
  let take = Lanes(repeating: 1 - decay)
  for i in stride(from: 0, to: n, by: 16) {
    store((keep * load(target.base, i, n)).addingProduct(take, load(source.base, i, n)), target.base, i, n)
  }
}

/// The first value that is NaN or infinite, if any.
public func firstNonFinite(_ x: TensorView) -> Int? {
  (0..<x.count).first { !x.base[$0].isFinite }
}
