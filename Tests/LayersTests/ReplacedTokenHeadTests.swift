import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct ReplacedTokenHeadTests {
  private func check(
    _ name: String, _ c: ModelConfiguration, rows: [Int], offsets: Bool = false, weights: [Float]? = nil
  ) -> [String] {
    var layout = ParameterLayout()
    let head = ReplacedTokenHead("head", c, into: &layout)
    var numbers = SeededNumbers(5)
    let weights = weights ?? numbers.uniform(rows.count, in: 0.25...2)
    let targets = ReplacedTokenHead.Targets(
      rows: rows, labels: rows.map { Float($0 % 2) }, weights: weights,
      offsets: offsets ? numbers.normal(rows.count) : [])
    return checkLayer(
      LayerCase(
        name, layout, input: (11, c.hiddenSize), output: (1, 1), longestSum: 64, depth: 2,
        reference: { scope, hidden in
          var logits = scope.replacedLogits("head", hidden, rows: rows, c)
          if offsets { logits = logits + scope.tape.leaf(rows.count, 1, targets.offsets.map(Double.init)) }
          return scope.sigmoidCrossEntropy(logits, labels: targets.labels.map(Double.init), weights: targets.weights)
        },
        layer: { pass, x, dy, arena in
          let saved = ReplacedTokenHead.Saved(c, rows: 11, arena)
          let plain = head.loss(x, targets, scale: 0, Pass(pass.parameters), saved)
          let gradient = arena.matrix(11, c.hiddenSize)
          gradient.fill(0)
          let before = x.array
          let loss = head.loss(x, targets, scale: dy[0], pass, saved, gradient: gradient)
          return ([plain == loss && x.array == before ? loss : .nan], gradient.array)
        }))
  }

  @Test(arguments: [ModelConfiguration.Activation.gelu, .geluTanh])
  func shapes(activation: ModelConfiguration.Activation) {
    var c = smallModel()
    c.activation = activation
    #expect(check("head", c, rows: [0, 3, 4, 9]) == [])
    #expect(check("head at every row", c, rows: Array(0..<11), offsets: true) == [])
    #expect(check("head at no row", c, rows: []) == [])
    #expect(check("head with weights of zero", c, rows: [1, 2, 10], weights: [0, 3, 0]) == [])
  }
}
