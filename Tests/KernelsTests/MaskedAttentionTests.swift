import Core
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct MaskedAttentionTests {
  /// Everything one call needs, filled with normal numbers and a random half of all pairs visible; row 0 of sample 0
  /// sees nothing.
  private struct Case {
    let m: Matrices, queries: Int, keys: Int
    let heads = 2, d = 3, samples = 2
    let q: TensorView, kv: TensorView, dout: TensorView
    var visible: AttentionBitmask

    init(queries: Int, keys: Int) {
      (m, self.queries, self.keys) = (Matrices(seed: UInt64(97 * queries + keys)), queries, keys)
      (q, kv, dout) = (m.normal(samples * queries, 6), m.normal(samples * keys, 12), m.normal(samples * queries, 6))
      visible = AttentionBitmask(samples: samples, queries: queries, keys: keys)
      let random = CounterGenerator(seed: 3, purpose: .evaluation)
      for sample in 0..<samples {
        for query in 0..<queries where sample + query > 0 {
          for key in 0..<keys {
            visible[sample, query, key] = random.word((sample * queries + query) * keys + key) & 1 == 0
          }
          visible[sample, query, query % keys] = true
        }
      }
    }

    func run(_ dropout: AttentionDropout? = nil) -> (out: [Float], dq: [Float], dkv: [Float], statistics: [Float]) {
      let (out, dq, dkv, statistics) = (
        m.empty(q.rows, 6), m.empty(q.rows, 6), m.empty(kv.rows, 12), m.empty(q.rows * heads, 2)
      )
      let size = attentionScratch(length: keys)
      let scratch = m.empty(size.rows, size.columns)
      let (x, result) = (QueryKeyValue(q: q, kv: kv), AttentionResult(context: out, statistics: statistics))
      attention(x, heads: heads, mask: .bits(visible), dropout: dropout, into: result, scratch: scratch)
      scratch.fill(.nan)
      attentionBackward(
        x, result, dout: dout, heads: heads, mask: .bits(visible), dropout: dropout,
        into: QueryKeyValue(q: dq, kv: dkv), scratch: scratch)
      return (out.array, dq.array, dkv.array, statistics.array)
    }

    /// Plain formulas on a tape; a row that sees nothing is left out of the softmax and zero.
    func reference(_ q: Value, _ kv: Value, _ scope: Scope) -> Value {
      .stacked(
        (0..<samples).map { sample in
          .besides(
            (0..<heads).map { head in
              let own = Array(sample * queries..<(sample + 1) * queries)
              let rows = kv.taking(rows: Array(sample * keys..<(sample + 1) * keys))
              let key = rows.taking(columns: head * d..<(head + 1) * d)
              let value = rows.taking(columns: 6 + head * d..<6 + (head + 1) * d)
              let scores = q.taking(rows: own).taking(columns: head * d..<(head + 1) * d).times(key, transposed: true)
              let pairs = (0..<queries * keys).map { visible[sample, $0 / keys, $0 % keys] }
              let seeing = (0..<queries).map { row in pairs[row * keys..<(row + 1) * keys].contains(true) }
              let shown = pairs.indices.map { pairs[$0] || !seeing[$0 / keys] }
              let weights = scope.softmax(scores * (1 / Double(d).squareRoot()), visible: shown)
              return (weights * q.tape.leaf(queries, 1, seeing.map { $0 ? 1 : 0 })).times(value)
            })
        })
    }
  }

  /// Forward and backward at every shape against the tape, and the tape against five-point differences where that is
  /// affordable.
  @Test(arguments: [(1, 1), (3, 7), (7, 3), (16, 16), (17, 31), (5, 33), (64, 65), (65, 64), (129, 40)])
  func againstFormulas(queries: Int, keys: Int) {
    BLAS.useOneThread()
    let c = Case(queries: queries, keys: keys)
    let found = c.run()
    func evaluate(_ q: [Double], _ kv: [Double], recording: Bool) -> (q: Value, kv: Value, y: Value) {
      let scope = Scope(Tape(recording: recording), ParameterLayout(), [])
      let (a, b) = (scope.tape.leaf(c.q.rows, 6, q), scope.tape.leaf(c.kv.rows, 12, kv))
      return (a, b, c.reference(a, b, scope))
    }
    let reference = evaluate(c.q.doubles, c.kv.doubles, recording: true)
    reference.y.tape.backward(from: reference.y, seed: c.dout.doubles)
    #expect(mismatch("out", found.out, reference.y.data, tolerance: Tolerance.float(sum: keys)) == nil)
    // Of a single visible key the queries' gradient is zero: the scale is that of all gradients.
    #expect(
      mismatch(
        "dq, dkv", found.dq + found.dkv, reference.q.gradient + reference.kv.gradient,
        tolerance: Tolerance.float(sum: max(queries, keys), depth: 2)) == nil)
    #expect(
      found.out[..<6].allSatisfy { $0 == 0 } && found.dq[..<6].allSatisfy { $0 == 0 }, "a row that sees nothing is zero"
    )

    guard queries * keys <= 256 else { return }
    func objective(_ y: Value) -> Double { zip(y.data, c.dout.doubles).reduce(0) { $0 + $1.0 * $1.1 } }
    #expect(
      differenceFaults("q", c.q.doubles, gradient: reference.q.gradient, .everyElement, seed: 1) {
        objective(evaluate($0, c.kv.doubles, recording: false).y)
      } == [])
    #expect(
      differenceFaults("kv", c.kv.doubles, gradient: reference.kv.gradient, .everyElement, seed: 2) {
        objective(evaluate(c.q.doubles, $0, recording: false).y)
      } == [])
  }

  /// What is hidden from a row does not reach it, to the bit; and it gets no gradient from it.
  @Test func hiddenKeysDoNotLeak() {
    var c = Case(queries: 9, keys: 20)
    for query in 0..<9 { c.visible[1, query, 13] = false }
    let before = c.run()
    for column in 0..<12 { c.kv[20 + 13, column] = 1e6 }
    let after = c.run()
    #expect(before.out == after.out && before.dq == after.dq)
    #expect((0..<12).allSatisfy { after.dkv[(20 + 13) * 12 + $0] == 0 })
    #expect(before.out != Case(queries: 9, keys: 20).run().out, "the rows did see the key before")
  }

  /// With the same visible keys, bits and ranges give the same context, dropout included.
  @Test func agreesWithRanges() {
    let (t, heads, c) = (40, 2, 6)
    let m = Matrices()
    let qkv = m.normal(t, 3 * c)
    let (out, statistics) = (m.empty(t, c), m.empty(t * heads, 2))
    let size = attentionScratch(length: t)
    let scratch = m.empty(size.rows, size.columns)
    let ranges = AttentionRanges(
      samples: 1, length: t, documentIDs: [Int32](repeating: 0, count: t), causal: true, documentMasking: false)
    let dropout = AttentionDropout(
      rate: 0.25, sampleIDs: [7], site: 3, random: CounterGenerator(seed: 1, purpose: .dropout))
    attention(
      QueryKeyValue(qkv: qkv), heads: heads, mask: .ranges(ranges), dropout: dropout,
      into: AttentionResult(context: out, statistics: statistics), scratch: scratch)
    var visible = AttentionBitmask(samples: 1, queries: t, keys: t)
    for query in 0..<t { for key in 0...query { visible[0, query, key] = true } }
    let (q, kv, other) = (m.empty(t, c), m.empty(t, 2 * c), m.empty(t, c))
    for row in 0..<t {
      for k in 0..<c { q[row, k] = qkv[row, k] }
      for k in 0..<2 * c { kv[row, k] = qkv[row, c + k] }
    }
    attention(
      QueryKeyValue(q: q, kv: kv), heads: heads, mask: .bits(visible), dropout: dropout,
      into: AttentionResult(context: other, statistics: statistics), scratch: scratch)
    #expect(mismatch("out", other.array, out.doubles, tolerance: Tolerance.float(sum: t)) == nil)
  }

  @Test func bits() {
    var matrix = AttentionBitmask(samples: 2, queries: 3, keys: 70)
    #expect(matrix.words.count == 2 * 3 * 3 && matrix.words.allSatisfy { $0 == 0 })
    let places = [(0, 0, 0), (0, 2, 31), (1, 0, 32), (1, 2, 69)]
    for place in places { matrix[place.0, place.1, place.2] = true }
    for sample in 0..<2 {
      for query in 0..<3 {
        for key in 0..<70 { #expect(matrix[sample, query, key] == places.contains { $0 == (sample, query, key) }) }
      }
    }
    matrix[1, 2, 69] = false
    #expect(!matrix[1, 2, 69] && matrix[1, 0, 32])
  }
}
