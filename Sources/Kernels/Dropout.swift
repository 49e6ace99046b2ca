import Core
import Tensors

/// Zeroes each element of `x` with probability p and scales the rest by 1 / (1 - p), in place; p is `rate` rounded to a
/// multiple of 2⁻¹⁶, below 1.
///
/// Rows belong to samples: rows s·T ..< (s+1)·T are sample s, whose mask is keyed by its stream position,
/// `site` and the element's index inside the sample. Applied to a gradient with the same key it is its own backward
/// pass.
/// - Complexity: an eighth of a Philox block an element.
public func dropout(
  _ x: TensorView, rate: Float, rowsPerSample: Int, sampleIDs: [UInt64], site: UInt32, _ random: CounterGenerator
) {
  guard rate > 0 else { return }
  precondition(
    x.rows == rowsPerSample * sampleIDs.count, "\(x.rows) rows for \(sampleIDs.count) samples of \(rowsPerSample)")
  let size = rowsPerSample * x.columns
  for (sample, position) in sampleIDs.enumerated() {
    applyMask(x.base + sample * size, size, rate: rate, random.at(position: position, site: site))
  }
}

/// As `dropout` of all rows, where `x` holds the selected rows alone: each has the mask of its place.
public func dropout(
  _ x: TensorView, rate: Float, _ selection: RowSelection, sampleIDs: [UInt64], site: UInt32, _ random: CounterGenerator
) {
  guard rate > 0 else { return }
  precondition(x.rows == selection.count, "\(x.rows) rows for \(selection.count) selected ones")
  let c = x.columns
  for (i, row) in selection.rows.enumerated() {
    let (sample, position) = row.quotientAndRemainder(dividingBy: selection.length)
    let own = random.at(position: sampleIDs[sample], site: site)
    let (group, offset) = (position * c).quotientAndRemainder(dividingBy: maskGroup)
    // A row that starts inside a group takes the rest of that group first.
    let head = offset == 0 ? 0 : min(c, maskGroup - offset)
    if head > 0 { applyRestOfGroup(x.base + i * c, head, offset, rate: rate, group: group, own) }
    let first = offset == 0 ? group : group + 1
    applyMask(x.base + i * c + head, c - head, rate: rate, firstGroup: first, own)
  }
}

/// `applyMask` for elements offset ..< offset + count of one group.
private func applyRestOfGroup(
  _ x: UnsafeMutablePointer<Float>, _ count: Int, _ offset: Int, rate: Float, group: Int, _ random: CounterGenerator
) {
  withUnsafeTemporaryAllocation(of: Float.self, capacity: maskGroup) { whole in
    guard let base = whole.baseAddress else { return }
    for k in 0..<maskGroup { base[k] = k >= offset && k < offset + count ? x[k - offset] : 0 }
    applyMask(base, maskGroup, rate: rate, firstGroup: group, random)
    for k in 0..<count { x[k] = base[offset + k] }
  }
}

/// Elements that share four blocks of the generator.
let maskGroup = 32

/// x[i] ← half(i) < p·2¹⁶ ? 0 : x[i] / (1 - p), where element 8·w + 2·j + h of group n (32 elements) has the low half
/// (h = 0) or the high half (h = 1) of word w of block 4·n + j.
@inline(always) func applyMask(
  _ x: UnsafeMutablePointer<Float>, _ count: Int, rate: Float, firstGroup: Int = 0, _ random: CounterGenerator
) {
  let threshold = min((rate * 65_536).rounded(), 65_535)
  let keep = 65_536 / (65_536 - threshold)
  let limit = SIMD8<Int32>(repeating: Int32(threshold))
  var start = 0
  var block = UInt64(4 &* firstGroup)
  // Eight blocks at a time are two groups.
  while start < count {
    let words = philox8(block, random)
    maskEight(x, start, count, words.0.lowHalf, limit, keep)
    maskEight(x, start &+ 8, count, words.1.lowHalf, limit, keep)
    maskEight(x, start &+ 16, count, words.2.lowHalf, limit, keep)
    maskEight(x, start &+ 24, count, words.3.lowHalf, limit, keep)
    maskEight(x, start &+ 32, count, words.0.highHalf, limit, keep)
    maskEight(x, start &+ 40, count, words.1.highHalf, limit, keep)
    maskEight(x, start &+ 48, count, words.2.highHalf, limit, keep)
    maskEight(x, start &+ 56, count, words.3.highHalf, limit, keep)
    start &+= 2 &* maskGroup
    block &+= 8
  }
}

@inline(always) private func maskEight(
  _ x: UnsafeMutablePointer<Float>, _ start: Int, _ count: Int, _ words: SIMD4<UInt64>, _ limit: SIMD8<Int32>,
  _ keep: Float
) {
  guard start < count else { return }
  // The halves of each word in 32 bits of their own.
  let low = words & SIMD4(repeating: 0xFFFF)
  let high = (words &<< 16) & SIMD4(repeating: 0xFFFF_0000_0000)
  let halves = unsafeBitCast(low | high, to: SIMD8<Int32>.self)
  // A factor of 0 or 1 / (1 - p): multiplication keeps NaN visible where a select would hide it.
  let factor = SIMD8<Float>(repeating: keep).replacing(with: 0, where: halves .< limit)
  if start &+ 8 <= count {
    let values = UnsafeRawPointer(x + start).loadUnaligned(as: SIMD8<Float>.self)
    UnsafeMutableRawPointer(x + start).storeBytes(of: values * factor, as: SIMD8<Float>.self)
  } else {
    for k in 0..<(count &- start) { x[start &+ k] *= factor[k] }
  }
}

/// Blocks b ... b+7 of the generator, one a lane; the low 32 bits of result w hold word w.
///
/// The products of 32-bit values in 64-bit lanes are single instructions, since the upper halves are known to be zero.
@inline(always) func philox8(
  _ b: UInt64, _ random: CounterGenerator
) -> (SIMD8<UInt64>, SIMD8<UInt64>, SIMD8<UInt64>, SIMD8<UInt64>) {
  let mask = SIMD8<UInt64>(repeating: 0xFFFF_FFFF)
  let m0 = SIMD8<UInt64>(repeating: 0xD251_1F53)
  let m1 = SIMD8<UInt64>(repeating: 0xCD9E_8D57)
  var c0 = (SIMD8<UInt64>(repeating: b) &+ SIMD8<UInt64>(0, 1, 2, 3, 4, 5, 6, 7)) & mask
  var c1 = SIMD8<UInt64>(repeating: UInt64(random.site))
  var c2 = SIMD8<UInt64>(repeating: random.position & 0xFFFF_FFFF)
  var c3 = SIMD8<UInt64>(repeating: random.position >> 32)
  var k0 = random.key.x
  var k1 = random.key.y
  for _ in 0..<10 {
    let p0 = (c0 & mask) &* m0
    let p1 = (c2 & mask) &* m1
    c0 = (p1 &>> 32) ^ c1 ^ SIMD8<UInt64>(repeating: UInt64(k0))
    c1 = p1 & mask
    c2 = (p0 &>> 32) ^ c3 ^ SIMD8<UInt64>(repeating: UInt64(k1))
    c3 = p0 & mask
    k0 = k0 &+ 0x9E37_79B9
    k1 = k1 &+ 0xBB67_AE85
  }
  return (c0, c1, c2, c3)
}
