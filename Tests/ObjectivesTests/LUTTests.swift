import Core
import Kernels
import Layers
import Models
@testable import Objectives
import TestSupport
import Testing

/// `lut`: its views, and that without agreement it is `mae`.
@Suite struct LUTTests {
  private let context = StepContext(seed: 3, step: 3, steps: 10)
  private let clean = ToyValues().samples(at: 4..<7)

  private func objective(_ change: (inout LUT.Options) -> Void = { _ in }) throws -> LUT {
    var options = LUT.Options()
    change(&options)
    return try LUT(options, model: LUT.checkModel(), data: ToyValues.shape)
  }

  @Test func conforms() { #expect(checkObjective(ObjectiveEntry(LUT.self)) == []) }

  /// Views that move what a position holds: all but the search for leaks at fixed positions.
  @Test func conformsWithCrops() {
    var options = LUT.Options()
    (options.cropScale, options.flip, options.projectorSize, options.projectorHiddenSize) = (0.3, true, 5, 9)
    let faults = checkObjective(ObjectiveEntry(LUT.self), options: options)
    #expect(faults.filter { !$0.contains("leaks") && !$0.contains("moves nothing") } == [])
  }

  @Test func withoutAgreementItIsMAE() throws {
    let lut = try objective { $0.agreementWeight = 0 }
    let mae = try MAE(MAE.Options(), model: MAE.checkModel(), data: ToyValues.shape)
    let faults = sameGradients(lut, mae, clean, context)
    #expect(faults == [])
  }

  /// Samples of padding, with which the last micro-batch of an evaluation is filled, add nothing.
  @Test func paddingAddsNothing() throws {
    let own = try objective()
    let run = ObjectiveRun(own, samples: 3, length: clean.length, seed: 2)
    let example = own.corrupt(clean.padded(to: 6).taking([3, 4, 5]), context)
    #expect(example.counts == [0, 0])
    let result = run.run(example, scales: [1, 1])
    #expect(result.losses == [0, 0] && result.sink.gradients.allSatisfy { $0 == 0 })
  }

  @Test func viewsShowDifferentPositions() throws {
    let example = try objective { $0.maskRatio = 0.5 }.corrupt(clean, context)
    let (first, second) = (example.inputs[0], example.inputs[2])
    for sample in 0..<3 {
      func shown(_ input: SequenceInput) -> Set<Int32> {
        Set(input.positionIDs[sample * input.length + 1..<(sample + 1) * input.length])
      }
      #expect(shown(first).count == 3 && shown(second).count == 3 && shown(first).isDisjoint(with: shown(second)))
    }
    #expect(throws: ConfigurationError.self) { try objective { $0.maskRatio = 0.3 } }
  }

  /// A series that ends in padding shows as many positions in both views, and means leave padding out.
  @Test func paddedSeries() throws {
    let source = ToySteps()
    let lut = try LUT(LUT.Options(), model: TiMAE.checkModel(), data: ToySteps.shape)
    let example = lut.corrupt(source.samples(at: 1..<3), context)
    #expect(example.inputs[0].length == example.inputs[2].length)
    #expect(MeanPooling(example.inputs[3], samples: [0, 1], leading: 1).rows.map(\.count) == [24, 15])
    // 6 of 24, and of 15 as large a share: 3.
    #expect(MeanPooling(example.inputs[2], samples: [0, 1], leading: 1).rows.map(\.count) == [6, 3])
  }
}

/// Crops, flips and shifts.
@Suite struct GridViewsTests {
  private let grid = GridShape(channels: 1, extent: [4, 6], patch: [2, 2])
  private let clean = ToyValues().samples(at: 0..<64)
  private func random(_ sample: Int) -> CounterGenerator {
    CounterGenerator(seed: 5, purpose: .corruption, position: UInt64(sample))
  }

  @Test func wholeRecordsStayAsTheyAre() {
    #expect(GridViews(grid, cropScale: 1, flips: false).view(clean, random) == clean)
  }

  /// A linear function of the place stays one under bilinear interpolation, away from the corners that are held.
  @Test func cropsInterpolate() {
    var ramp = clean
    for sample in 0..<clean.count {
      for i in 0..<24 {
        let cell = grid.element(i / 4, i % 4)
        ramp.values[sample * 24 + i] = Float(10 * (cell / 6) + cell % 6)
      }
    }
    let view = GridViews(grid, cropScale: 0.2, flips: false).view(ramp, random)
    for sample in 0..<clean.count {
      var record = [Float](repeating: 0, count: 24)
      for i in 0..<24 { record[grid.element(i / 4, i % 4)] = view.values[sample * 24 + i] }
      #expect(record.allSatisfy { $0 >= 0 && $0 <= 35 })
      for row in 1..<2 {
        let steps = (1..<4).map { record[row * 6 + $0 + 1] - record[row * 6 + $0] }
        #expect(steps.allSatisfy { abs($0 - steps[0]) < 1e-4 } && steps[0] > 0 && steps[0] <= 1.0001)
      }
    }
    #expect(view != ramp)
  }

  @Test func flipsMirrorHalfOfTheViews() {
    let view = GridViews(grid, cropScale: 1, flips: true).view(clean, random)
    var mirrored = 0
    for sample in 0..<clean.count {
      let own = (0..<24).map { (grid.element($0 / 4, $0 % 4), view.values[sample * 24 + $0]) }
      func matches(_ column: (Int) -> Int) -> Bool {
        own.allSatisfy { $1 == ToyValues.number(UInt64(sample), $0 / 6 * 6 + column($0 % 6)) }
      }
      #expect(matches { $0 } || matches { 5 - $0 })
      if matches({ 5 - $0 }) { mirrored += 1 }
    }
    #expect((20...44).contains(mirrored))
  }

  /// Numbers that were not measured do not enter; a view of nothing measured is not measured.
  @Test func unmeasuredNumbersDoNotEnter() {
    var (a, b) = (ToyValues(hasMissing: true).samples(at: 0..<8), ToyValues(hasMissing: true).samples(at: 0..<8))
    for i in b.values.indices where !b.observed[i] { (a.values[i], b.values[i]) = (7, .nan) }
    let views = GridViews(grid, cropScale: 0.2, flips: true)
    #expect(views.view(a, random).values == views.view(b, random).values)
    b.observed = [Bool](repeating: false, count: b.observed.count)
    #expect(views.view(b, random).observed == b.observed)
  }

  @Test func seriesAreShiftedInsideTheirOwnSteps() {
    let series = ToySteps().samples(at: 0..<12)
    let line = GridShape(channels: 2, extent: [24], patch: [1])
    let view = GridViews(line, cropScale: 0.5, flips: false).view(series, random)
    #expect(view != series && view.documentIDs == series.documentIDs)
    for sample in 0..<12 {
      let steps = sample % 3 == 2 ? 15 : 24
      func step(_ batch: SampleBatch, _ i: Int) -> [Float] {
        Array(batch.values[(sample * 24 + i) * 2..<(sample * 24 + i + 1) * 2])
      }
      let isShift = (0..<steps).contains { by in
        (0..<steps).allSatisfy { step(view, $0) == step(series, ($0 + by) % steps) }
      }
      #expect(isShift)
    }
    #expect(GridViews(line, cropScale: 1, flips: true).problem != nil)
  }
}
