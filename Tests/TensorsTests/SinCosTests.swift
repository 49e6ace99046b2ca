import Core
import Glibc
import Tensors
import Testing

struct SinCosTests {
  /// MAE's table for a grid of 2 × 3 in 8 columns, behind one row of zeros.
  @Test func aGridOfTwoAxes() {
    var layout = ParameterLayout()
    layout.append(ParameterSpec("p", [7, 8], decay: false, .sinCos(grid: [2, 3], leading: 1), uses: 0, role: .state))
    let store = ParameterStore(layout)
    store.initialize(seed: 1)
    let table = store.view(0)
    #expect((0..<8).allSatisfy { table[0, $0] == 0 })
    for (y, x) in [(0, 0), (0, 2), (1, 1)] {
      let expected = [x, y].flatMap { c -> [Double] in
        let angles = [Double(c), Double(c) * 0.01]
        return angles.map { sin($0) } + angles.map { cos($0) }
      }
      for k in 0..<8 {
        #expect(abs(Double(table[1 + y * 3 + x, k]) - expected[k]) < 1e-6, "cell \(y), \(x), column \(k)")
      }
    }
  }
}
