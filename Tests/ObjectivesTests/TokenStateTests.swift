import Core
import Kernels
import Layers
import Models
@testable import Objectives
import Tensors
import TestSupport
import Testing

/// `mto` and `hybrid-distill`: losses on the states of single tokens.
@Suite struct TokenStateTests {
  private let clean = ToyValues().samples(at: 4..<7)
  private let context = StepContext(seed: 3, step: 3, steps: 10)

  @Test func conform() {
    #expect(checkObjective(ObjectiveEntry(MTO.self)) == [])
    #expect(checkObjective(ObjectiveEntry(HybridDistill.self)) == [])
  }

  /// One block: both losses on states enter at the same place.
  @Test func oneBlock() {
    var model = MTO.checkModel()
    model.numLayers = 1
    #expect(checkObjective(ObjectiveEntry(MTO.self), model: model) == [])
    #expect(checkObjective(ObjectiveEntry(HybridDistill.self), model: model) == [])
  }

  @Test func withoutWeightsItIsSimMIM() throws {
    var options = MTO.Options()
    (options.earlyWeight, options.lateWeight, options.consistencyWeight) = (0, 0, 0)
    let (model, data) = (MTO.checkModel(), ToyValues.shape)
    let (own, other) = (
      try MTO(options, model: model, data: data), try SimMIM(options.shared, model: model, data: data)
    )
    let (a, b) = (own.corrupt(clean, context), other.corrupt(clean, context))
    #expect(a.inputs[0].learned == b.inputs[0].learned && a.targets[0] == b.targets[0])
    let runs = (
      ObjectiveRun(own, samples: 3, length: clean.length, seed: 2).run(a, scales: [1, 0, 0, 0]),
      ObjectiveRun(other, samples: 3, length: clean.length, seed: 2).run(b, scales: [1])
    )
    #expect(abs(runs.0.losses[0] - runs.1.losses[0]) < 1e-5 * runs.1.losses[0])
    let largest = runs.1.sink.gradients.map(abs).max() ?? 0
    for (x, y) in zip(runs.0.sink.gradients, runs.1.sink.gradients) { #expect(abs(x - y) < 1e-5 * largest) }
  }

  /// Hidden patches that all have one state, orthogonal to every visible one: e = 1, so that `early` is 0, `late` 1 and
  /// `consistency` 0.
  @Test func statesThatAreAlikeAndApart() {
    let states: [Float] = [0, 0, 3, 0, 0, 3, 1, 0, 0, 0, 2, 0]
    let (arena, parts) = Arena.sized {
      ($0.matrix(4, 3), HiddenStateSimilarity.Workspace(rows: 4, length: 4, width: 3, $0))
    }
    withExtendedLifetime(arena) {
      parts.0.copy(from: states)
      let similarity = HiddenStateSimilarity(temperature: 0.1)
      let groups = [(hidden: [0, 1], visible: [2, 3])]
      let early = similarity.entropies(parts.0, groups, isFlat: true, scale: 1, nil, parts.1)
      let late = similarity.entropies(parts.0, groups, isFlat: false, scale: 1, nil, parts.1)
      #expect(early.allSatisfy { abs($0) < 1e-6 } && late.allSatisfy { abs($0 - 1) < 1e-6 })
      #expect(similarity.deviations(parts.0, groups, scale: 1, nil) == [0, 0])
      // One of them moved by 6: the mean is 3 away from both, 9 / 3 numbers.
      parts.0[0, 0] = 6
      #expect(similarity.deviations(parts.0, groups, scale: 1, nil) == [3, 3])
    }
  }

  @Test func theMostRedundantPositionsAreHidden() throws {
    var options = HybridDistill.Options()
    (options.maskStart, options.maskEnd) = (0.5, 0.5)
    let own = try HybridDistill(options, model: HybridDistill.checkModel(), data: ToyValues.shape)
    let run = ObjectiveRun(own, samples: 3, length: clean.length, seed: 2)
    let settled = run.settled(own.corrupt(clean, context))
    let features = run.auxiliaryHidden("feature_teacher", own.whole(clean))
    let width = own.encoder.configuration.hiddenSize
    let leading = own.encoder.configuration.leadingRows
    for sample in 0..<3 {
      let rows = (0..<6).map { position -> [Double] in
        let start = (sample * (6 + leading) + leading + position) * width
        let numbers = Array(features[start..<start + width])
        let norm = numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return numbers.map { $0 / norm }
      }
      func cosine(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      let scores = rows.indices.map { (i: Int) -> Double in
        rows.indices.reduce(0.0) { (sum: Double, j: Int) -> Double in i == j ? sum : sum + cosine(rows[i], rows[j]) }
      }
      let wanted = scores.indices.sorted { scores[$0] > scores[$1] }.prefix(3).sorted()
      let hidden = own.hiddenPositions(settled, Vocabulary(size: 0)).filter { $0.sample == sample }.map(\.position)
      #expect(hidden == wanted)
    }
    // Nothing is hidden for evaluation, and a student with its teacher's weights has its teacher's relations.
    let evaluation = own.corrupt(clean, StepContext(seed: 3, step: 3, steps: 10, purpose: .evaluation))
    #expect(evaluation.late == nil && own.hiddenPositions(evaluation, Vocabulary(size: 0)).isEmpty)
    run.copyTrained(to: "relation_teacher")
    #expect(abs(run.run(evaluation, scales: [1, 1]).losses[1]) < 1e-5)
  }

  /// Teachers without a folder: neither the student nor each other.
  @Test func teachersOfTheSeedDiffer() throws {
    let own = try HybridDistill(.init(), model: HybridDistill.checkModel(), data: ToyValues.shape)
    let parameters = ParameterSet(own.networks)
    parameters.initialize(seed: 5)
    let name = "embedding.values.weight"
    let stores = [
      parameters.trained, parameters.auxiliary("feature_teacher"), parameters.auxiliary("relation_teacher"),
    ]
    let weights = try stores.map { $0.view(try #require($0.layout.entry(named: name)).index).array }
    #expect(weights[0] != weights[1] && weights[1] != weights[2] && weights[0] != weights[2])
    let again = ParameterSet(own.networks)
    again.initialize(seed: 5)
    #expect(again.auxiliary("feature_teacher").all.array == stores[1].all.array)
  }

  @Test func optionsOutOfRange() {
    var options = HybridDistill.Options()
    (options.maskEnd, options.temperature) = (0.95, 0)
    #expect(throws: ConfigurationError.self) {
      try HybridDistill(options, model: HybridDistill.checkModel(), data: ToyValues.shape)
    }
    var other = MTO.Options()
    other.earlyWeight = -1
    var sparse = MTO.Options()
    sparse.maskRatio = 0.9
    // ⌈0.9 · 6⌉ hides all six.
    #expect(throws: ConfigurationError.self) { try MTO(sparse, model: MTO.checkModel(), data: ToyValues.shape) }
    var narrow = HybridDistill.Options()
    narrow.maskEnd = 0.9
    #expect(throws: ConfigurationError.self) {
      try HybridDistill(narrow, model: HybridDistill.checkModel(), data: ToyValues.shape)
    }
    #expect(throws: ConfigurationError.self) { try MTO(other, model: MTO.checkModel(), data: ToyValues.shape) }
  }
}
