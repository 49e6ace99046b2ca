import Tensors

// Legend: n rows, C columns.

/// LayerNorm: y = (x - mean) · r · weight + bias with r = 1 / √(variance + ε), row by row.
///
/// `statistics` [n, 2] receives mean and r of each row, needed by the backward pass.
/// Reference: Ba, Kiros, Hinton, "Layer normalization", 2016, arXiv 1607.06450.
public func layerNorm(
  _ x: TensorView, weight: TensorView, bias: TensorView?, epsilon: Float, into y: TensorView, statistics: TensorView
) {
  let c = x.columns
  precondition(y.count == x.count && weight.count == c && statistics.rows >= x.rows, "LayerNorm over \(c) columns")
  for row in 0..<x.rows {
    let (p, q) = (x.base + row * c, y.base + row * c)
    var total = Lanes.zero
    for i in stride(from: 0, to: c, by: 16) { total += load(p, i, c) }
    let mean = sum(total) / Float(c)
    var squares = Lanes.zero
    for i in stride(from: 0, to: c, by: 16) {
      let d = load(p, i, c, fill: mean) - mean
      squares = squares.addingProduct(d, d)
    }
    let r = 1 / (sum(squares) / Float(c) + epsilon).squareRoot()
    statistics.base[2 * row] = mean
    statistics.base[2 * row + 1] = r
    for i in stride(from: 0, to: c, by: 16) {
      let scaled = (load(p, i, c) - mean) * r
      let shift = bias.map { load($0.base, i, c) } ?? .zero
      store(shift.addingProduct(scaled, load(weight.base, i, c)), q, i, c)
    }
  }
}

/// The gradient of `layerNorm`.
///
/// With x̂ = (x - mean)·r and g = dy·weight: dx = r · (g - mean(g) - x̂ · mean(g·x̂)),
/// dweight = Σ dy·x̂, dbias = Σ dy over rows in order.
/// - Parameters:
///   - dx: overwritten, or added to when `accumulate`; may be `dy` when it is overwritten.
public func layerNormBackward(
  x: TensorView, dy: TensorView, weight: TensorView, statistics: TensorView, into dx: TensorView,
  accumulate: Bool = false,
  dweight: TensorView, dbias: TensorView?
) {
  let c = x.columns
  precondition(dy.count == x.count && dx.count == x.count && dweight.count == c, "LayerNorm backward over \(c) columns")
  dweight.fill(0)
  dbias?.fill(0)
  for row in 0..<x.rows {
    let (p, d, out) = (x.base + row * c, dy.base + row * c, dx.base + row * c)
    let (mean, r) = (statistics.base[2 * row], statistics.base[2 * row + 1])
    var (sumG, sumGX) = (Lanes.zero, Lanes.zero)
    for i in stride(from: 0, to: c, by: 16) {
      let normalized = (load(p, i, c) - mean) * r
      let upstream = load(d, i, c)
      let g = upstream * load(weight.base, i, c)
      sumG += g
      sumGX = sumGX.addingProduct(g, normalized)
      store(load(dweight.base, i, c).addingProduct(upstream, normalized), dweight.base, i, c)
      if let dbias { store(load(dbias.base, i, c) + upstream, dbias.base, i, c) }
    }
    let (meanG, meanGX) = (sum(sumG) / Float(c), sum(sumGX) / Float(c))
    for i in stride(from: 0, to: c, by: 16) {
      let normalized = (load(p, i, c) - mean) * r
      let g = load(d, i, c) * load(weight.base, i, c)
      let gradient = r * (g - meanG - normalized * meanGX)
      store(accumulate ? load(out, i, c) + gradient : gradient, out, i, c)
    }
  }
}

/// RMSNorm: y = x · r · weight with r = 1 / √(mean(x²) + ε), row by row; `statistics` [n, 2] receives 0 and r.
///
/// Reference: Zhang, Sennrich, "Root mean square layer normalization", 2019, arXiv 1910.07467.
public func rmsNorm(_ x: TensorView, weight: TensorView, epsilon: Float, into y: TensorView, statistics: TensorView) {
  let c = x.columns
  precondition(y.count == x.count && weight.count == c && statistics.rows >= x.rows, "RMSNorm over \(c) columns")
  for row in 0..<x.rows {
    let (p, q) = (x.base + row * c, y.base + row * c)
    var squares = Lanes.zero
    for i in stride(from: 0, to: c, by: 16) {
      let v = load(p, i, c)
      squares = squares.addingProduct(v, v)
    }
    let r = 1 / (sum(squares) / Float(c) + epsilon).squareRoot()
    statistics.base[2 * row] = 0
    statistics.base[2 * row + 1] = r
    for i in stride(from: 0, to: c, by: 16) { store(load(p, i, c) * r * load(weight.base, i, c), q, i, c) }
  }
}

/// The gradient of `rmsNorm`: with x̂ = x·r and g = dy·weight, dx = r · (g - x̂ · mean(g·x̂)), dweight = Σ dy·x̂.
public func rmsNormBackward(
  x: TensorView, dy: TensorView, weight: TensorView, statistics: TensorView, into dx: TensorView,
  accumulate: Bool = false,
  dweight: TensorView
) {
  let c = x.columns
  precondition(dy.count == x.count && dx.count == x.count && dweight.count == c, "RMSNorm backward over \(c) columns")
  dweight.fill(0)
  for row in 0..<x.rows {
    let (p, d, out) = (x.base + row * c, dy.base + row * c, dx.base + row * c)
    let r = statistics.base[2 * row + 1]
    var sumGX = Lanes.zero
    for i in stride(from: 0, to: c, by: 16) {
      let normalized = load(p, i, c) * r
      let upstream = load(d, i, c)
      sumGX = sumGX.addingProduct(upstream * load(weight.base, i, c), normalized)
      store(load(dweight.base, i, c).addingProduct(upstream, normalized), dweight.base, i, c)
    }
    let meanGX = sum(sumGX) / Float(c)
    for i in stride(from: 0, to: c, by: 16) {
      let g = load(d, i, c) * load(weight.base, i, c)
      let gradient = r * (g - load(p, i, c) * r * meanGX)
      store(accumulate ? load(out, i, c) + gradient : gradient, out, i, c)
    }
  }
}
