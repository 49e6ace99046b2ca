import Core
import Kernels
import Layers
import Tensors
import TestSupport
import Testing

@Suite struct VocabularyHeadTests {
  private func check(
    _ name: String, _ c: ModelConfiguration, hidden n: Int = 11, rows: [Int], weights: [Float]? = nil,
    differences: Differences = .everyElement
  ) -> [String] {
    var layout = ParameterLayout()
    let declared = VocabularyHead("head", c, into: &layout)
    // The embedding's table, of which this is the only use here.
    let token =
      c.tieWordEmbeddings
      ? layout.append(ParameterSpec("token", [c.vocabSize, c.hiddenSize], decay: true, .normal(0.02))) : nil
    let head = declared.tie(to: token, in: &layout)
    var numbers = SeededNumbers(11)
    let targets = numbers.below(c.vocabSize, count: rows.count)
    let weights = weights ?? numbers.uniform(rows.count, in: 0.25...2)
    var layer = LayerCase(
      name, layout, input: (n, c.hiddenSize), output: (1, 1), longestSum: max(rows.count, 64), depth: 2,
      differences: differences,
      reference: { scope, hidden in
        scope.crossEntropy(
          scope.logits("head", hidden, rows: rows, c, tied: "token"), targets: targets, weights: weights)
      },
      layer: { pass, x, dy, arena in
        let saved = VocabularyHead.Saved(head, c, rows: n, arena)
        let wanted = VocabularyHead.Targets(rows: rows, ids: targets, weights: weights)
        let plain = head.loss(x, wanted, Pass(pass.parameters), saved)
        let gradient = arena.matrix(n, c.hiddenSize)
        gradient.fill(0)
        let before = x.array
        let loss = head.loss(x, wanted, scale: dy[0], pass, saved, gradient: gradient)
        // The loss without gradients has the same bits, and the states stay, or the check fails on a NaN.
        return ([plain == loss && x.array == before ? loss : .nan], gradient.array)
      })
    layer.memory += (min(head.sliceRows, n) + 1) * c.vocabSize * 2
    return checkLayer(layer)
  }

  @Test(arguments: [true, false], [true, false])
  func shapes(tied: Bool, transform: Bool) {
    for activation in ModelConfiguration.Activation.allCases {
      var c = smallModel(vocabulary: 17)
      (c.tieWordEmbeddings, c.headTransform, c.activation) = (tied, transform, activation)
      #expect(check("head", c, rows: [0, 3, 4, 9]) == [])
      #expect(check("head at every row", c, rows: Array(0..<11)) == [])
      #expect(check("head at no row", c, rows: []) == [])
      #expect(check("head with weights of zero", c, rows: [1, 2, 10], weights: [0, 3, 0]) == [])
    }
  }

  /// A vocabulary so large that logits exist for 112 rows at a time: a full slice and a short one.
  @Test(arguments: [true, false])
  func slices(transform: Bool) {
    var c = smallModel(width: 5, heads: 1, vocabulary: 65_551)
    c.headTransform = transform
    var layout = ParameterLayout()
    #expect(VocabularyHead("h", c, into: &layout).sliceRows == 112)
    // The reference of so many logits is expensive: differences were taken at the small shapes.
    #expect(
      check("sliced head", c, hidden: 122, rows: (0..<120).map { $0 + $0 / 110 }, differences: .directions(0)) == [])
  }

  @Test func logitsAreThoseOfTheLoss() {
    var c = smallModel(vocabulary: 17)
    (c.tieWordEmbeddings, c.headTransform) = (false, true)
    var layout = ParameterLayout()
    let head = VocabularyHead("head", c, into: &layout).tie(to: nil, in: &layout)
    let store = ParameterStore(layout)
    fillForCheck(store, seed: 4)
    let arena = Arena(floats: 1 << 14)
    let saved = VocabularyHead.Saved(head, c, rows: 5, arena)
    let hidden = arena.matrix(5, c.hiddenSize)
    var numbers = SeededNumbers(2)
    hidden.copy(from: numbers.normal(hidden.count))
    let scope = Scope(Tape(recording: false), layout, store.all.array.map(Double.init))
    let x = scope.tape.leaf(5, c.hiddenSize, hidden.array.map(Double.init))
    let expected = scope.logits("head", x, rows: [4, 1], c, tied: "").data
    let logits = head.logits(hidden, rows: [4, 1], Pass(store), saved)
    #expect(mismatch("logits", logits.array, expected, tolerance: Tolerance.float(sum: c.hiddenSize, depth: 2)) == nil)
  }
}
