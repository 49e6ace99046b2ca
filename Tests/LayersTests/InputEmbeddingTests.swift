import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct InputEmbeddingTests {
  private func check(
    _ name: String, _ c: ModelConfiguration, dropout: Bool = false, fromRows: Bool = false, roleIDs: Bool = false
  ) -> [String] {
    var layout = ParameterLayout()
    let embedding = InputEmbedding("e", c, tiedHeads: c.tieWordEmbeddings ? 1 : 0, into: &layout)
    if roleIDs, let token = embedding.token { layout.addUses(of: token..<token + 1) }
    var numbers = SeededNumbers(3)
    let (samples, length) = (3, 5)
    let n = samples * length
    let documents = Documents(samples: samples, lengths: [length], causal: true, documentMasking: false)
    // Few ids, so that rows repeat; positions with gaps and in falling order, as an encoder of visible positions has
    // them.
    var input = documents.input(c.inputSize > 0 ? [] : numbers.below(4, count: n))
    input.positionIDs = (0..<n).map { Int32(c.maxPosition - 1 - ($0 % length) * ($0 < length ? 1 : 2) % c.maxPosition) }
    if roleIDs { input.roleIDs = numbers.below(7, count: n) }
    if c.inputSize > 0 { input.values = numbers.normal(n * c.inputSize) }
    let layer = LayerCase(
      name, layout, input: (fromRows ? n : 0, c.inputSize), output: (n, c.hiddenSize), longestSum: n, depth: 2,
      dropout: dropout ? CounterGenerator(seed: 9, purpose: .dropout) : nil,
      reference: { $0.embedding("e", input, c, rows: fromRows ? $1 : nil) },
      layer: { [input] pass, x, dy, arena in
        let saved = InputEmbedding.Saved(c, rows: n, arena)
        let (y, dx) = (arena.matrix(n, c.hiddenSize), fromRows ? arena.matrix(n, c.inputSize) : nil)
        embedding.forward(input, pass, rows: fromRows ? x : nil, saved, into: y)
        embedding.backward(input, d: dy, pass, saved, drows: dx)
        // A tied table gets its other gradient from the head, which has no targets here.
        if let token = embedding.token, c.tieWordEmbeddings {
          pass.sink?.addRows([], TensorView(base: dy.base, rows: 0, columns: c.hiddenSize), of: token)
        }
        return (y.array.map(Double.init), dx?.array ?? [])
      })
    return checkLayer(layer)
  }

  @Test(arguments: [true, false], [0, 2])
  func tokens(tied: Bool, typeVocabSize: Int) {
    var c = smallModel()
    (c.tieWordEmbeddings, c.typeVocabSize) = (tied, typeVocabSize)
    #expect(check("token embedding", c) == [])
    #expect(check("token embedding with roleIDs", c, roleIDs: true) == [])
    c.positionEmbedding = .none
    #expect(check("token embedding without positions", c) == [])
  }

  @Test(arguments: ModelConfiguration.Norm.allCases)
  func postNorm(norm: ModelConfiguration.Norm) {
    var c = smallModel()
    (c.normPlacement, c.norm, c.typeVocabSize, c.dropout) = (.post, norm, 2, 0.25)
    #expect(check("token embedding with norm", c) == [])
    #expect(check("token embedding with norm and dropout", c, dropout: true) == [])
  }

  @Test(arguments: ModelConfiguration.NormPlacement.allCases)
  func values(placement: ModelConfiguration.NormPlacement) {
    var c = smallModel(vocabulary: 0)
    (c.inputSize, c.normPlacement, c.dropout) = (3, placement, 0.25)
    #expect(check("values", c, dropout: true) == [])
    #expect(check("rows of another network", c, dropout: true, fromRows: true) == [])
  }
}
