import Tensors

// Legend: n rows, V vocabulary size, C hidden size. A bag scores several target words with one distribution: the
// softmax of the largest logit of each column over some rows.

/// Running maxima of columns: `largest` [V] ← max(largest, rows of `z` [n, V]), and `places` [V] ← the number
/// `firstRow` + r of the row that has the maximum. Rows are read in rising order; of equal logits the lowest row is
/// kept.
///
/// Row numbers are stored as floats, which are exact below 2²⁴.
public func raiseMaxima(_ z: TensorView, firstRow: Int, largest: TensorView, places: TensorView) {
  let v = z.columns
  precondition(largest.count == v && places.count == v, "one maximum and one place per column of \(v)")
  precondition(firstRow + z.rows < 1 << 24, "row \(firstRow + z.rows) is beyond what a float counts")
  for row in 0..<z.rows {
    let p = z.base + row * v
    let place = Lanes(repeating: Float(firstRow + row))
    for i in stride(from: 0, to: v, by: 16) {
      let (x, best) = (load(p, i, v), load(largest.base, i, v))
      let higher = x .> best
      store(best.replacing(with: x, where: higher), largest.base, i, v)
      store(load(places.base, i, v).replacing(with: place, where: higher), places.base, i, v)
    }
  }
}

/// Softmax cross-entropy of one row of logits against several words: Σₖ wₖ · (log Σⱼ exp uⱼ - u at tₖ).
///
/// - Parameters:
///   - logits: [1, V]; becomes its gradient scale · (Σ w · softmax(u) - Σₖ wₖ · onehot(tₖ)) when `gradient`.
///   - targets: ids in 0 ..< V; one that comes twice counts twice.
///   - losses: receives the weighted loss of each word, as it is added.
/// - Returns: the loss, unscaled, added in order of the words in double precision.
public func bagCrossEntropy(
  logits: TensorView, targets: ArraySlice<Int32>, weights: ArraySlice<Float>, scale: Float, gradient: Bool = true,
  losses: UnsafeMutablePointer<Double>? = nil
) -> Double {
  let (u, v) = (logits.base, logits.columns)
  precondition(logits.rows == 1 && targets.count == weights.count, "one row of logits, and one weight per word")
  let (top, denominator) = softmaxSum(u, v, replacing: false)
  let logarithm = naturalLogarithm(Double(denominator))
  var (loss, weight): (Double, Float) = (0, 0)
  for (k, (target, w)) in zip(targets, weights).enumerated() {
    precondition(target >= 0 && Int(target) < v, "target \(target) is not in 0..<\(v)")
    let own = Double(w) * (logarithm - Double(u[Int(target)] - top))
    losses?[k] = own
    loss += own
    weight += w
  }
  guard gradient else { return loss }
  let factor = scale * weight / denominator
  for i in stride(from: 0, to: v, by: 16) { store(exp(load(u, i, v, fill: -.infinity) - top) * factor, u, i, v) }
  for (target, w) in zip(targets, weights) { u[Int(target)] -= scale * w }
  return loss
}

/// The gradient of the column maxima of x·Wᵀ: dx[p] += d · W[j] and dW[j] += d · x[p] for columns j in rising order, p
/// the row that has the maximum of column j.
///
/// Shapes: `d`, `places` [V]; `x`, `dx` [n, C]; `w`, `dw` [V, C].
/// - Complexity: 4·V·C flops.
public func scatterMaxima(
  _ d: TensorView, places: TensorView, x: TensorView, w: TensorView, into dx: TensorView, _ dw: TensorView
) {
  let c = x.columns
  precondition(
    d.count == w.rows && places.count == w.rows && w.columns == c && dx.count == x.count && dw.count == w.count,
    "shapes of maxima")
  for column in 0..<w.rows {
    let factor = Lanes(repeating: d[column])
    let row = Int(places[column])
    let (source, target) = (x.base + row * c, dx.base + row * c)
    let (weights, gradient) = (w.base + column * c, dw.base + column * c)
    for i in stride(from: 0, to: c, by: 16) {
      store(load(target, i, c).addingProduct(factor, load(weights, i, c)), target, i, c)
      store(load(gradient, i, c).addingProduct(factor, load(source, i, c)), gradient, i, c)
    }
  }
}
