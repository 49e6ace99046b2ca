import Core
import Kernels
import Layers
import Models
@testable import Objectives
import Tensors
import TestSupport
import Testing

/// `hpm`: what its teacher chooses, and that without choice and ranking it is `mae`.
@Suite struct HPMTests {
  private func options(_ change: (inout HPM.Options) -> Void = { _ in }) -> HPM.Options {
    var options = HPM.Options()
    (options.maskRatio, options.hardStart, options.hardEnd) = (0.5, 0.6, 0.8)
    change(&options)
    return options
  }

  private let context = StepContext(seed: 3, step: 3, steps: 10)
  private let clean = ToyValues().samples(at: 4..<7)

  private func objective(_ options: HPM.Options) throws -> HPM {
    try HPM(options, model: HPM.checkModel(), data: ToyValues.shape)
  }

  @Test func conformsWithChosenPatches() {
    let entry = ObjectiveEntry(HPM.self)
    #expect(checkObjective(entry, options: options()) == [])
    #expect(
      checkObjective(
        entry,
        options: options {
          ($0.lossOn, $0.normPixLoss) = (.all, false)
        }, source: ToyValues()) == [])
  }

  @Test func withoutChoiceAndRankingItIsMAE() throws {
    let hpm = try objective(
      options {
        ($0.maskRatio, $0.hardStart, $0.hardEnd, $0.rankingWeight) = (0.75, 0, 0, 0)
      })
    let mae = try MAE(MAE.Options(), model: MAE.checkModel(), data: ToyValues.shape)
    let faults = sameGradients(hpm, mae, clean, context)
    #expect(faults == [])
  }

  @Test func theTeacherChoosesTheHardest() throws {
    let hpm = try objective(options())
    let run = ObjectiveRun(hpm, samples: 3, length: clean.length, seed: 2)
    let example = hpm.corrupt(clean, context)
    // ρ = 0.6 + 0.3 · 0.2 of three hidden patches.
    #expect(example.late?.chosen == [1, 1, 1])
    let settled = run.settled(example)
    let difficulty = run.teacherDifficulty(hpm, clean)
    for sample in 0..<3 {
      let hidden = hpm.hiddenPositions(settled, Vocabulary(size: 0)).filter { $0.sample == sample }.map(\.position)
      let own = difficulty[sample * 6..<(sample + 1) * 6]
      let hardest = own.indices.max { own[$0] < own[$1] }
      #expect(hidden.count == 3 && hidden.contains((hardest ?? 0) - sample * 6))
    }
    // The other two are those of a random order, as everywhere.
    #expect(settled.inputs[0].positionIDs != example.inputs[0].positionIDs)
    #expect(run.settled(hpm.corrupt(clean, context)).inputs[0].positionIDs == settled.inputs[0].positionIDs)
  }

  /// The ranking of patches becomes better than knowing nothing while both terms are trained.
  @Test func theRankingIsLearned() throws {
    let hpm = try objective(options())
    let run = ObjectiveRun(hpm, samples: 3, length: clean.length, seed: 2, deviation: 0.15)
    let example = run.settled(hpm.corrupt(clean, context))
    let scales = example.counts.map { Float(1 / $0) }
    var mean = 1.0
    for _ in 0..<150 {
      let (losses, sink) = run.run(example, scales: scales)
      mean = losses[1] / example.counts[1]
      let norm = sink.gradients.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let (values, rate) = (run.parameters.trained.all, 0.2 / max(1, norm))
      for i in sink.gradients.indices { values[i] -= rate * sink.gradients[i] }
    }
    #expect(mean < 0.5)
  }

  @Test func evaluationHidesRandomPatches() throws {
    let late = try objective(options()).corrupt(
      clean, StepContext(seed: 3, step: 3, steps: 10, purpose: .evaluation)
    ).late
    #expect(late?.chosen == [0, 0, 0])
  }

  /// Samples of padding, with which the last micro-batch of an evaluation is filled, add nothing.
  @Test func paddingAddsNothing() throws {
    let own = try objective(options())
    let run = ObjectiveRun(own, samples: 3, length: clean.length, seed: 2)
    let example = own.corrupt(clean.padded(to: 6).taking([3, 4, 5]), context)
    #expect(example.counts == [0, 0])
    let result = run.run(example, scales: [1, 1])
    #expect(result.losses == [0, 0] && result.sink.gradients.allSatisfy { $0 == 0 })
  }

  @Test func tiesAreDecidedByPosition() {
    let random = CounterGenerator(seed: 1, purpose: .corruption)
    #expect(HardestPositions([1, 2, 2, .nan, 2], hardest: 2).hidden(2, of: [5], random) == [1, 2])
    #expect(HardestPositions([1, 2, 2, .nan, 2], hardest: 9).hidden(4, of: [5], random) == [0, 1, 2, 4])
    let all = (0..<40).map { _ in Float(0) }
    #expect(
      HardestPositions(all, hardest: 0).hidden(30, of: [40], random)
        == GridMask(.random).hidden(30, of: [40], random))
  }

  @Test func twoHiddenPatchesAreNeeded() {
    #expect(throws: ConfigurationError.self) { try objective(options { $0.maskRatio = 0.1 }) }
  }
}
