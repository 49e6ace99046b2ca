import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct RegressionHeadTests {
  private func check(
    _ name: String, _ kind: RegressionLoss = .l2, rows: [Int], weights: [Float]? = nil
  ) -> [String] {
    let (c, size) = (smallModel(), 3)
    var layout = ParameterLayout()
    let head = RegressionHead("head", c, size: size, into: &layout)
    var numbers = SeededNumbers(6)
    let weights = weights ?? numbers.uniform(rows.count, in: 0.25...2)
    let targets = RegressionTargets(values: numbers.normal(rows.count * size), weights: weights)
    return checkLayer(
      LayerCase(
        name, layout, input: (11, c.hiddenSize), output: (1, 1), longestSum: 64, depth: 2,
        reference: { scope, hidden in
          guard !rows.isEmpty else { return scope.tape.scalar(0) }
          let predicted = scope.linear("head", hidden, inputMajor: false).taking(rows: rows)
          return scope.regression(kind, predicted, targets)
        },
        layer: { pass, x, dy, arena in
          let saved = RegressionHead.Saved(head, rows: 11, arena)
          let before = x.array
          let plain = head.loss(kind, x, rows: rows, targets, scale: 0, Pass(pass.parameters), saved, gradient: nil)
          // What other heads have given must stay.
          let gradient = arena.matrix(11, c.hiddenSize)
          gradient.fill(0.5)
          let loss = head.loss(kind, x, rows: rows, targets, scale: dy[0], pass, saved, gradient: gradient)
          return ([plain == loss && x.array == before ? loss : .nan], gradient.array.map { $0 - 0.5 })
        }))
  }

  @Test(arguments: RegressionLoss.allCases)
  func kinds(kind: RegressionLoss) { #expect(check("\(kind)", kind, rows: [0, 3, 4, 9]) == []) }

  @Test func rowsAndWeights() {
    #expect(check("some rows", rows: [0, 3, 4, 9]) == [])
    #expect(check("every row", rows: Array(0..<11)) == [])
    #expect(check("no row", rows: []) == [])
    #expect(check("weights of zero", rows: [1, 2, 10], weights: [0, 3, 0]) == [])
  }
}
