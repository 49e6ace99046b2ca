import Collectives
import Core
import Data
import DataSupport
@testable import Evaluation
import Foundation
import Kernels
import Layers
import Models
@testable import Objectives
import Tensors
import Testing

extension PositionPrediction {
  var found: PositionPredictor? { if case .predictor(let found) = self { found } else { nil } }
}

/// Measures on records of numbers, against numbers worked out by hand.
@Suite struct RecordMeasureTests {
  private func records(_ count: Int, _ numbers: Int, seed: UInt64) -> ([Float], [UInt8]) {
    let random = CounterGenerator(seed: seed, purpose: .order)
    return (
      (0..<count * numbers).map { 10 + 4 * random.uniform($0) }, (0..<count).map { UInt8($0 % 2) }
    )
  }

  private struct Made {
    let files: ValueCorpus
    let context: MeasureContext
    let objective: any Objective
    let parameters: ParameterSet
  }

  /// A model with random weights on a corpus of random records.
  private func make(
    _ name: String, _ options: (any ObjectiveOptions)? = nil, _ shape: [Int] = [1, 4, 6], patch: [Int] = [2, 2],
    threads: Int = 1, records count: Int = 10
  ) throws -> Made {
    BLAS.useOneThread()
    let numbers = shape.reduce(1, *)
    let files = try ValueCorpus(
      shape, train: records(20, numbers, seed: 1), validation: records(count, numbers, seed: 2))
    let data = try #require(files.corpus.manifest.values).shape(patch: patch)
    let entry = try #require(ObjectiveRegistry.entry(named: name))
    let chosen = options ?? entry.defaultOptions
    let model = entry.requirements(chosen).model(data, hiddenSize: 16, numLayers: 1, numHeads: 2, maxPosition: 0)
    let objective = try entry.make(chosen, model, data)
    let parameters = ParameterSet(objective.networks)
    parameters.initialize(seed: 3)
    var layout = ParameterLayout()
    let encoder = Transformer(objective.encoder.configuration, head: false, into: &layout)
    let own = ParameterStore(layout)
    own.initialize(seed: 4)
    let measured = MeasuredModel(
      path: "memory", encoder: encoder, parameters: own, data: data, objective: (name, chosen),
      held: (objective, parameters))
    return Made(
      files: files,
      context: MeasureContext(
        measured, corpus: files.corpus, communicator: SingleRank(), threads: threads, microBatch: 4),
      objective: objective, parameters: parameters)
  }

  // MARK: - features

  @Test func spreadOfNormalisedFeatures() {
    // All rows point one way: no spread. The four unit vectors ±e₁, ±e₂: a deviation of √½ in either dimension.
    #expect(FeatureMeasure.normalizedDeviation([1, 2, 2, 4, 5, 10], width: 2) < 1e-7)
    #expect(abs(FeatureMeasure.normalizedDeviation([3, 0, -1, 0, 0, 2, 0, -7], width: 2) - 1) < 1e-12)
  }

  @Test func featuresOfRecords() throws {
    let made = try make("mae")
    var options = FeatureMeasure.Options()
    options.positions = 2
    let result = try FeatureMeasure(options)(made.context)
    #expect(result["features.mean.rows"] == 10 && result["features.all.rows"] == 20)
    #expect(try #require(result["features.all.effective_rank"]) > 1)
    let threaded = try make("mae", threads: 3)
    #expect(try FeatureMeasure(options)(threaded.context) == result)
    // A network that gives one vector for every record has collapsed.
    for index in made.context.model.parameters.layout.entries.indices {
      made.context.model.parameters.view(index).fill(0)
    }
    #expect(try FeatureMeasure(options)(made.context)["features.mean.normalized_std"] == 0)
  }

  // MARK: - reconstruct

