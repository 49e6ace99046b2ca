import Collectives
import Core
@testable import Data
@testable import Evaluation
import Foundation
import Kernels
import Layers
@testable import Measures
import Models
import Objectives
import Tensors
import Testing

/// Probabilities of text against what probabilities must obey, in a world small enough to enumerate.
@Suite struct TextProbabilityTests {
  /// Five ids, of which 4 is [MASK] and none is special, so that every id can stand in a text.
  private let vocabulary = Vocabulary(size: 5, mask: 4, special: [])

  private func context(causal: Bool, threads: Int = 1, microBatch: Int = 4) -> MeasureContext {
    BLAS.useOneThread()
    let shape: ModelConfiguration =
      causal
      ? .gpt2(vocabSize: 5, maxPosition: 6, hiddenSize: 16, numLayers: 2, numHeads: 2)
      : .bert(vocabSize: 5, maxPosition: 6, hiddenSize: 16, numLayers: 2, numHeads: 2)
    var layout = ParameterLayout()
    let encoder = Transformer(shape, into: &layout)
    let parameters = ParameterStore(layout)
    parameters.initialize(seed: 5)
    // Far from uniform, so that the order of reading matters.
    for entry in layout.entries where entry.spec.decay {
      let view = parameters.view(entry.index)
      for i in 0..<view.count { view[i] *= 12 }
    }
    let model = MeasuredModel(
      path: "memory", encoder: encoder, parameters: parameters, data: DataShape(vocabulary),
      objective: ("mlm", MaskedLanguageModel.Options()))
    return MeasureContext(model, corpus: nil, communicator: SingleRank(), threads: threads, microBatch: microBatch)
  }

  /// All texts of `length` ids that begin with 0.
  private func texts(_ length: Int) -> [[Int32]] {
    (1..<length).reduce([[0]]) { texts, _ in texts.flatMap { text in (0..<5).map { text + [Int32($0)] } } }
  }

  private func losses(
    _ context: MeasureContext, _ texts: [[Int32]],
    _ scoredInputs: @escaping @Sendable ([Int32], [Int]) -> [(ScoredInput, Double)]
  )
    throws -> [Double]
  {
    let result = try context.measureText(
      TextWindows(texts, framing: .none, vocabulary: vocabulary), name: "x", scoredInputs)
    return try #require(result.values.first { $0.name == "x.loss" }?.items).sums
  }

  /// Given the first token, the probabilities of all texts of a length add up to 1: nothing is seen that is still to be
  /// predicted.
  @Test(arguments: [true, false])
  func leftToRightIsADistribution(causal: Bool) throws {
    let sums = try losses(context(causal: causal), texts(4)) {
      LeftToRightMeasure.scoredInputs($0, $1, mask: causal ? nil : 4, end: $0.count)
    }
    #expect(sums.count == 125)
    #expect(abs(sums.reduce(0) { $0 + exp(-$1) } - 1) < 1e-5)
    #expect(Set(sums.map { ($0 * 1e6).rounded() }).count > 60)
  }

  /// Pseudo-probabilities add up to something else: they are none.
  @Test func pseudoIsNoDistribution() throws {
    let sums = try losses(context(causal: false), texts(4)) { tokens, scored in
      scored.map { i in
        var shown = tokens
        shown[i] = 4
        return (ScoredInput(tokens: shown, rows: [i], targets: [tokens[i]]), 1)
      }
    }
    #expect(abs(sums.reduce(0) { $0 + exp(-$1) } - 1) > 0.01)
  }

  /// Over all draws the bound is the mean over the two orders of a text of three tokens, the first given.
  @Test func anyOrderIsTheMeanOverOrders() throws {
    let context = context(causal: false)
    let text: [Int32] = [0, 1, 3]
    let subsets: [[Int]] = [[1], [2], [1, 2]]
    let parts = try subsets.map { hidden in
      try losses(context, [text]) { tokens, _ in
        var shown = tokens
        for i in hidden { shown[i] = 4 }
        return [
          (ScoredInput(tokens: shown, rows: hidden, targets: hidden.map { tokens[$0] }), 1 / Double(hidden.count))
        ]
      }[0]
    }
    // n = 1 and n = 2 are equally likely; N = 2.
    let exact = 2 * (0.5 * (parts[0] + parts[1]) / 2 + 0.5 * parts[2])
    let forward = try losses(context, [text]) { LeftToRightMeasure.scoredInputs($0, $1, mask: 4, end: $0.count) }[0]
    let backward = try losses(context, [text]) { tokens, _ in
      [
        (ScoredInput(tokens: [0, 4, 4], rows: [2], targets: [tokens[2]]), 1),
        (ScoredInput(tokens: [0, 4, 3], rows: [1], targets: [tokens[1]]), 1),
      ]
    }[0]
    #expect(abs(exact - (forward + backward) / 2) < 1e-6)
    let drawn = try losses(context, [text]) { AnyOrderMeasure.scoredInputs($0, $1, mask: 4, draws: 20_000, seed: 3) }[0]
    // The spread of one draw is below 4 nats here; 20,000 draws leave 0.03.
    #expect(abs(drawn - exact) < 0.12, "\(drawn) and \(exact)")
  }

  @Test func threadsDoNotChangeABit() throws {
    let one = try losses(context(causal: false), texts(3)) {
      LeftToRightMeasure.scoredInputs($0, $1, mask: 4, end: $0.count)
    }
    let three = try losses(context(causal: false, threads: 3), texts(3)) {
      LeftToRightMeasure.scoredInputs($0, $1, mask: 4, end: $0.count)
    }
    #expect(one == three)
  }

  @Test func specialTokensAndTheFirstAreNotAskedFor() {
    let framed = TextWindows(
      [[7, 8, 0, 9]], framing: .clsSep, vocabulary: Vocabulary(size: 10, pad: 0, mask: 1, cls: 2, sep: 3))
    #expect(framed.framed(0) == [2, 7, 8, 0, 9, 3])
    #expect(framed.scoredPositions(framed.framed(0)) == [2, 4])
  }

  @Test func errorsOfRatios() {
    #expect(ratioError(.init(sums: [1, 3], counts: [1, 1])) == 1)
    #expect(ratioError(.init(sums: [2], counts: [1])) == nil)
  }

  @Test func everyMeasureHasItsOwnName() {
    let names = MeasureRegistry.entries.map(\.name)
    #expect(Set(names).count == names.count && names.allSatisfy { MeasureRegistry.entry(named: $0) != nil })
  }
}
