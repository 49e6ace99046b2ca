import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors
import TestSupport
import Testing

/// What is special to `mpp`: pairs, counts, and that order means nothing.
@Suite struct MaskedSetTests {
  private let vocabulary = Vocabulary(size: 60, pad: 0, mask: 1, cls: 2, sep: 3, unknown: 4)
  private let context = StepContext(seed: 1, step: 0, steps: 1)

  private func objective(
    length: Int = 24, _ change: (inout MaskedSetPrediction.Options) -> Void = { _ in }
  ) throws -> MaskedSetPrediction {
    var options = MaskedSetPrediction.Options()
    change(&options)
    var model = ModelConfiguration.bert(vocabSize: 60, maxPosition: length, hiddenSize: 16, numLayers: 2, numHeads: 4)
    model.positionEmbedding = .none
    return try MaskedSetPrediction(options, model: model, vocabulary: vocabulary)
  }

  /// One set a sample, padded to 24: sample s has 5 + s tokens, or as many pairs.
  private func samples(_ count: Int, pairs: Bool = false) -> SampleBatch {
    var (tokens, documentIDs) = ([Int32](), [Int32]())
    for sample in 0..<count {
      let size = (5 + sample) * (pairs ? 2 : 1)
      for i in 0..<24 {
        tokens.append(
          i >= size ? 0 : (pairs && i % 2 == 0 ? Int32(50 + (i / 2 + sample) % 4) : Int32(5 + (i * 7 + sample) % 40)))
        documentIDs.append(i < size ? 0 : -1)
      }
    }
    return SampleBatch(
      sampleIDs: (0..<UInt64(count)).map { $0 }, length: 24, lookahead: 0, tokens: tokens, documentIDs: documentIDs)
  }

  @Test(
    arguments: [(.rounded, [1, 2, 2, 2, 2]), (.floored, [1, 1, 1, 2, 2])] as [(MaskedSetPrediction.MaskCount, [Int])])
  func counts(rule: MaskedSetPrediction.MaskCount, wanted: [Int]) throws {
    let example = try objective { $0.maskCount = rule }.corrupt(samples(5), context)
    let found = Dictionary(grouping: example.targets[0].rows) { $0 / 24 }
    #expect((0..<5).map { found[$0]?.count ?? 0 } == wanted, "of 5, 6, 7, 8 and 9 entities")
    for (row, id) in zip(example.targets[0].rows, example.targets[0].ids) {
      #expect(example.inputs[0].tokens[row] == 1 && id == samples(5).tokens[row])
    }
  }

  /// Rows are entities, roleIDs their roles, and a hidden entity's role is still shown.
  @Test func rolesAreShown() throws {
    let batch = samples(5, pairs: true)
    let example = try objective { $0.roles = true }.corrupt(batch, context)
    let input = example.inputs[0]
    #expect(input.length == 12 && input.tokens.count == 60)
    var hidden = 0
    for row in 0..<60 {
      let place = row / 12 * 24 + row % 12 * 2
      #expect(input.roleIDs[row] == batch.tokens[place])
      if let target = example.targets[0].rows.firstIndex(of: row) {
        hidden += 1
        #expect(input.tokens[row] == 1 && example.targets[0].ids[target] == batch.tokens[place + 1])
      } else {
        #expect(input.tokens[row] == batch.tokens[place + 1])
      }
    }
    #expect(hidden == 1 + 2 + 2 + 2 + 2)
    #expect(input.ranges.end[0] == 5 && input.ranges.end[12] == 6, "padding is no key")
  }

  /// Shuffling the members of a set permutes the outputs and changes nothing else.
  @Test(arguments: [false, true])
  func orderMeansNothing(roles: Bool) throws {
    BLAS.useOneThread()
    let objective = try objective { $0.roles = roles }
    let input = objective.corrupt(samples(3, pairs: roles), context).inputs[0]
    let length = input.length
    var (shuffled, source) = (input, Array(0..<input.rows))
    for sample in 0..<3 {
      let members = Array(0..<5 + sample)
      let order = randomSubset(members, count: 3, CounterGenerator(seed: UInt64(sample), purpose: .order))
      let permuted = Array(order.reversed()) + Array(members.filter { !order.contains($0) }.reversed())
      for (to, from) in zip(members, permuted) { source[sample * length + to] = sample * length + from }
    }
    shuffled.tokens = source.map { input.tokens[$0] }
    if roles { shuffled.roleIDs = source.map { input.roleIDs[$0] } }
    #expect(shuffled.tokens != input.tokens)

    let parameters = ParameterSet(objective.networks)
    fillForCheck(parameters.trained, seed: 2)
    func hidden(_ input: SequenceInput) -> [Float] {
      let (arena, workspace) = Arena.sized { Transformer.Workspace(objective.encoder, samples: 3, length: length, $0) }
      arena.fill(.nan)
      return withExtendedLifetime(arena) { objective.encoder.forward(input, Pass(parameters.trained), workspace).array }
    }
    let (plain, other) = (hidden(input), hidden(shuffled))
    var (worst, moved) = (Float(0), Float(0))
    for row in 0..<input.rows {
      for k in 0..<16 {
        let now = other[row * 16 + k]
        let difference = abs(now - plain[source[row] * 16 + k])
        // A NaN is larger than anything.
        worst = worst.isNaN || difference <= worst ? worst : difference
        moved = max(moved, abs(now - plain[row * 16 + k]))
      }
    }
    #expect(worst <= 1e-5)
    #expect(moved > 1e-2, "members do have outputs of their own")
  }

  @Test func errors() {
    #expect {
      let model = ModelConfiguration.bert(vocabSize: 60, maxPosition: 8, hiddenSize: 8, numLayers: 1, numHeads: 1)
      _ = try MaskedSetPrediction(.init(), model: model, vocabulary: vocabulary)
    } throws: {
      "\($0)"
        == "model.position_embedding is learned, but mpp reads sets, whose members have no order; set it to \"none\"."
    }
  }
}