  @Test func hiddenPositionsAreThoseTheEncoderDoesNotRead() throws {
    let context = StepContext(seed: 1, step: 0, steps: 0, purpose: .evaluation)
    let made = try make("mae")
    let clean = try made.context.model.samples(made.files.corpus, .validation).samples(at: 0..<3)
    let leading = made.context.model.configuration.leadingRows
    let example = made.objective.corrupt(clean, context)
    let hidden = HiddenPositions.of(example, clean, leading: leading)
    // 6 positions, of which ⌊6 · 0.25⌋ = 1 is visible; targets are the hidden ones.
    #expect(hidden.map(\.count) == [5, 5, 5])
    func places(_ hidden: [[Int]]) -> [Int] {
      hidden.indices.flatMap { (s: Int) -> [Int] in hidden[s].map { 6 * s + $0 } }
    }
    #expect(places(hidden) == example.targets[0].rows)
    let other = try make("simmim")
    let masked = other.objective.corrupt(clean, context)
    let own = HiddenPositions.of(masked, clean, leading: other.context.model.configuration.leadingRows)
    #expect(places(own) == masked.targets[0].rows)
    let causal = try make("ar-values")
    let next = causal.objective.corrupt(clean, context)
    #expect(
      HiddenPositions.of(next, clean, leading: causal.context.model.configuration.leadingRows) == [[], [], []])
  }

  @Test func neighboursAndClustersOfAGrid() {
    // 0 1 2
    // 3 4 5
    let grid = PositionGrid([2, 3])
    #expect(grid.distance(0, 5) == 3 && grid.distance(1, 4) == 1)
    #expect(grid.nearest(to: 4, among: [0, 2]) == [0, 2] && grid.nearest(to: 4, among: [0, 3, 5]) == [3, 5])
    #expect(grid.nearest(to: 4, among: []) == [])
    #expect(grid.clusters([0, 1, 5]).sorted() == [1, 2] && grid.clusters([0, 1, 4, 5]) == [4])
  }

  /// The predictions that the loss compares: the objective's own loss again.
  @Test(arguments: ["mae", "simmim", "ar-values", "ar-diverse-values", "colormae"])
  func predictionsAreThoseOfTheLoss(name: String) throws {
    let made = try make(name)
    let clean = try made.context.model.samples(made.files.corpus, .validation).samples(at: 0..<3)
    let example = made.objective.corrupt(clean, StepContext(seed: 1, step: 0, steps: 0, purpose: .evaluation))
    let pass = ObjectivePass(made.parameters, sink: nil, dropout: nil)
    let (arena, memory) = Arena.sized { made.objective.workspace(samples: 3, length: 6, $0) }
    try withExtendedLifetime(arena) {
      let loss = made.objective.lossAndGradient(example, pass, scales: [0], memory)[0]
      let found = try #require(made.objective.predictions(example, pass, memory))
      let (values, targets) = (found.values, example.targets[0].values)
      #expect(values.count == targets.count)
      let isL1 = name == "simmim"
      let sum: Double = zip(values, targets).reduce(0) { total, pair in
        let difference = Double(pair.0) - Double(pair.1)
        return total + (isL1 ? abs(difference) : difference * difference)
      }
      #expect(abs(sum / 4 - loss) < 1e-4 * loss, "\(sum / 4), \(loss)")
      // Brought back, the targets themselves are the clean numbers of their places.
      var truth = found
      truth.values = targets
      let back = truth.inUnits(of: clean)
      for (index, place) in found.places.enumerated() {
        for k in 0..<4 { #expect(abs(back[4 * index + k] - clean.values[4 * place + k]) < 1e-4) }
      }
    }
  }

  /// A head of zeros predicts the position's own mean where targets are normalised, 0 otherwise.
  @Test func errorsOfAZeroPredictionAreKnown() throws {
    var options = MAE.Options()
    options.normPixLoss = false
    let made = try make("mae", options)
    for entry in made.parameters.trained.layout.entries where entry.name.hasPrefix("output") {
      made.parameters.trained.view(entry.index).fill(0)
    }
    let predictor = try RecordPredictor(
      made.objective, made.parameters, made.context, made.files.corpus, ReconstructMeasure.name)
    let measure = try ReconstructMeasure(.init())
    let result = try measure.measure(predictor, made.files.corpus, made.context)
    let mse = try #require(result["reconstruct.mse"])
    #expect(result["reconstruct.mean_mse"] == mse && mse > 0.5 && mse < 2)
    #expect(abs(try #require(result["reconstruct.scored"]) - 5.0 / 6) < 1e-12)
    // The data's units: one channel, so MSE · deviation².
    let data = try #require(made.files.corpus.manifest.values)
    let values = records(10, 24, seed: 2).0
    let range = Double(values.max() ?? 0) - Double(values.min() ?? 0)
    let expected = 10 * log10(range * range / (mse * data.deviation[0] * data.deviation[0]))
    #expect(abs(try #require(result["reconstruct.psnr"]) - expected) < 1e-4)
    #expect(
      result.pictures.map(\.name) == ["records"] && result.pictures[0].png?.prefix(4) == Data([0x89, 80, 78, 71]))
    let threaded = MeasureContext(
      made.context.model, corpus: made.files.corpus, communicator: SingleRank(), threads: 3, microBatch: 4)
    #expect(try measure.measure(predictor, made.files.corpus, threaded).values == result.values)
  }

  @Test func neighboursAreMeansByChannel() throws {
    let made = try make("mae", nil, [2, 4, 6])
    let predictor = try RecordPredictor(
      made.objective, made.parameters, made.context, made.files.corpus, ReconstructMeasure.name)
    // 6 positions of 2 channels × 4 numbers; position 4 has the visible neighbours 1 and 3, and 0 is farther.
    let numbers: [Float] = (0..<48).map { Float($0) }
    let record = PredictedRecord(
      numbers: numbers, observed: [], hidden: [2, 4, 5], scored: [4], predicted: [Float](repeating: 0, count: 8),
      isScored: [], visible: [[0, 1, 3]])
    // Channel 0: 8 … 11 and 24 … 27; channel 1: 12 … 15 and 28 … 31.
    #expect(predictor.neighbours(record, 0) == [17.5, 17.5, 17.5, 17.5, 21.5, 21.5, 21.5, 21.5])
  }

  // MARK: - masks

  @Test func masksOfKnownCounts() throws {
    // Three masks of two of four positions, hiding them 3, 1, 1, 1 times. Σ r = 1.5, so each is expected 1.5 times;
    // Σ (h - 1.5)² = 3, and the variance is 3 · ¼ · 4/3 = 1. Clusters: {0, 1}, {0}, {2}, {0}, {3}.
    let result = MasksMeasure.result(
      [[1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], clusters: 5, grid: 4)
    #expect(result["masks.rate"] == 0.5 && result["masks.chi2"] == 3)
    #expect(result["masks.chi2_z"] == 0 && result["masks.cluster_size"] == 1.2)
    let rows = try #require(result.tables["masks.by_position"]).rows
    #expect(rows[0] == [0, 1] && rows[3] == [3, 1 / Double(3)])
  }

  @Test func masksOfAnObjective() throws {
    let (made, threaded) = (try make("mae", records: 200), try make("mae", threads: 3, records: 200))
    let result = try MasksMeasure(.init())(made.context)
    #expect(abs(try #require(result["masks.rate"]) - 5.0 / 6) < 1e-12 && result["masks.records"] == 200)
    // Random masks: a normal deviate; the bound fails once in 10,000 seeds.
    #expect(abs(try #require(result["masks.chi2_z"])) < 4)
    #expect(try MasksMeasure(.init())(threaded.context) == result)
    let next = try make("ar-values")
    let causal = try MasksMeasure(.init())(next.context)
    #expect(causal["masks.rate"] == 0 && causal["masks.chi2"] == nil && causal.notes.count == 1)
  }

  // MARK: - forecast

  @Test func ridgeFindsALinearMap() {
    let random = CounterGenerator(seed: 9, purpose: .order)
    let x = (0..<200).map { i in (0..<3).map { Double(random.uniform(3 * i + $0)) } }
    let y = x.map { [2 * $0[0] - $0[2] + 5, $0[1]] }
    let ridge = RidgeRegression(x, y)
    #expect(ridge.strength == 1e-4)
    let found = ridge([0.25, 0.5, 1])
    #expect(abs(found[0] - 4.5) < 2e-3 && abs(found[1] - 0.5) < 2e-3, "\(found)")
    // Noise: the mean is the best that there is.
    let noise = x.indices.map { [Double(random.uniform(1000 + $0))] }
    #expect(RidgeRegression(x, noise).strength >= 0.1)
  }

  /// What an objective predicts for given positions: numbers that do not depend on what stood there, and that it
  /// predicts again where its own predictions are read.
  @Test(arguments: ["ti-mae", "mae", "simmim", "ar-values", "ar-diverse-values", "simmim-varlen"])
  func completionOfGivenPositions(name: String) throws {
    var options = MAE.Options()
    options.normPixLoss = false
    let made = try make(name, name == "mae" ? options : nil, [2, 12], patch: [2])
    let clean = try made.context.model.samples(made.files.corpus, .validation).samples(at: 0..<3)
    let hidden = [1, 4, 5]
    let predictor = try #require(made.objective.predictor(hiding: hidden).found)
    let pass = ObjectivePass(made.parameters, sink: nil, dropout: nil)
    let memory = SizedWorkspace { predictor.workspace(3, 6, $0) }
    let completed = predictor.completed(clean, pass, memory.workspace)
    var changed = clean
    for place in clean.values.indices {
      let isHidden = hidden.contains(place / 4 % 6)
      #expect((completed.values[place] == clean.values[place]) != isHidden)
      if isHidden { changed.values[place] += 5 }
    }
    #expect(predictor.completed(changed, pass, memory.workspace).values == completed.values)
    // Threads and groups: a sample by itself.
    let alone = SizedWorkspace { predictor.workspace(1, 6, $0) }
    let second = predictor.completed(clean.taking([1]), pass, alone.workspace).values
    for (a, b) in zip(second, completed.values[24..<48]) { #expect(abs(a - b) < 1e-5) }
    guard made.objective.encoder.configuration.attentionMask == .causal else { return }
    let again = SizedWorkspace { made.objective.workspace(samples: 3, length: 6, $0) }
    let context = StepContext(seed: 1, step: 0, steps: 0, purpose: .evaluation)
    let found = try #require(
      made.objective.predictions(made.objective.corrupt(completed, context), pass, again.workspace))
    for (index, place) in found.places.enumerated() where hidden.contains(place % 6) {
      for k in 0..<4 { #expect(found.values[4 * index + k] == completed.values[4 * place + k]) }
    }
  }

  /// Targets that are normalised by their own numbers, and networks that read everything: there is no forecast.
  @Test func objectivesThatCannotComplete() throws {
    func reason(_ made: Made, _ hidden: [Int] = [3]) -> String {
      guard case .unsupported(let reason) = made.objective.predictor(hiding: hidden) else { return "" }
      return reason
    }
    #expect(try reason(make("mae")).contains("norm_pix_loss = false"))
    #expect(try reason(make("tera", nil, [2, 12], patch: [2])).contains("no vector for hidden positions"))
    #expect(try reason(make("traj-mae", nil, [2, 12], patch: [2])).contains("type"))
    #expect(try reason(make("hybrid-distill")).contains("predicts no numbers"))
    #expect(try reason(make("simmim"), Array(0..<6)) == "")
  }

  // MARK: - encoders that do not read the positions of a record

  /// `glucofm` has layers in front of its encoder: states are those behind these layers.
  @Test func statesBehindLayersOfTheObjective() throws {
    let made = try make("glucofm", nil, [1, 12], patch: [2])
    let model = made.context.model
    let source = try model.samples(made.files.corpus, .validation)
    let width = model.configuration.hiddenSize
    let rows = try made.context.recordRows(source, columns: width) { $0.pooled(.mean) }
    #expect(rows.count == 10 && rows.allSatisfy { $0.allSatisfy(\.isFinite) })
    // The same by hand.
    let input = made.objective.whole(try source.group(0, of: 4))
    let front = try #require(made.objective.encoderRows(input, made.parameters.trained))
    let size = model.configuration.inputSize
    let (arena, parts) = Arena.sized {
      (
        Transformer.Workspace(model.encoder, samples: 4, length: input.length, forBackward: false, $0),
        $0.matrix(front.count / size, size)
      )
    }
    withExtendedLifetime(arena) {
      parts.1.copy(from: front)
      let hidden = model.encoder.forward(input, Pass(model.parameters), rows: parts.1, parts.0)
      let leading = model.configuration.leadingRows
      for j in 0..<width {
        let sum = (leading..<input.length).reduce(0.0) { $0 + Double(hidden[$1, j]) }
        #expect(abs(rows[0][j] - sum / Double(input.length - leading)) < 1e-6)
      }
    }
    #expect(try #require(ForecastMeasure(.init()).unsupportedReason(model)).contains("layers in front"))
    #expect(try #require(MasksMeasure(.init()).unsupportedReason(model)).contains("glucofm"))
    #expect(try FeatureMeasure(.init()).unsupportedReason(model) == nil)
  }

  @Test func encodersOfTypesAndOfOneChannel() throws {
    let made = try make("traj-mae", nil, [2, 12], patch: [2])
    let (context, typed) = (made.context, made.context.model)
    #expect(try #require(ForecastMeasure(.init()).unsupportedReason(typed)).contains("by their type"))
    #expect(try #require(ReconstructMeasure(.init()).unsupportedReason(typed)).contains("by their type"))
    let places = try context.recordRows(
      try typed.samples(made.files.corpus, .validation), columns: 6
    ) { $0.places.map(Double.init) }
    #expect(places[0] == [0, 1, 2, 3, 4, 5])
  }

  /// Series of two channels: t mod 4, and a constant of the record.
  @Test func forecastsOfAPeriodicSeries() throws {
    func series(_ count: Int) -> ([Float], [UInt8]) {
      var values: [Float] = []
      for record in 0..<count {
        for step in 0..<12 { values.append(Float((step + record) % 4)) }
        values += [Float](repeating: Float(record % 5), count: 12)
      }
      return (values, [UInt8](repeating: 0, count: count))
    }
    let files = try ValueCorpus([2, 12], train: series(40), validation: series(10), unit: .steps)
    let made = try make("ti-mae", nil, [2, 12], patch: [2])
    let context = MeasureContext(
      made.context.model, corpus: files.corpus, communicator: SingleRank(), threads: 1, microBatch: 4)
    var options = ForecastMeasure.Options()
    (options.horizons, options.period) = ("4, 1", 4)
    let result = try ForecastMeasure(options)(context)
    #expect(abs(try #require(result["forecast.4.seasonal_mse"])) < 1e-10)
    #expect(try #require(result["forecast.4.raw_mse"]) < 1e-3)
    let data = try #require(files.corpus.manifest.values)
    // The window ends at step 8: channel 0 is off by 1, 1, 1 or 3 one step later, channel 1 by nothing.
    let lasts: [Double] = (0..<10).map { (record: Int) -> Double in
      let difference = Double((7 + record) % 4) - Double((8 + record) % 4)
      return difference * difference / (data.deviation[0] * data.deviation[0])
    }
    let expected = lasts.reduce(0, +) / 20
    #expect(abs(try #require(result["forecast.1.last_value_mse"]) - expected) < 1e-4 * expected)
    #expect(try #require(result["forecast.1.mse"]).isFinite)
    #expect(try #require(result["forecast.4.decoder_mse"]).isFinite)
    #expect(result.values.first { $0.name == "forecast.4.decoder_mse" }?.better == .lower)
    #expect(result.values.first { $0.name == "forecast.1.raw_mae" }?.baselineOf == "forecast.1.mae")
    options.horizons = "12"
    #expect(throws: ConfigurationError.self) { try ForecastMeasure(options)(context) }
    options.horizons = "4,x"
    #expect(throws: ConfigurationError.self) { try ForecastMeasure(options) }
  }

  // MARK: - pictures

  @Test func seriesAreCurves() throws {
    let made = try make("ti-mae", nil, [2, 12], patch: [3])
    let predictor = try RecordPredictor(
      made.objective, made.parameters, made.context, made.files.corpus, ReconstructMeasure.name)
    let result = try ReconstructMeasure(.init()).measure(predictor, made.files.corpus, made.context)
    #expect(result.pictures.count == 6 && result.pictures.allSatisfy { $0.png == nil })
    let curves = try #require(result.pictures[0].lines?.curves)
    #expect(curves.map(\.name) == ["input", "visible", "predicted"] && curves[0].points.count == 12)
    #expect(curves[1].points.count + curves[2].points.count == 12)
    let values = records(10, 24, seed: 2).0
    for step in 0..<12 {
      let difference: Double = curves[0].points[step][1] - Double(values[step])
      #expect(abs(difference) < 1e-4)
    }
  }
}
