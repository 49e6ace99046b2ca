import Tensors

// Gradients are summed as 64-bit integers: q = round(g · 2^e) with one exponent e per tensor. Integer addition is
// associative, so the sum over micro-batches, threads and ranks does not depend on the order.
//
// Rounding adds 1.5·2⁵², whose last bit is worth one: the low 52 bits of the sum are then the integer,
// to nearest, ties to even. That holds for |g · 2^e| below 2⁵¹; `exactLimit` is the border callers check.

/// The largest magnitude of g · 2^e that rounds exactly.
public let exactLimit = 0x1p51

/// sum[i] += round(gradient[i] · scale), or = for the first contribution to a sum.
///
/// - Parameters:
///   - scale: a power of two.
///   - overwriting: whether what `sum` holds is dropped.
/// - Returns: the bit pattern of the largest |gradient|; a NaN or an infinity gives at least that of infinity,
///   and then, or when |gradient|·scale reaches `exactLimit`, the sum means nothing and the caller must drop it.
/// - Complexity: 20 bytes of traffic per element, 12 when overwriting.
public func accumulateExactly(
  _ gradient: TensorView, scale: Double, into sum: UnsafeMutablePointer<Int64>, overwriting: Bool = false
) -> UInt32 {
  // Two copies of the loop, each with its own constant.
  overwriting
    ? accumulate(gradient) { sum[$0] = integer($1, scale) } : accumulate(gradient) { sum[$0] &+= integer($1, scale) }
}

/// round(value · scale) for |value · scale| below 2⁵¹.
@inline(always) private func integer(_ value: Float, _ scale: Double) -> Int64 {
  let magic = 6_755_399_441_055_744.0
  return Int64(bitPattern: (Double(value) * scale + magic).bitPattern) &- Int64(bitPattern: magic.bitPattern)
}

/// Runs `add` for each element. - Returns: the bit pattern of the largest magnitude.
@inline(always) private func accumulate(_ gradient: TensorView, _ add: (Int, Float) -> Void) -> UInt32 {
  let g = gradient.base
  var largest: UInt32 = 0
  for i in 0..<gradient.count {
    let value = g[i]
    let magnitude = value.bitPattern & 0x7FFF_FFFF
    largest = magnitude > largest ? magnitude : largest
    add(i, value)
  }
  return largest
}

/// The double nearest to an integer, by its two halves, each of which stands in the low bits of a double of known
/// exponent (2⁸⁴ + 2⁶³ and 2⁵²; the constant takes both off again); vector instructions have no 64-bit conversion
/// before AVX-512.
@inline(always) func double(_ value: Int64) -> Double {
  let bits = UInt64(bitPattern: value)
  let high = Double(bitPattern: (bits &>> 32) ^ 0x4530_0000_8000_0000) - 0x1.0000_0801p84
  return high + Double(bitPattern: (bits & 0xFFFF_FFFF) | 0x4330_0000_0000_0000)
}

/// float(sum · inverse) of eight neighbours.
@inline(always) func eightFloats(_ sum: UnsafePointer<Int64>, _ inverse: Double) -> SIMD8<Float> {
  eightFloats(UnsafeRawPointer(sum).loadUnaligned(as: SIMD8<UInt64>.self), inverse)
}

@inline(always) func eightFloats(_ bits: SIMD8<UInt64>, _ inverse: Double) -> SIMD8<Float> {
  let high = unsafeBitCast((bits &>> 32) ^ SIMD8(repeating: 0x4530_0000_8000_0000), to: SIMD8<Double>.self)
  let low = unsafeBitCast(
    (bits & SIMD8(repeating: 0xFFFF_FFFF)) | SIMD8(repeating: 0x4330_0000_0000_0000), to: SIMD8<Double>.self)
  let value = (high - 0x1.0000_0801p84 + low) * inverse
  var g = SIMD8<Float>()
  for k in 0..<8 { g[k] = Float(value[k]) }
  return g
}

