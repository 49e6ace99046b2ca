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
      "FeedForward \(activation)", layout, input: (n, c.hiddenSize), output: (n, c.hiddenSize), longestSum: 2 * c.intermediateSize, depth: 2,
      reference: { $0.feedForward("f", $1, c, inputMajor: inputMajor) },
      layer: { pass, x, dy, arena in
        let (up, inner) = (arena.matrix(n, FeedForward.upWidth(c)), arena.matrix(n, c.intermediateSize))
        let (dup, dinner) = (arena.matrix(n, FeedForward.upWidth(c)), arena.matrix(n, c.intermediateSize))
        let (y, dx) = (arena.matrix(n, c.hiddenSize), arena.matrix(n, c.hiddenSize))
        feedForward.forward(x, pass, up: up, inner: inner, into: y)
        feedForward.backward(
          x: x, up: up, inner: inner, dy: dy, pass, in: group, dinner: dinner, dup: activation == .swiglu ? dup : dinner, into: dx,
          accumulate: false)
        pass.sink?.add(group)
        return (y.array.map(Double.init), dx.array)
      })
    #expect(checkLayer(check) == [])
  }
}
