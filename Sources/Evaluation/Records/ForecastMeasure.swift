import Core
import Data
import Foundation
import Objectives

/// `forecast`: how well a model predicts the end of a series from its beginning: with the objective's own decoder, and
/// by a linear regression on the encoder's features.
///
/// *Concretely:* with H the largest horizon, the encoder reads the positions of a record that lie wholly before its
/// last H steps: the window. A ridge regression on the mean and the last state of the window predicts all channels of
/// the next h steps, for each horizon h. It is fitted on records of the training split and tested on those of the
/// validation split, in standardised units. `decoder` is what the objective predicts when all behind the window is
/// hidden: a masked model at once, a causal model step by step from its own predictions. Baselines on the same records:
/// the last value of the window, the value one period earlier, and the same regression on the numbers of the window.
/// - Complexity: a forward pass per record, and for a causal model's decoder one for each hidden position; columns³ for
///   each regression.
public struct ForecastMeasure: Measure {
  /// The keys of `measures.forecast`.
  public struct Options: MeasureOptions {
    /// Steps ahead, separated by commas.
    public var horizons = "24"
    /// Steps of a season.
    public var period = 24
    /// At most so many records, evenly spread over their split; 0 for all.
    public var trainRecords = 2000
    /// At most so many records of the split; 0 for all.
    public var testRecords = 0

    public init() {}
  }

  public static let name = "forecast"
  public static let summary =
    "Error of forecasts by the model's decoder and by ridge regression on its features, and three baselines."

  private let options: Options
  private let horizons: [Int]

  public init(_ options: Options) throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ sentence: String) {
      if !holds { problems.append(.init(key: "measures.forecast.\(key)", sentence: sentence)) }
    }
    let parts = options.horizons.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Int($0.trimmingCharacters(in: .whitespaces)) }
    require(
      numbers.count == parts.count && numbers.allSatisfy { $0 >= 1 } && Set(numbers).count == numbers.count, "horizons",
      "is \(options.horizons); it must be different numbers of steps from 1, separated by commas, such as 24,48.")
    require(options.period >= 1, "period", "is \(options.period); it must be 1 or more.")
    require(options.trainRecords >= 0, "train_records", "is \(options.trainRecords); it must be 0 (all) or more.")
    require(options.testRecords >= 0, "test_records", "is \(options.testRecords); it must be 0 (all) or more.")
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    (self.options, horizons) = (options, numbers.sorted())
  }

  public func problems(input: ObjectiveRequirements.Input) -> [ConfigurationError.Problem] {
    RecordMeasures.problems(input, Self.name)
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    guard let grid = model.data.grid else { return RecordMeasures.unsupportedReason(model) }
    if let reason = RecordMeasures.unsupportedReason(model, [.positions]) { return reason }
    return grid.extent.count == 1 ? nil : "reads records of \(grid.extent.count) axes, and this reads series"
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let (model, corpus) = (context.model, try context.requireCorpus(Self.name))
    guard let grid = model.data.grid, let longest = horizons.last else {
      throw ConfigurationError("--measure", is: Self.name, rule: "it needs a model of series.")
    }
    let window = SeriesWindow(grid, horizon: longest)
    guard window.steps >= 1 else {
      throw ConfigurationError(
        "measures.forecast.horizons", is: options.horizons,
        rule: "the largest must leave a whole patch of \(grid.patch[0]) of the \(grid.extent[0]) steps of a record.")
    }
    let train = SpreadSource(try model.samples(corpus, .train), count: options.trainRecords)
    let test = SpreadSource(try model.samples(corpus, .validation), count: options.testRecords)
    guard train.samplesPerEpoch >= 10 else {
      throw DataError(
        corpus.folder, "has \(counted(train.samplesPerEpoch, "training record")), and a forecast needs ten.",
        remedy: "Prepare a corpus with more records, such as shorter windows of the series.")
    }
    let (fitted, tested) = (try Series(train, window, context), try Series(test, window, context))
    let decoded = try DecoderForecast(test, window, context)
    var result = MeasureResult([])
    for horizon in horizons {
      let forecasts = Forecasts(
        fitted, tested, window, horizon: horizon, period: options.period, decoded: decoded.series)
      result.values += forecasts.values
    }
    result.notes += decoded.notes
    result.notes.append(
      "The encoder reads the first \(window.steps) of \(grid.extent[0]) steps; fitted on \(fitted.features.count) records, tested on \(tested.features.count)."
    )
    return result
  }
}

