import Core
import Layers
import Objectives
import TestSupport
import Testing

/// Objectives on numbers, with options other than their defaults: conformance, and what makes one another.
struct ValueObjectiveTests {
  private func faults<O: Objective>(_: O.Type, _ change: (inout O.Options) -> Void) -> [String] {
    var options = O.Options()
    change(&options)
    return checkObjective(ObjectiveEntry(O.self), options: options)
  }

  @Test(arguments: [GridMask.Pattern.block, .grid, .continuous, .periodic]) func patterns(pattern: GridMask.Pattern) {
    #expect(faults(MAE.self) { $0.maskPattern = pattern } == [])
  }

  @Test func lossOnAllPositions() {
    #expect(
      faults(MAE.self) {
        $0.lossOn = .all
        $0.normPixLoss = false
      } == [])
  }

  @Test func deeperDecoder() {
    #expect(
      faults(MAE.self) {
        ($0.decoderNumLayers, $0.decoderHiddenSize, $0.decoderNumHeads, $0.decoderIntermediateSize) = (2, 12, 3, 5)
      } == [])
  }

  @Test func everySampleCountsAlikeOrEveryPosition() {
    #expect(faults(NextValues.self) { $0.normPixLoss = true } == [])
    #expect(faults(DiverseValues.self) { $0.offsetDistribution = .inverse } == [])
  }

  /// The same samples through two objectives.
  private func examples(_ a: some Objective, _ b: some Objective, evaluation: Bool = false) -> [TrainingExample] {
    let clean = ToyValues().samples(at: 0..<4)
    let context = StepContext(seed: 3, step: 1, steps: 9, purpose: evaluation ? .evaluation : .corruption)
    return [a.corrupt(clean, context), b.corrupt(clean, context)]
  }

  @Test func whiteNoiseIsMAE() throws {
    var options = ColorMAE.Options()
    options.noiseColor = .white
    let (model, data) = (MAE.checkModel(), ToyValues.shape)
    let both = examples(
      try MAE(MAE.Options(), model: model, data: data), try ColorMAE(options, model: model, data: data))
    #expect(both[0].targets == both[1].targets)
    #expect(both[0].inputs[0].positionIDs == both[1].inputs[0].positionIDs)
  }

  @Test func oneOffsetIsTheNextPosition() throws {
    var options = DiverseValues.Options()
    options.offsets = 1
    let (model, data) = (NextValues.checkModel(), ToyValues.shape)
    let (a, b) = (
      try NextValues(NextValues.Options(), model: model, data: data),
      try DiverseValues(options, model: model, data: data)
    )
    let both = examples(a, b)
    #expect(both[0].targets == both[1].targets && a.networks.trained == b.networks.trained)
    // Evaluation asks for offset 1 alone, whatever training does.
    let wide = examples(
      a, try DiverseValues(DiverseValues.Options(), model: model, data: data), evaluation: true)
    #expect(wide[1].targets[0].rows == wide[0].targets[0].rows && wide[1].targets[0].offsets.isEmpty)
  }

  /// Behind [CLS] every position is predicted, the first from [CLS] alone.
  @Test func clsPredictsTheFirstPosition() throws {
    var model = NextValues.checkModel()
    (model.leadingRows, model.learnedRows) = (1, 1)
    #expect(checkObjective(ObjectiveEntry(SimMIM.self), model: model.bidirectional) == [])
    let objective = try NextValues(NextValues.Options(), model: model, data: ToyValues.shape)
    let clean = ToyValues().samples(at: 0..<2)
    let example = objective.corrupt(clean, StepContext(seed: 1, step: 0, steps: 1))
    #expect(example.targets[0].rows == Array(0..<12))
    #expect(example.targets[0].values == clean.values)
    #expect(objective.prediction.networkRows([0, 5, 6], example) == [0, 5, 7])
  }
}

extension ModelConfiguration {
  fileprivate var bidirectional: ModelConfiguration {
    var model = self
    (model.attentionMask, model.prediction) = (.bidirectional, .same)
    return model
  }
}
