import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct FeedForwardTests {
  @Test(arguments: ModelConfiguration.Activation.allCases, [true, false])
  func feedForward(activation: ModelConfiguration.Activation, inputMajor: Bool) {
    var c = smallModel(width: 7, heads: 1, feedForward: 19)
    c.activation = activation
    c.bias = inputMajor
    var layout = ParameterLayout()
    let feedForward = FeedForward("f", c, inputMajor: inputMajor, into: &layout)
    let group = layout.group(from: 0)
    let n = 11
    let check = LayerCase(
      "FeedForward \(activation)", layout, input: (n, c.hiddenSize), output: (n, c.hiddenSize),
      longestSum: 2 * c.intermediateSize, depth: 2,
      reference: { $0.feedForward("f", $1, c, inputMajor: inputMajor) },
      layer: { pass, x, dy, arena in
        let (saved, scratch) = (FeedForward.Saved(c, rows: n + 2, arena), FeedForward.Scratch(c, rows: n + 2, arena))
        let (y, dx) = (arena.matrix(n, c.hiddenSize), arena.matrix(n, c.hiddenSize))
        feedForward.forward(x, pass, saved, into: y)
        feedForward.backward(x: x, saved, dy: dy, pass, in: group, scratch, into: .overwriting(dx))
        pass.sink?.add(group)
        return (y.array.map(Double.init), dx.array)
      })
    #expect(checkLayer(check) == [])
  }
}