extension ForecastMeasure.Options {
  public static var sentences: [String: String] {
    [
      "horizons": "Steps ahead, separated by commas; the encoder reads what is before the largest.",
      "period": "Steps of a season: the seasonal baseline repeats the value one period earlier.",
      "train_records": "At most so many training records, evenly spread over the split; 0 for all.",
      "test_records": "At most so many validation records, evenly spread over the split; 0 for all.",
    ]
  }
}

/// The beginning of series that an encoder reads.
struct SeriesWindow: Sendable {
  let grid: GridShape
  /// Steps of the window: whole positions before the horizon.
  let steps: Int
  /// Positions of the window, in rising order.
  let positions: [Int]

  init(_ grid: GridShape, horizon: Int) {
    let (patch, cells) = (grid.patch[0], grid.grid[0])
    let shown = max(0, (grid.extent[0] - horizon) / patch)
    (self.grid, steps) = (grid, shown * patch)
    positions = (0..<grid.positions).filter { $0 % cells < shown }
  }

  /// Some steps of all channels of a series [channels · steps].
  func slice(_ series: [Double], _ steps: Range<Int>) -> [Double] {
    (0..<grid.channels).flatMap { channel in steps.map { series[channel * grid.extent[0] + $0] } }
  }

  /// A sample [positions, k] as [channels, steps].
  func series<Number>(_ sample: ArraySlice<Number>, zero: Number) -> [Number] {
    var result = [Number](repeating: zero, count: grid.count)
    for place in 0..<grid.count {
      result[grid.element(place / grid.size, place % grid.size)] = sample[sample.startIndex + place]
    }
    return result
  }
}

/// The records of a split with the features of their windows.
private struct Series {
  /// The mean and the last state.
  let features: [[Double]]
  /// [channels · steps], standardised, and which were measured; empty for all.
  let numbers: [[Double]]
  let observed: [[Bool]]

  /// Collective.
  init(_ source: any SampleSource, _ window: SeriesWindow, _ context: MeasureContext) throws {
    let model = context.model.configuration
    features = try context.recordRows(
      source, columns: 2 * model.hiddenSize,
      read: { batch in
        batch.patches(model, shown: [[Int]](repeating: window.positions, count: batch.count))
      }
    ) { $0.pooled(.mean) + $0.pooled(.last) }
    let batches = try (0..<UInt64(source.samplesPerEpoch)).map { try source.samples(at: $0..<$0 + 1) }
    numbers = batches.map { window.series($0.values[...], zero: 0).map(Double.init) }
    observed = batches.map { $0.observed.isEmpty ? [] : window.series($0.observed[...], zero: true) }
  }

  func slice(_ record: Int, _ steps: Range<Int>, of window: SeriesWindow) -> [Double] {
    window.slice(numbers[record], steps)
  }
}

/// What the objective's own networks predict behind the window.
private struct DecoderForecast {
  /// [channels · steps behind the window] of each record, standardised; nil where the objective predicts nothing so.
  let series: [[Double]]?
  let notes: [String]

  /// Collective.
  init(_ source: any SampleSource, _ window: SeriesWindow, _ context: MeasureContext) throws {
    let (grid, size) = (window.grid, context.microBatch)
    let isShown = Set(window.positions)
    let hidden = (0..<grid.positions).filter { !isShown.contains($0) }
    let (objective, parameters) = try context.model.objectiveAndParameters()
    let predictor: PositionPredictor
    switch objective.predictor(hiding: hidden) {
    case .predictor(let found): predictor = found
    case .unsupported(let reason):
      (series, notes) = (
        nil, ["\(context.model.objective.name) has no forecast of its own, so no decoder_mse: \(reason)."]
      )
      return
    }
    let (count, numbers) = (source.samplesPerEpoch, grid.count)
    let ahead = window.steps..<grid.extent[0]
    let rows = try context.rows(
      (count + size - 1) / size, columns: size * grid.channels * ahead.count,
      workspace: { SizedWorkspace { predictor.workspace(size, grid.positions, $0) } }
    ) { index, memory in
      let completed = predictor.completed(
        try source.group(index, of: size), ObjectivePass(parameters, sink: nil, dropout: nil), memory.workspace)
      return (0..<size).flatMap { sample -> [Double] in
        let own = window.series(completed.values[sample * numbers..<(sample + 1) * numbers], zero: 0)
        return window.slice(own.map(Double.init), ahead)
      }
    }
    let columns = grid.channels * ahead.count
    let records = rows.flatMap { row in (0..<size).map { Array(row[$0 * columns..<($0 + 1) * columns]) } }
    series = Array(records.prefix(count))
    notes = []
  }
}

