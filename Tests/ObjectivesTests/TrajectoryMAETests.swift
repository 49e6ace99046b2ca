import Core
import Kernels
import Layers
import Objectives
import TestSupport
import Testing

/// What is special to `traj-mae`: types in place of positions, and no order within a type.
struct TrajectoryMAETests {
  private let clean = ToyScenes().samples(at: 3..<5)

  private func objective(_ change: (inout TrajectoryMAE.Options) -> Void = { _ in }) throws -> TrajectoryMAE {
    var options = TrajectoryMAE.Options()
    change(&options)
    return try TrajectoryMAE(options, model: TrajectoryMAE.checkModel(), data: ToyScenes.shape)
  }

  @Test func conformance() { #expect(checkObjective(ObjectiveEntry(TrajectoryMAE.self)) == []) }

  @Test(arguments: TrajectoryMAE.Loss.allCases) func typesConform(loss: TrajectoryMAE.Loss) {
    var options = TrajectoryMAE.Options()
    (options.elementTypes, options.loss, options.maskRatio) = ("5, 3", loss, 0.4)
    var model = TrajectoryMAE.checkModel()
    if loss == .l2 { model.positionEmbedding = .learned }
    #expect(checkObjective(ObjectiveEntry(TrajectoryMAE.self), options: options, model: model) == [])
  }

  @Test func theLossIsTheOption() throws {
    #expect(try objective().reconstruction.loss == .smoothL1)
    #expect(try objective { $0.loss = .l2 }.reconstruction.loss == .l2)
  }

  /// Rows know their type, and each type hides its share.
  @Test func eachTypeHidesItsShare() throws {
    let objective = try objective { ($0.elementTypes, $0.maskRatio) = ("5,3", 0.4) }
    let whole = try #require(objective.corrupt(clean, StepContext(seed: 1, step: 0, steps: 1)).inputs.last)
    for sample in 0..<2 {
      let rows = sample * 9..<(sample + 1) * 9
      #expect(Array(whole.positionIDs[rows]) == [0, 1, 1, 1, 1, 1, 2, 2, 2])
      // ⌊5 · 0.6⌋ = 3 and ⌊3 · 0.6⌋ = 1 are visible.
      #expect(rows.dropFirst().prefix(5).count { whole.learned[$0] >= 0 } == 2)
      #expect(rows.suffix(3).count { whole.learned[$0] >= 0 } == 2)
    }
    #expect(Array(objective.whole(clean).positionIDs.prefix(9)) == [0, 1, 1, 1, 1, 1, 2, 2, 2])
  }

  /// Elements of one type in another order have the same loss; an element under another type has another.
  @Test func orderWithinATypeHasNoMeaning() throws {
    let objective = try objective { ($0.elementTypes, $0.maskRatio) = ("4,4", 0.5) }
    let run = ObjectiveRun(objective, samples: 2, length: 8, seed: 1)
    func loss(_ order: [Int]) -> Double {
      var moved = clean
      for sample in 0..<2 {
        for (i, element) in order.enumerated() {
          for k in 0..<3 {
            let (to, from) = ((sample * 8 + i) * 3 + k, (sample * 8 + element) * 3 + k)
            (moved.values[to], moved.observed[to]) = (clean.values[from], clean.observed[from])
          }
        }
      }
      let visible = order.indices.filter { [0, 1, 4, 5].contains(order[$0]) }
      return run.run(objective.example(moved, visible: [visible, visible]), scales: [1]).losses[0]
    }
    let wanted = loss([0, 1, 2, 3, 4, 5, 6, 7])
    #expect(abs(loss([3, 1, 0, 2, 7, 6, 4, 5]) / wanted - 1) < 1e-5)
    #expect(abs(loss([4, 1, 2, 3, 0, 5, 6, 7]) / wanted - 1) > 1e-3)
  }

  @Test(arguments: ["5,4", "8,0", "3,,5", "1,1,1,1,1,1,1,1", "all"]) func wrongTypes(text: String) {
    #expect(throws: ConfigurationError.self) { try objective { $0.elementTypes = text } }
  }

  @Test func positionsMustBeATable() {
    var model = TrajectoryMAE.checkModel()
    for kind in [ModelConfiguration.PositionEmbedding.rotary, .none] {
      model.positionEmbedding = kind
      #expect(throws: ConfigurationError.self) {
        try TrajectoryMAE(TrajectoryMAE.Options(), model: model, data: ToyScenes.shape)
      }
    }
  }
}
