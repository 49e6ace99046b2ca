import Core
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct AttentionKernelTests {
  /// Ranges against attentionMask by its definition, position by position.
  @Test(arguments: [true, false], [true, false])
  func ranges(causal: Bool, documentMasking: Bool) {
    for documentIDs in [
      [0, 0, 1, 1, 1, 2, -1, -1], [0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5, 6, 7], [-1, -1, -1, -1, -1, -1, -1, -1],
    ] as [[Int32]] {
      // Two samples whose neighbouring documents have the same number: they must not see each other.
      let ranges = AttentionRanges(
        samples: 2, length: 8, documentIDs: documentIDs + documentIDs, causal: causal, documentMasking: documentMasking)
      for row in 0..<16 {
        let i = row % 8
        let visible = (0..<8).filter { j in
          let together =
            documentMasking ? documentIDs[i] == documentIDs[j] : (documentIDs[i] < 0) == (documentIDs[j] < 0)
          return together && (!causal || j <= i)
        }
        #expect(Array(Int(ranges.first[row])..<Int(ranges.end[row])) == visible)
      }
    }
  }

  /// Forward and backward at every length, against the softmax on a tape.
  @Test(arguments: [1, 7, 8, 9, 15, 16, 17, 31, 64, 65, 129], [true, false])
  func lengths(t: Int, causal: Bool) {
    let (heads, d) = (2, 3)
    let c = heads * d
    let m = Matrices(seed: UInt64(t))
    let (qkv, dout) = (m.normal(t, 3 * c), m.normal(t, c))
    let (out, dqkv, statistics) = (m.empty(t, c), m.empty(t, 3 * c), m.empty(t * heads, 2))
    let size = attentionScratch(length: t)
    let scratch = m.empty(size.rows, size.columns)
    let ranges = AttentionRanges(
      samples: 1, length: t, documentIDs: [Int32](repeating: 0, count: t), causal: causal, documentMasking: false)
    let result = AttentionResult(context: out, statistics: statistics)
    attention(
      QueryKeyValue(qkv: qkv), heads: heads, mask: .ranges(ranges), dropout: nil, into: result, scratch: scratch)
    scratch.fill(.nan)
    attentionBackward(
      QueryKeyValue(qkv: qkv), result, dout: dout, heads: heads, mask: .ranges(ranges), dropout: nil,
      into: QueryKeyValue(qkv: dqkv),
      scratch: scratch)

    let tape = Tape()
    let scope = Scope(tape, ParameterLayout(), [])
    let x = tape.leaf(t, 3 * c, qkv.doubles)
    let visible = (0..<t * t).map { !causal || $0 % t <= $0 / t }
    let parts = (0..<heads).map { head -> Value in
      func part(_ which: Int) -> Value { x.taking(columns: which * c + head * d..<which * c + (head + 1) * d) }
      let scores = part(0).times(part(1), transposed: true) * (1 / Double(d).squareRoot())
      return scope.softmax(scores, visible: visible).times(part(2))
    }
    let reference = Value.besides(parts)
    tape.backward(from: reference, seed: dout.doubles)
    #expect(mismatch("out", out.array, reference.data, tolerance: Tolerance.float(sum: t)) == nil)
    #expect(mismatch("dqkv", dqkv.array, x.gradient, tolerance: Tolerance.float(sum: t, depth: 2)) == nil)
    // The saved statistics: the largest scaled score and 1 / Σ.
    #expect(
      (0..<t * heads).allSatisfy {
        statistics[$0, 1] > 0 && statistics[$0, 1] <= 1.000_001 && statistics[$0, 0].isFinite
      })
  }

  /// With a cache, position by position or several at once, the numbers are those of attention over everything.
  @Test func cached() {
    let (heads, t, c) = (2, 21, 6)
    let m = Matrices()
    let (qkv, out, statistics) = (m.normal(t, 3 * c), m.empty(t, c), m.empty(t * heads, 2))
    let size = attentionScratch(length: t)
    let scratch = m.empty(size.rows, size.columns)
    let ranges = AttentionRanges(
      samples: 1, length: t, documentIDs: [Int32](repeating: 0, count: t), causal: true, documentMasking: false)
    let result = AttentionResult(context: out, statistics: statistics)
    attention(
      QueryKeyValue(qkv: qkv), heads: heads, mask: .ranges(ranges), dropout: nil, into: result, scratch: scratch)
    let arena = Arena(floats: 1 << 12)
    let cache = KeyValueCache(context: t, width: c, arena)
    for _ in 0..<2 {
      let stepped = m.empty(t, c)
      for part in [0..<5, 5..<6, 6..<7, 7..<21] {
        cachedAttention(qkv: qkv.rows(part), heads: heads, cache: cache, into: stepped.rows(part), scratch: scratch)
      }
      #expect(cache.count == t)
      #expect(mismatch("cached", stepped.array, out.doubles, tolerance: Tolerance.float(sum: t)) == nil)
      cache.clear()
    }
  }

  /// A rotation and its inverse are nothing; the angle grows with the position, and values are not rotated.
  @Test func rotaryInverse() {
    let (heads, d, n) = (3, 10, 9)
    let m = Matrices()
    let table = RotaryTable(context: 50, headDim: d, base: 100)
    let qkv = m.normal(n, 3 * heads * d)
    let before = qkv.doubles
    let ids: [Int32] = [0, 49, 3, 3, 7, 20, 1, 2, 48]
    rotate(qkv, heads: 2 * heads, positions: ids, table: table)
    let scope = Scope(Tape(recording: false), ParameterLayout(), [])
    let x = scope.tape.leaf(n, 3 * heads * d, before)
    let parts = (0..<3 * heads).map { head -> Value in
      let part = x.taking(columns: head * d..<(head + 1) * d)
      return head < 2 * heads ? scope.rotated(part, ids, base: 100) : part
    }
    #expect(mismatch("rotated", qkv.array, Value.besides(parts).data, tolerance: Tolerance.float(sum: 1)) == nil)
    rotate(qkv, heads: 2 * heads, positions: ids, table: table, inverse: true)
    #expect(mismatch("and back", qkv.array, before, tolerance: Tolerance.float(sum: 1)) == nil)
  }
}
