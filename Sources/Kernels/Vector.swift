// Sixteen lanes at a time, with one fixed tree for every reduction.
//
// Only operations that lower to vector instructions appear here: arithmetic, comparisons with
// `replacing`, bit casts and integer shifts. Everything else in Swift's SIMD becomes sixteen scalar calls.
// `addingProduct` is one fused instruction under the flags of Package.swift.

@usableFromInline typealias Lanes = SIMD16<Float>

/// Lanes i ..< i + 16 of an array of `n` floats; past the end they are `fill`.
@inline(always) func load(_ p: UnsafePointer<Float>, _ i: Int, _ n: Int, fill: Float = 0) -> Lanes {
  if i &+ 16 <= n { return UnsafeRawPointer(p + i).loadUnaligned(as: Lanes.self) }
  var lanes = Lanes(repeating: fill)
  for k in 0..<(n &- i) { lanes[k] = p[i &+ k] }
  return lanes
}

@inline(always) func load(_ p: UnsafeMutablePointer<Float>, _ i: Int, _ n: Int, fill: Float = 0) -> Lanes {
  load(UnsafePointer(p), i, n, fill: fill)
}

/// Lanes i ..< i + 16 of an array that has them all.
@inline(always) func load(_ p: UnsafeMutablePointer<Float>, _ i: Int) -> Lanes {
  UnsafeRawPointer(p + i).loadUnaligned(as: Lanes.self)
}

@inline(always) func store(_ lanes: Lanes, _ p: UnsafeMutablePointer<Float>, _ i: Int) {
  UnsafeMutableRawPointer(p + i).storeBytes(of: lanes, as: Lanes.self)
}

/// Writes lanes to i ..< min(i + 16, n).
@inline(always) func store(_ lanes: Lanes, _ p: UnsafeMutablePointer<Float>, _ i: Int, _ n: Int) {
  if i &+ 16 <= n {
    UnsafeMutableRawPointer(p + i).storeBytes(of: lanes, as: Lanes.self)
  } else {
    for k in 0..<(n &- i) { p[i &+ k] = lanes[k] }
  }
}

/// The sum of sixteen lanes by the tree 8 + 4 + 2 + 1.
@inline(always) func sum(_ x: Lanes) -> Float {
  let a = x.lowHalf + x.highHalf
  let b = a.lowHalf + a.highHalf
  let c = b.lowHalf + b.highHalf
  return c.x + c.y
}

@inline(always) func maximum(_ a: Lanes, _ b: Lanes) -> Lanes { a.replacing(with: b, where: a .< b) }

@inline(always) func maximum(_ x: Lanes) -> Float {
  let a = x.lowHalf.replacing(with: x.highHalf, where: x.lowHalf .< x.highHalf)
  let b = a.lowHalf.replacing(with: a.highHalf, where: a.lowHalf .< a.highHalf)
  let c = b.lowHalf.replacing(with: b.highHalf, where: b.lowHalf .< b.highHalf)
  return c.x < c.y ? c.y : c.x
}

/// eˣ with a relative error below 2 ulp for x in -87 ... 88; 0 below -87, clamped at e⁸⁸ above.
///
/// Concretely: n = round(x / ln 2), r = x - n·ln 2 in two parts, 1 + r + r²·q(r) with q of degree 4 fitted by
/// least squares at Chebyshev nodes, then 2ⁿ by adding n to the exponent.
@inline(always) func exp(_ input: Lanes) -> Lanes {
  var x = input.replacing(with: -87, where: input .< -87)
  x = x.replacing(with: 88, where: x .> 88)
  let shifted = Lanes(repeating: 12_582_912).addingProduct(x, Lanes(repeating: 1.442_695_04))
  let n = shifted - 12_582_912
  var r = x.addingProduct(n, Lanes(repeating: -0.693_359_375))
  r = r.addingProduct(n, Lanes(repeating: 2.121_944_4e-4))
  var q = Lanes(repeating: 0.001_375_140_7)
  q = Lanes(repeating: 0.008_368_916).addingProduct(q, r)
  q = Lanes(repeating: 0.041_669_533).addingProduct(q, r)
  q = Lanes(repeating: 0.166_665_18).addingProduct(q, r)
  q = Lanes(repeating: 0.499_999_88).addingProduct(q, r)
  let value = (r + 1).addingProduct(q, r * r)
  // The low bits of `shifted` hold n; moved to the exponent field they multiply by 2ⁿ.
  let exponent = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &<< 23
  let scaled = unsafeBitCast(unsafeBitCast(value, to: SIMD16<Int32>.self) &+ exponent, to: Lanes.self)
  return scaled.replacing(with: 0, where: input .< -87)
}