/// Errors of a horizon.
private struct Forecasts {
  let values: [MeasuredValue]

  /// - Parameter decoded: the series as the objective's networks complete them, where they do.
  init(
    _ train: Series, _ test: Series, _ window: SeriesWindow, horizon: Int, period: Int, decoded: [[Double]]?
  ) {
    let (seen, ahead) = (0..<window.steps, window.steps..<window.steps + horizon)
    let targets = train.numbers.indices.map { train.slice($0, ahead, of: window) }
    let model = RidgeRegression(train.features, targets)
    let raw = RidgeRegression(train.numbers.indices.map { train.slice($0, seen, of: window) }, targets)
    // Whole periods back from a step to the window.
    let seasonal = ahead.map { max($0 - ($0 - window.steps) / period * period - period, 0) }
    var forecasters: [(name: String, isBaseline: Bool, (Int) -> [Double])] = [
      ("", false, { model(test.features[$0]) }),
      (
        "last_value_", true,
        { record in
          (0..<window.grid.channels).flatMap { channel in
            [Double](
              repeating: test.numbers[record][channel * window.grid.extent[0] + window.steps - 1], count: horizon)
          }
        }
      ),
      (
        "seasonal_", true,
        { record in
          (0..<window.grid.channels).flatMap { channel in
            seasonal.map { test.numbers[record][channel * window.grid.extent[0] + $0] }
          }
        }
      ),
      ("raw_", true, { raw(test.slice($0, seen, of: window)) }),
    ]
    if let decoded {
      let steps = window.grid.extent[0] - window.steps
      forecasters.append(
        (
          "decoder_", false,
          { record in (0..<window.grid.channels).flatMap { decoded[record][$0 * steps..<$0 * steps + horizon] } }
        ))
    }
    values = forecasters.flatMap { name, isBaseline, forecast in
      Self.errors(forecast, name, isBaseline: isBaseline, test, window, ahead, horizon)
    }
  }

  private static func errors(
    _ forecast: (Int) -> [Double], _ name: String, isBaseline: Bool, _ test: Series, _ window: SeriesWindow,
    _ ahead: Range<Int>, _ horizon: Int
  ) -> [MeasuredValue] {
    var (squares, sizes, counts) = ([Double](), [Double](), [Double]())
    for record in test.numbers.indices {
      let (found, truth) = (forecast(record), test.slice(record, ahead, of: window))
      var (square, size, count) = (0.0, 0.0, 0.0)
      for place in truth.indices {
        let step = place / horizon * window.grid.extent[0] + ahead.lowerBound + place % horizon
        guard test.observed[record].isEmpty || test.observed[record][step] else { continue }
        square += (found[place] - truth[place]) * (found[place] - truth[place])
        size += abs(found[place] - truth[place])
        count += 1
      }
      squares.append(square)
      sizes.append(size)
      counts.append(count)
    }
    let total = max(counts.reduce(0, +), 1)
    return [("mse", squares), ("mae", sizes)].map { quantity, sums in
      let items = MeasuredValue.Items(sums: sums, counts: counts)
      let own = "forecast.\(horizon).\(quantity)"
      return MeasuredValue(
        "forecast.\(horizon).\(name)\(quantity)", sums.reduce(0, +) / total, unit: "of standardised numbers",
        better: isBaseline ? .neither : .lower, standardError: ratioError(items), least: 0,
        baselineOf: isBaseline ? own : nil, items: items)
    }
  }
}
