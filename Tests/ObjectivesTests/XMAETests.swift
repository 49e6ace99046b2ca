import Core
import Layers
import Objectives
import TestSupport
import Testing

/// What is special to `xmae`: one anchor, true positions, the direction from context to target, the shuffled control.
struct XMAETests {
  private let context = StepContext(seed: 3, step: 1, steps: 9)
  private let clean = ToyPairs().samples(at: 5..<12)

  private func objective(_ change: (inout XMAE.Options) -> Void = { _ in }) throws -> XMAE {
    var options = XMAE.Options()
    change(&options)
    return try XMAE(options, model: XMAE.checkModel(), data: ToyPairs.shape)
  }

  @Test func conformance() { #expect(checkObjective(ObjectiveEntry(XMAE.self)) == []) }

  @Test func otherOptionsConform() {
    var options = XMAE.Options()
    (options.contextChannel, options.targetChannel, options.maskRatio, options.targetNumLayers) = (1, 0, 0.5, 2)
    var model = XMAE.checkModel()
    (model.leadingRows, model.learnedRows, model.positionEmbedding) = (0, 0, .learned)
    #expect(checkObjective(ObjectiveEntry(XMAE.self), options: options, model: model) == [])
  }

  @Test func shuffledPartnersConform() {
    var options = XMAE.Options()
    options.partner = .shuffled
    #expect(checkObjective(ObjectiveEntry(XMAE.self), options: options) == [])
  }

  /// round(0.8 · 6) of the target are hidden; the visible ones are neighbours, at their own positions.
  @Test func anchorsAreRuns() throws {
    for (ratio, visible) in [(0.8, 1), (0.5, 3), (0.3, 4)] {
      let example = try objective { $0.maskRatio = ratio }.corrupt(clean, context)
      let target = example.inputs[1]
      #expect(target.length == 1 + visible)
      var starts = Set<Int32>()
      for sample in 0..<clean.count where clean.documentIDs[sample * 12 + 5] >= 0 {
        let own = Array(target.positionIDs[sample * target.length + 1..<(sample + 1) * target.length])
        #expect(zip(own, own.dropFirst()).allSatisfy { $0 + 1 == $1 })
        #expect(own.allSatisfy { (7...12).contains($0) })
        starts.insert(own[0])
        for (i, position) in own.enumerated() {
          let row = sample * target.length + 1 + i
          let place = (sample * 12 + Int(position) - 1) * 4
          #expect(Array(target.values[row * 4..<row * 4 + 4]) == Array(clean.values[place..<place + 4]))
        }
      }
      #expect(starts.count > 1)
    }
  }

  /// Hidden numbers are in none of the three inputs, and the context's encoder reads no target at all.
  @Test func hiddenTargetsAreNowhere() throws {
    let objective = try objective()
    let example = objective.corrupt(clean, context)
    var other = clean
    for row in example.targets[0].rows { for k in 0..<4 { other.values[row * 4 + k] += 1 } }
    let changed = objective.corrupt(other, context)
    #expect(changed.targets != example.targets)
    for (a, b) in zip(changed.inputs, example.inputs) {
      #expect(a.values == b.values && a.positionIDs == b.positionIDs)
    }
    #expect(example.inputs[0].positionIDs.allSatisfy { $0 <= 6 })
    #expect(example.targets[0].rows.allSatisfy { $0 % 12 >= 6 })
  }

  /// The loss of a sample depends on its own context, and with shuffled partners on that of the next one instead.
  @Test(arguments: XMAE.Partner.allCases) func partners(partner: XMAE.Partner) throws {
    let objective = try objective { $0.partner = partner }
    let two = ToyPairs().samples(at: 6..<8)
    let run = ObjectiveRun(objective, samples: 2, length: 12, seed: 1)
    var first = objective.corrupt(two, context)
    // Only sample 0 has targets.
    let own = first.targets[0].rows.indices.filter { first.targets[0].rows[$0] < 12 }
    first.targets[0] = first.targets[0].keeping(own)
    let loss = run.run(first, scales: [1]).losses
    for sample in 0..<2 {
      var other = first
      for i in 0..<7 * 4 { other.inputs[0].values[sample * 7 * 4 + i] += 1 }
      let isRead = sample == (partner == .own ? 0 : 1)
      #expect((run.run(other, scales: [1]).losses != loss) == isRead)
    }
  }

  /// The predictions are those that the loss compares: the loss again.
  @Test(arguments: XMAE.Partner.allCases) func predictionsAreThoseOfTheLoss(partner: XMAE.Partner) throws {
    let own = try objective { $0.partner = partner }
    let run = ObjectiveRun(own, samples: clean.count, length: clean.length, seed: 2)
    let example = own.corrupt(clean, context)
    let found = try #require(run.predictions(example))
    let targets = example.targets[0]
    #expect(found.places == targets.rows && found.values.count == targets.values.count)
    var sum = 0.0
    for (i, value) in found.values.enumerated() where found.isScored[i] {
      let difference = Double(value) - Double(targets.values[i])
      sum += Double(targets.elementWeights[i]) * difference * difference
    }
    let loss = run.run(example, scales: [1], gradient: false).losses[0]
    #expect(abs(sum - loss) < 1e-4 * loss, "\(sum), \(loss)")
  }

  @Test func refusals() {
    #expect(throws: ConfigurationError.self) { try objective { $0.targetChannel = 0 } }
    #expect(throws: ConfigurationError.self) { try objective { $0.contextChannel = 2 } }
    #expect(throws: ConfigurationError.self) {
      try XMAE(XMAE.Options(), model: TiMAE.checkModel(), data: ToySteps.shape)
    }
  }
}

extension TermTargets {
  fileprivate func keeping(_ kept: [Int]) -> TermTargets {
    TermTargets(
      rows: kept.map { rows[$0] }, values: kept.flatMap { values[4 * $0..<4 * $0 + 4] },
      elementWeights: kept.flatMap { elementWeights[4 * $0..<4 * $0 + 4] }, weights: kept.map { weights[$0] })
  }
}
