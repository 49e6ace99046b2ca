import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct AttentionTests {
  private func check(
    _ name: String, _ c: ModelConfiguration, _ documents: Documents, inputMajor: Bool = true,
    differences: Differences = .everyElement,
    siteOffset: UInt32 = 0
  ) -> [String] {
    var layout = ParameterLayout()
    let rotary =
      c.positionEmbedding == .rotary ? RotaryTable(context: c.maxPosition, headDim: c.headDim, base: c.ropeTheta) : nil
    let attention = SelfAttention("a", c, site: 16, inputMajor: inputMajor, rotary: rotary, into: &layout)
    let group = layout.group(from: 0)
    let input = documents.input()
    let n = input.rows
    let dropout = c.attentionDropout > 0 ? CounterGenerator(seed: 5, purpose: .dropout) : nil
    let layer = LayerCase(
      name, layout, input: (n, c.hiddenSize), output: (n, c.hiddenSize), longestSum: max(n, 3 * c.hiddenSize), depth: 2,
      differences: differences,
      dropout: dropout,
      reference: { scope, x in
        var scope = scope
        scope.siteOffset = siteOffset
        return scope.attention("a", x, input, c, inputMajor: inputMajor, site: 16, visible: documents.visible)
      },
      layer: { pass, x, dy, arena in
        let pass = Pass(pass.parameters, sink: pass.sink, dropout: pass.dropout, siteOffset: siteOffset)
        let (y, dx) = (arena.matrix(n, c.hiddenSize), arena.matrix(n, c.hiddenSize))
        let saved = SelfAttention.Saved(c, rows: n + 2, arena)
        let scratches = (0..<2).map { _ in
          SelfAttention.Scratch(c, rows: n + 2, sharing: arena.matrix(n + 2, c.hiddenSize), arena)
        }
        attention.forward(x, input, pass, saved, scratches[0], into: y)
        // Other scratch, because backward must not depend on what forward left there.
        attention.backward(x: x, saved, dy: dy, input, pass, in: group, scratches[1], into: .overwriting(dx))
        pass.sink?.add(group)
        return (y.array.map(Double.init), dx.array)
      })
    return checkLayer(layer)
  }

  @Test(arguments: [true, false], [true, false])
  func documentsAndPadding(causal: Bool, documentMasking: Bool) {
    let documents = Documents(
      samples: 2, lengths: [3, 2], padding: 2, causal: causal, documentMasking: documentMasking)
    #expect(check("attention over documents", smallModel(), documents) == [])
  }

  @Test(arguments: [true, false], [true, false])
  func biasAndOrderOfWeights(bias: Bool, inputMajor: Bool) {
    var c = smallModel()
    c.bias = bias
    let documents = Documents(samples: 3, lengths: [5], causal: true, documentMasking: false)
    #expect(check("attention", c, documents, inputMajor: inputMajor) == [])
  }

  /// Positions past the block of 64 rows, and documents that begin inside a block and end in another.
  @Test(arguments: [67, 131], [true, false])
  func lengthsPastABlock(length: Int, causal: Bool) {
    let c = smallModel(context: length)
    let whole = Documents(samples: 1, lengths: [length], causal: causal, documentMasking: false)
    #expect(check("attention over \(length)", c, whole, differences: .directions(2)) == [])
    let parts = Documents(samples: 2, lengths: [37, length - 41], padding: 4, causal: causal, documentMasking: true)
    #expect(check("attention inside documents of \(length)", c, parts, differences: .directions(2)) == [])
  }

  @Test(arguments: [true, false])
  func rotary(causal: Bool) {
    var c = smallModel(width: 8, heads: 2)
    (c.positionEmbedding, c.ropeTheta) = (.rotary, 100)
    let documents = Documents(samples: 2, lengths: [4, 3], causal: causal, documentMasking: true)
    #expect(check("rotary attention", c, documents) == [])
  }

  @Test(arguments: [7, 67])
  func dropout(length: Int) {
    var c = smallModel(context: length)
    c.attentionDropout = 0.25
    for causal in [true, false] {
      // The second document starts at key 37, so that its block of keys starts inside the row's random words.
      let lengths = length > 40 ? [37, length - 37] : [length - 3, 3]
      let documents = Documents(samples: 2, lengths: lengths, causal: causal, documentMasking: true)
      let differences: Differences = length > 40 ? .directions(2) : .everyElement
      #expect(check("attention with dropout", c, documents, differences: differences, siteOffset: 1 << 24) == [])
    }
  }
}
