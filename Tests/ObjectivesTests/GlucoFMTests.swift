import Core
import Kernels
import Layers
import Objectives
import TestSupport
import Tensors
import Testing

/// What is special to `glucofm`: gaps, densities, and the trained smoother.
struct GlucoFMTests {
  private let context = StepContext(seed: 3, step: 1, steps: 9)

  private func objective(_ change: (inout GlucoFM.Options) -> Void = { _ in }) throws -> GlucoFM {
    var options = GlucoFM.Options()
    change(&options)
    return try GlucoFM(options, model: GlucoFM.checkModel(), data: ToyDays.shape)
  }

  @Test func conformance() { #expect(checkObjective(ObjectiveEntry(GlucoFM.self)) == []) }

  @Test func otherOptionsConform() {
    var options = GlucoFM.Options()
    (options.minMaskRatio, options.maxMaskRatio, options.smoothing, options.smoothingLag) = (0.2, 0.3, 2.5, 4)
    (options.streamSize, options.dynamicsWeight) = (5, 0.5)
    #expect(checkObjective(ObjectiveEntry(GlucoFM.self), options: options) == [])
  }

  /// Not one bit of inputs, losses and gradients depends on numbers that were not measured, NaN among them.
  @Test func missingNumbersAreNotRead() throws {
    let objective = try objective()
    let clean = ToyDays().samples(at: 5..<9)
    let run = ObjectiveRun(objective, samples: 4, length: 8, seed: 1)
    let before = objective.corrupt(clean, context)
    let wanted = run.run(before, scales: [1, 1])
    for value in [Float.nan, 1e30, -7] {
      var other = clean
      for place in other.observed.indices where !other.observed[place] { other.values[place] = value }
      let after = objective.corrupt(other, context)
      #expect(after.targets == before.targets && after.inputs.map(\.values) == before.inputs.map(\.values))
      let result = run.run(after, scales: [1, 1])
      #expect(result.losses == wanted.losses && result.sink.gradients == wanted.sink.gradients)
    }
    #expect(wanted.losses.allSatisfy { $0 > 0 })
  }

  /// Moving a number of a hidden patch moves nothing that the student reads, its statistics included.
  @Test func hiddenPatchesAreOutsideTheStatistics() throws {
    let objective = try objective()
    let clean = ToyDays().samples(at: 5..<6)
    let example = objective.corrupt(clean, context)
    let row = try #require(example.targets[0].rows.first)
    var other = clean
    for k in 0..<3 { other.values[row * 3 + k] += 100 }
    let changed = objective.corrupt(other, context)
    #expect(changed.inputs[0].values == example.inputs[0].values)
    #expect(changed.inputs[1].values != example.inputs[1].values)
  }

  @Test func weightsAreDensities() throws {
    let objective = try objective()
    let clean = ToyDays().samples(at: 5..<7)
    func density(_ row: Int) -> Float { Float(clean.observed[row * 3..<row * 3 + 3].count { $0 }) / 3 }
    let targets = objective.corrupt(clean, context).targets
    for (row, weight) in zip(targets[0].rows, targets[0].weights) { #expect(weight == density(row)) }
    for (row, weight) in zip(targets[1].rows, targets[1].weights) {
      #expect(weight == density(row) * density(row + 1) && !targets[0].rows.contains(row) && row % 8 < 7)
    }
    #expect(targets[0].weights.contains { $0 < 1 } && targets[1].weights.contains { $0 < 1 })
  }

  /// Without gaps every weight is 1, whether that is said or left out.
  @Test func fullSeriesHaveEvenWeights() throws {
    let objective = try objective()
    var clean = ToyDays(hasMissing: false).samples(at: 3..<5)
    let marked = objective.corrupt(clean, context)
    clean.observed = []
    let unmarked = objective.corrupt(clean, context)
    #expect(marked.targets == unmarked.targets && marked.targets.allSatisfy { $0.weights.allSatisfy { $0 == 1 } })
    #expect(marked.inputs[0].values == unmarked.inputs[0].values)
    // ⌊u·8⌋ with u in 0.5 … 0.6 is 4.
    #expect(marked.targets[0].rows.count == 8)
  }

  /// A day without a measurement has no targets, and a loss and a gradient of zero.
  @Test func emptyDays() throws {
    let objective = try objective()
    var clean = ToyDays().samples(at: 3..<5)
    clean.observed = clean.observed.map { _ in false }
    let example = objective.corrupt(clean, context)
    #expect(example.counts == [0, 0])
    let result = ObjectiveRun(objective, samples: 2, length: 8, seed: 1).run(example, scales: [0, 0])
    #expect(result.losses == [0, 0] && result.sink.gradients.allSatisfy { $0 == 0 })
  }

  /// The smoother of a constant is that constant, across gaps; it reads no later step.
  @Test func smootherIsCausal() {
    var layout = ParameterLayout()
    let smoother = CausalSmoother("s", start: 6, range: 2...12, lag: 2, into: &layout)
    let store = ParameterStore(layout)
    store.all.fill(0)
    #expect(abs(smoother.deviation(store).value - 6) < 1e-12)
    let arena = Arena(floats: 1024)
    let views = (0..<4).map { _ in arena.matrix(1, 6) }
    func smoothed(_ x: [Float], _ observed: [Float]) -> [Float] {
      views[0].copy(from: x)
      views[1].copy(from: observed)
      smoother.forward(views[0], observed: views[1], Pass(store), into: views[2], covered: views[3])
      return views[2].array
    }
    withExtendedLifetime(arena) {
      #expect(smoothed([3, 3, 9, 9, 9, 3], [1, 1, 0, 0, 0, 1]) == [3, 3, 3, 3, 0, 3])
      #expect(views[3].array == [1, 1, 1, 1, 0, 1])
      let (a, b) = (
        smoothed([1, 2, 3, 4, 5, 6], [1, 1, 1, 1, 1, 1]), smoothed([1, 2, 3, 9, 9, 9], [1, 1, 1, 1, 1, 1])
      )
      #expect(a[0..<3] == b[0..<3] && a[3] != b[3] && a[0] == 1)
    }
  }

  @Test func refusals() {
    #expect(throws: ConfigurationError.self) { try objective { $0.minSmoothing = 6 } }
    #expect(throws: ConfigurationError.self) { try objective { $0.minMaskRatio = 0.7 } }
    #expect(throws: ConfigurationError.self) {
      try GlucoFM(GlucoFM.Options(), model: TiMAE.checkModel(), data: ToySteps.shape)
    }
  }
}
