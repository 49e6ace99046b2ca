import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct TransformerBlockTests {
  private func check(_ name: String, _ c: ModelConfiguration, _ documents: Documents, siteOffset: UInt32 = 0)
    -> [String]
  {
    var layout = ParameterLayout()
    let rotary =
      c.positionEmbedding == .rotary ? RotaryTable(context: c.maxPosition, headDim: c.headDim, base: c.ropeTheta) : nil
    // Index 2: dropout sites that are not the first ones.
    let block = TransformerBlock("b", index: 2, c, inputMajor: c.inputMajorWeights, rotary: rotary, into: &layout)
    let input = documents.input()
    let n = input.rows
    let layer = LayerCase(
      name, layout, input: (n, c.hiddenSize), output: (n, c.hiddenSize), longestSum: 3 * n, depth: 4,
      dropout: c.dropout > 0 ? CounterGenerator(seed: 9, purpose: .dropout) : nil,
      reference: { scope, x in
        var scope = scope
        scope.siteOffset = siteOffset
        return scope.block("b", index: 2, x, input, c, visible: documents.visible)
      },
      layer: { pass, x, dy, arena in
        let pass = Pass(pass.parameters, sink: pass.sink, dropout: pass.dropout, siteOffset: siteOffset)
        // Memory for more rows than there are, as the last micro-batch of an evaluation has it.
        let (saved, scratch) = (
          TransformerBlock.Saved(c, rows: n + 3, arena), TransformerBlock.Scratch(c, rows: n + 3, arena)
        )
        let y = arena.matrix(n, c.hiddenSize)
        block.forward(x, input, pass, saved, scratch, into: y)
        block.backward(x: x, d: dy, input, pass, saved, scratch)
        return (y.array.map(Double.init), dy.array)
      })
    return checkLayer(layer)
  }

  @Test(arguments: ModelConfiguration.NormPlacement.allCases, ModelConfiguration.Activation.allCases)
  func plain(placement: ModelConfiguration.NormPlacement, activation: ModelConfiguration.Activation) {
    var c = smallModel()
    (c.normPlacement, c.activation) = (placement, activation)
    let documents = Documents(
      samples: 2, lengths: [3, 2], padding: 2, causal: placement == .pre, documentMasking: true)
    #expect(check("block \(placement) \(activation)", c, documents) == [])
  }

  @Test(arguments: ModelConfiguration.NormPlacement.allCases, ModelConfiguration.Norm.allCases)
  func dropout(placement: ModelConfiguration.NormPlacement, norm: ModelConfiguration.Norm) {
    var c = smallModel()
    (c.normPlacement, c.norm, c.dropout, c.attentionDropout) = (placement, norm, 0.25, 0.125)
    let documents = Documents(samples: 3, lengths: [5], causal: false, documentMasking: false)
    #expect(check("block \(placement) \(norm) with dropout", c, documents, siteOffset: 3 << 24) == [])
  }

  @Test func rotaryWithoutBiases() {
    var c = smallModel(width: 8, heads: 2)
    (c.norm, c.activation, c.positionEmbedding, c.bias) = (.rms, .swiglu, .rotary, false)
    let documents = Documents(samples: 2, lengths: [4, 1], causal: true, documentMasking: true)
    #expect(check("block as in Llama", c, documents) == [])
  }
}
