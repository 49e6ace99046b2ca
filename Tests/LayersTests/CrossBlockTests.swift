import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct CrossBlockTests {
  /// The input of the check holds the queries above the rows they attend to.
  private func check(_ name: String, _ c: ModelConfiguration) -> [String] {
    var layout = ParameterLayout()
    let block = CrossBlock("b", c, into: &layout)
    var input = Documents(samples: 2, lengths: [5], causal: false, documentMasking: false).input()
    let n = input.rows
    var visible = AttentionBitmask(samples: 2, queries: 5, keys: 5)
    let random = CounterGenerator(seed: 4, purpose: .evaluation)
    for sample in 0..<2 {
      for query in 0..<5 {
        for key in 0..<5 {
          visible[sample, query, key] =
            key != query && (key == 0 || random.word(25 * sample + 5 * query + key) & 1 == 0)
        }
      }
    }
    input.visible = visible
    let layer = LayerCase(
      name, layout, input: (2 * n, c.hiddenSize), output: (n, c.hiddenSize), longestSum: 3 * n, depth: 4,
      dropout: c.dropout > 0 ? CounterGenerator(seed: 9, purpose: .dropout) : nil,
      reference: { [visible] scope, x in
        var scope = scope
        scope.siteOffset = 1 << 24
        let (queries, rows) = (x.taking(rows: Array(0..<n)), x.taking(rows: Array(n..<2 * n)))
        return scope.crossBlock("b", queries, rows: rows, input, c) { visible[$0, $1, $2] }
      },
      layer: { [visible] pass, x, dy, arena in
        let pass = Pass(pass.parameters, sink: pass.sink, dropout: pass.dropout, siteOffset: 1 << 24)
        let saved = CrossBlock.Saved(c, rows: n + 3, arena)
        let (y, drows) = (arena.matrix(n, c.hiddenSize), arena.matrix(n, c.hiddenSize))
        let (queries, rows) = (x.rows(0..<n), x.rows(n..<2 * n))
        block.forward(queries, rows: rows, input, visible: visible, pass, saved, into: y)
        block.backward(x: queries, rows: rows, d: dy, input, visible: visible, pass, saved, drows: drows)
        return (y.array.map(Double.init), dy.array + drows.array)
      })
    return checkLayer(layer)
  }

  @Test(arguments: ModelConfiguration.Activation.allCases)
  func plain(activation: ModelConfiguration.Activation) {
    var c = smallModel(attentionMask: .bidirectional)
    c.activation = activation
    #expect(check("cross block \(activation)", c) == [])
  }

  @Test(arguments: ModelConfiguration.Norm.allCases)
  func dropout(norm: ModelConfiguration.Norm) {
    var c = smallModel(attentionMask: .bidirectional)
    (c.norm, c.dropout, c.attentionDropout) = (norm, 0.25, 0.125)
    #expect(check("cross block \(norm) with dropout", c) == [])
  }
}