/// Elements in a block of a fixed-order reduction.
public let reductionBlock = 4096

/// The sum of squares and the largest magnitude of the gradients in one block: g = float(sum · inverse).
///
/// Eight running sums in double precision, element i to sum i mod 8, then one tree: the order does not depend on
/// anything.
public func squaresOfExactSum(_ sum: UnsafePointer<Int64>, count: Int, inverse: Double) -> (
  squares: Double, largest: Float
) {
  squares(count, eight: { eightFloats(sum + $0, inverse) }, one: { Float(double(sum[$0]) * inverse) })
}

/// The same of floats, for the control.
public func squaresOfFloats(_ sum: UnsafePointer<Float>, count: Int) -> (squares: Double, largest: Float) {
  squares(count, eight: { UnsafeRawPointer(sum + $0).loadUnaligned(as: SIMD8<Float>.self) }, one: { sum[$0] })
}

@inline(always) private func squares(_ count: Int, eight: (Int) -> SIMD8<Float>, one: (Int) -> Float) -> (
  squares: Double, largest: Float
) {
  var squares = SIMD8<Double>.zero
  var largest = SIMD8<Float>.zero
  var i = 0
  while i &+ 8 <= count {
    let g = eight(i)
    var wide = SIMD8<Double>()
    for k in 0..<8 { wide[k] = Double(g[k]) }
    squares = squares.addingProduct(wide, wide)
    let magnitude = g.replacing(with: -g, where: g .< 0)
    largest = largest.replacing(with: magnitude, where: largest .< magnitude)
    i &+= 8
  }
  while i < count {
    let g = one(i)
    squares[i & 7] = squares[i & 7].addingProduct(Double(g), Double(g))
    largest[i & 7] = max(largest[i & 7], abs(g))
    i &+= 1
  }
  let a = squares.lowHalf + squares.highHalf
  let b = a.lowHalf + a.highHalf
  return (b.x + b.y, largest.max())
}

/// The gradients themselves: g[i] ← float(inverse · Σₖ parts[k · count + first + i]), one rounding of an exact sum.
///
/// - Parameters:
///   - parts: `ranks` contributions of `count` integers each, one after the other.
///   - range: which of the `count` elements belong to the tensor with this `inverse`.
///   - gradient: element `range.lowerBound` of the result.
/// - Complexity: 8 · ranks + 4 bytes of traffic per element.
public func roundExactSum(
  of parts: UnsafePointer<Int64>, ranks: Int, count: Int, range: Range<Int>, inverse: Double,
  into gradient: UnsafeMutablePointer<Float>
) {
  var i = range.lowerBound
  while i &+ 8 <= range.upperBound {
    var total = UnsafeRawPointer(parts + i).loadUnaligned(as: SIMD8<UInt64>.self)
    for rank in 1..<max(ranks, 1) {
      total &+= UnsafeRawPointer(parts + (rank &* count &+ i)).loadUnaligned(as: SIMD8<UInt64>.self)
    }
    UnsafeMutableRawPointer(gradient + (i &- range.lowerBound)).storeBytes(
      of: eightFloats(total, inverse), as: SIMD8<Float>.self)
    i &+= 8
  }
  while i < range.upperBound {
    var total = parts[i]
    for rank in 1..<max(ranks, 1) { total &+= parts[rank &* count &+ i] }
    gradient[i &- range.lowerBound] = Float(double(total) * inverse)
    i &+= 1
  }
}

/// sum[i] += gradient[i] in floats, or =, for the control. - Returns: as `accumulateExactly`.
public func accumulateFloats(
  _ gradient: TensorView, into sum: UnsafeMutablePointer<Float>, overwriting: Bool = false
) -> UInt32 {
  overwriting ? accumulate(gradient) { sum[$0] = $1 } : accumulate(gradient) { sum[$0] += $1 }
}
