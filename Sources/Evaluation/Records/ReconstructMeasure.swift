import Core
import Data
import Glibc
import Kernels
import Objectives
import Tensors

/// `reconstruct`: how well an objective on numbers predicts what it hides.
///
/// *Concretely:* records of the split are hidden as for evaluation. Over all scored numbers x of hidden positions (a
/// causal model's: of every position it predicts), with x̂ the prediction, `mse` is the mean of (x̂ - x)² in
/// standardised units, and `psnr` is 10 · log₁₀(R² / MSE) with the MSE in the data's units and R the largest number of
/// the measured records minus the smallest. Where the objective normalises its targets within a position, predictions
/// are brought back with mean and deviation of the true numbers, which the model is then given. Baselines on the same
/// numbers: the mean of the training split (0 when standardised), and per channel the mean of the nearest visible
/// positions.
/// - Complexity: a forward pass per record, O(positions²) per record for the neighbours.
public struct ReconstructMeasure: Measure {
  /// The keys of `measures.reconstruct`.
  public struct Options: MeasureOptions {
    /// At most so many records, evenly spread over the split; 0 for all.
    public var records = 1000
    /// Records that are drawn.
    public var pictures = 6

    public init() {}
  }

  public static let name = "reconstruct"
  public static let summary = "Error at hidden positions of records of numbers, two baselines, and pictures."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    guard options.records >= 0 else {
      throw ConfigurationError(
        "measures.reconstruct.records", is: options.records, rule: "it must be 0 (all) or more.")
    }
    guard (0...64).contains(options.pictures) else {
      throw ConfigurationError("measures.reconstruct.pictures", is: options.pictures, rule: "it must lie in 0...64.")
    }
    self.options = options
  }

  public func problems(input: ObjectiveRequirements.Input) -> [ConfigurationError.Problem] {
    RecordMeasures.problems(input, Self.name)
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    RecordMeasures.unsupportedReason(model, [.positions, .someChannels])
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let corpus = try context.requireCorpus(Self.name)
    return try measure(try RecordPredictor(context, corpus, Self.name), corpus, context)
  }

  func measure(_ predictor: RecordPredictor, _ corpus: Corpus, _ context: MeasureContext) throws -> MeasureResult {
    let model = context.model
    let source = SpreadSource(try model.samples(corpus, context.split), count: options.records)
    let (count, size) = (source.samplesPerEpoch, context.microBatch)
    let rows = try context.rows(
      (count + size - 1) / size, columns: size * HiddenErrors.columns, workspace: { predictor.memory(size) }
    ) { index, memory in
      let predicted = try predictor.predict(try source.group(index, of: size), memory)
      return (0..<size).flatMap { HiddenErrors(predicted[$0], predictor).row }
    }
    let width = HiddenErrors.columns
    let records = rows.flatMap { row in (0..<size).map { HiddenErrors(row: row[$0 * width..<($0 + 1) * width]) } }
      .prefix(count)
    var result = try summary(Array(records), corpus.folder, positions: model.data.grid?.positions ?? 1)
    if predictor.target == .normalized {
      result.notes.append(
        "The objective normalises each position: its predictions are shown with the true mean and deviation of the position."
      )
    }
    if options.pictures > 0 {
      let shown = SpreadSource(source, count: options.pictures)
      let memory = predictor.memory(1)
      let predicted = try (0..<shown.samplesPerEpoch).map {
        try predictor.predict(try shown.group($0, of: 1), memory)[0]
      }
      result.pictures = RecordPictures(predictor).pictures(predicted)
    }
    return result
  }

  private func summary(_ records: [HiddenErrors], _ folder: String, positions: Int) throws(DataError) -> MeasureResult {
    let counts = records.map(\.count)
    let total = counts.reduce(0, +)
    guard total > 0 else {
      throw DataError(
        folder, "has no hidden number that was measured among \(counted(records.count, "record")).",
        remedy: "Measure more records.")
    }
    func mean(_ sum: (HiddenErrors) -> Double) -> Double { records.reduce(0) { $0 + sum($1) } / total }
    func value(
      _ name: String, _ sum: (HiddenErrors) -> Double, _ better: MeasuredValue.Better = .neither
    ) -> MeasuredValue {
      let items = MeasuredValue.Items(sums: records.map(sum), counts: counts)
      return MeasuredValue(
        "reconstruct.\(name)", mean(sum), unit: "of standardised numbers", better: better,
        standardError: ratioError(items), least: 0, items: items)
    }
    let range = (records.map(\.largest).max() ?? 0) - (records.map(\.smallest).min() ?? 0)
    func psnr(_ name: String, _ sum: (HiddenErrors) -> Double, of mse: String) -> MeasuredValue {
      let error = mean(sum)
      return MeasuredValue(
        "reconstruct.\(name)", error > 0 ? 10 * log10(range * range / error) : .infinity, unit: "dB",
        better: mse == "mse" ? .higher : .neither, restates: "reconstruct.\(mse)")
    }
    let hidden = records.reduce(0) { $0 + $1.positions }
    return MeasureResult([
      value("mse", { $0.model }, .lower), value("mean_mse", { $0.mean }), value("neighbour_mse", { $0.neighbours }),
      psnr("psnr", { $0.modelInUnits }, of: "mse"), psnr("mean_psnr", { $0.meanInUnits }, of: "mean_mse"),
      psnr("neighbour_psnr", { $0.neighboursInUnits }, of: "neighbour_mse"),
      MeasuredValue(
        "reconstruct.scored", hidden / Double(records.count * positions), unit: "of the positions", least: 0, most: 1),
    ])
  }
}

extension ReconstructMeasure.Options {
  public static var sentences: [String: String] {
    [
      "records": "At most so many records, evenly spread over the split; 0 for all.",
      "pictures": "Records that are drawn, 0 … 64.",
    ]
  }
}

/// What measures of records of numbers share.
enum RecordMeasures {
  static func problems(_ input: ObjectiveRequirements.Input, _ measure: String) -> [ConfigurationError.Problem] {
    input == .values
      ? [] : [.init(key: "measures.\(measure)", sentence: "needs models that read numbers, and these read text.")]
  }

  static func unsupportedReason(_ model: MeasuredModel) -> String? {
    model.data.grid == nil ? "reads text, and this reads records of numbers" : nil
  }

  /// The same of a measure that compares what the encoder reads with the positions of a record.
  /// - Parameter inputs: those that it can read.
  static func unsupportedReason(_ model: MeasuredModel, _ inputs: Set<EncoderInput>) -> String? {
    if let reason = unsupportedReason(model) { return reason }
    guard let input = try? model.makeObjective().encoderInput, !inputs.contains(input) else { return nil }
    let what =
      switch input {
      case .positions: "positions"
      case .someChannels: "some channels alone"
      case .elements: "elements by their type"
      case .layers: "what layers in front of it make of a record"
      }
    return "has an encoder that reads \(what) (\(model.objective.name)), and this needs the positions of a record"
  }
}
