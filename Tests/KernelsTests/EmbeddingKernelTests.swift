import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct EmbeddingKernelTests {
  @Test(arguments: lengths)
  func gatherAndScatter(n: Int) {
    let (v, c) = (23, 17)
    let m = Matrices(seed: UInt64(n) + 1)
    var numbers = SeededNumbers(UInt64(n))
    let ids = numbers.below(v, count: n)
    let (table, dy, y, sums) = (m.normal(v, c), m.normal(n, c), m.empty(n, c), m.empty(n, c))
    gatherRows(table, ids, into: y)
    #expect((0..<n).allSatisfy { i in (0..<c).allSatisfy { y[i, $0] == table[Int(ids[i]), $0] } })
    gatherRows(table, ids, into: y, accumulate: true)
    #expect((0..<n).allSatisfy { i in (0..<c).allSatisfy { y[i, $0] == 2 * table[Int(ids[i]), $0] } })

    let distinct = scatterRows(ids, dy: dy, into: sums)
    #expect(distinct == Set(ids).sorted())
    for (k, id) in distinct.enumerated() {
      for column in 0..<c {
        // Added in row order: the bits are those of this loop.
        let rows = (0..<n).filter { ids[$0] == id }
        let sum = rows.dropFirst().reduce(dy[rows[0], column]) { $0 + dy[$1, column] }
        #expect(sums[k, column] == sum)
      }
    }
  }

  @Test func rowsThereAndBack() {
    let m = Matrices()
    let (x, y, back) = (m.normal(9, 5), m.empty(3, 5), m.empty(9, 5))
    gatherRows(x, at: [7, 0, 4], into: y)
    #expect(y.rows(0..<1).array == x.rows(7..<8).array && y.rows(2..<3).array == x.rows(4..<5).array)
    back.fill(1)
    addRows(y, at: [7, 0, 4], into: back)
    for row in 0..<9 {
      #expect(
        back.rows(row..<row + 1).array
          == ([0, 4, 7].contains(row) ? x.rows(row..<row + 1).array.map { 1 + $0 } : [1, 1, 1, 1, 1]))
    }
  }
}
