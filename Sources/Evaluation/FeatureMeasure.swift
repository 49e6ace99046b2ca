import Collectives
import Core
import Data
import Kernels
import Layers
import Models
import Tensors

/// `features`: how many directions the features of texts or records of numbers use: the singular spectrum of the
/// centred feature matrix, and its effective rank.
///
/// *Concretely:* the last hidden states of each window give three kinds of features: `mean` over its ordinary tokens,
/// the `last` ordinary token, and single positions (`all`). See `FeatureSpectrum` for σ and exp(H(σ / Σσ)), and
/// `RecordFeatures` for records of numbers. `normalized_std` is √D times the mean over dimensions of the standard
/// deviation of f / ‖f‖ over rows f: 0 where all features point one way, about 1 where they point everywhere.
/// - Complexity: one forward pass per window, and rows · width² for each spectrum.
public struct FeatureMeasure: Measure {
  public struct Options: MeasureOptions {
    /// At most so many windows of context − 2 tokens, evenly spread over the split; 0 for all.
    public var windows = 512
    /// The same for records of numbers.
    public var records = 512
    /// At most so many positions of a window, evenly spread, are features of `all`; 0 for every one.
    public var positions = 16

    public init() {}
  }

  public static let name = "features"
  public static let summary = "Singular spectrum and effective rank of features: mean, last and single positions."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    for (key, value) in [
      ("windows", options.windows), ("records", options.records), ("positions", options.positions),
    ] where value < 0 {
      problems.append(.init(key: "measures.\(Self.name).\(key)", sentence: "is \(value); it must be 0 (all) or more."))
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    self.options = options
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? { nil }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    guard context.model.data.grid != nil else {
      return try measure(try TextWindows(context, count: options.windows, measure: Self.name), context)
    }
    let features = try RecordFeatures(
      context, records: options.records, positions: options.positions, measure: Self.name)
    return Self.result(features.kinds, width: context.model.configuration.hiddenSize, more: "records")
  }

  public func measure(_ windows: TextWindows, _ context: MeasureContext) throws -> MeasureResult {
    let (encoder, parameters) = (context.model.encoder, context.model.parameters)
    let width = encoder.configuration.hiddenSize
    let isSpecial = Set(context.model.vocabulary.special)
    let most =
      options.positions == 0
      ? encoder.configuration.maxPosition : min(options.positions, encoder.configuration.maxPosition)
    let rows = try context.rows(
      windows.windows.count, columns: 1 + (2 + most) * width,
      workspace: { ForwardWorkspace(encoder, samples: 1, length: encoder.configuration.maxPosition) }
    ) { index, workspace in
      let text = windows.framed(index)
      let ordinary = text.indices.filter { !isSpecial.contains(text[$0]) }
      guard let last = ordinary.last else { return [Double](repeating: 0, count: 1 + (2 + most) * width) }
      let ranges = AttentionRanges(
        samples: 1, length: text.count, documentIDs: [Int32](repeating: 0, count: text.count),
        causal: encoder.configuration.attentionMask == .causal, documentMasking: false)
      let states = encoder.forward(
        SequenceInput(sampleIDs: [0], length: text.count, tokens: text, ranges: ranges), Pass(parameters),
        workspace.transformer)
      var mean = [Double](repeating: 0, count: width)
      for i in ordinary { for k in 0..<width { mean[k] += Double(states[i, k]) / Double(ordinary.count) } }
      let count = min(most, ordinary.count)
      let chosen = (0..<count).map { ordinary[$0 * ordinary.count / count] }
      let single = ([last] + chosen).flatMap { i in (0..<width).map { Double(states[i, $0]) } }
      return [Double(count)] + mean + single + [Double](repeating: 0, count: (most - count) * width)
    }
    let used = rows.filter { $0[0] > 0 }
    guard used.count > 1 else {
      throw DataError(
        context.corpus?.folder ?? "the corpus",
        "has fewer than two windows with ordinary tokens in its \(context.split.rawValue) split.")
    }
    func features(_ part: ([Double]) -> ArraySlice<Double>) -> [Float] { used.flatMap { part($0).map { Float($0) } } }
    let kinds: [(String, [Float])] = [
      ("mean", features { $0[1..<1 + width] }), ("last", features { $0[(1 + width)..<1 + 2 * width] }),
      ("all", features { $0[(1 + 2 * width)..<1 + (2 + Int($0[0])) * width] }),
    ]
    return Self.result(kinds, width: width, more: "windows")
  }

  /// - Parameter more: the option that gives more rows.
  private static func result(_ kinds: [(String, [Float])], width: Int, more: String) -> MeasureResult {
    var result = MeasureResult([])
    for (kind, values) in kinds {
      add(FeatureSpectrum(values, rows: values.count / width, columns: width), kind, more: more, to: &result)
      let spread = normalizedDeviation(values, width: width)
      result.values.append(MeasuredValue("features.\(kind).normalized_std", spread, least: 0))
    }
    return result
  }

  /// √D times the mean over dimensions of the standard deviation of f / ‖f‖ over rows f; a row of zeros stays.
  ///
  /// Reference: Chen, He, "Exploring simple Siamese representation learning", 2020, arXiv 2011.10566, figure 2.
  static func normalizedDeviation(_ features: [Float], width: Int) -> Double {
    let rows = stride(from: 0, to: features.count, by: width).map { start -> [Double] in
      let row = features[start..<start + width].map(Double.init)
      let length = row.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return length > 0 ? row.map { $0 / length } : row
    }
    let n = Double(rows.count)
    let deviations = (0..<width).map { k -> Double in
      let mean = rows.reduce(0) { $0 + $1[k] } / n
      return (rows.reduce(0) { $0 + ($1[k] - mean) * ($1[k] - mean) } / n).squareRoot()
    }
    return deviations.reduce(0, +) / Double(width).squareRoot()
  }

  /// The values, the table and the note of one kind of feature.
  private static func add(_ spectrum: FeatureSpectrum, _ kind: String, more: String, to result: inout MeasureResult) {
    let width = spectrum.columns
    let total = spectrum.singularValues.reduce(0, +)
    let shares = spectrum.singularValues.map { total > 0 ? $0 / total : 0 }
    result.values += [
      MeasuredValue(
        "features.\(kind).effective_rank", spectrum.effectiveRank, unit: "of \(width)", better: .neither, least: 1,
        most: Double(width)),
      MeasuredValue("features.\(kind).largest_share", shares.first ?? 0, least: 0, most: 1),
      MeasuredValue("features.\(kind).rows", Double(spectrum.rows)),
    ]
    result.tables["spectrum.\(kind)"] = MeasuredTable(
      ["i", "singular_value", "share"],
      shares.indices.map { [Double($0 + 1), spectrum.singularValues[$0], shares[$0]] })
    if spectrum.rows <= width {
      result.notes.append(
        "features.\(kind) has \(counted(spectrum.rows, "row")) for \(width) dimensions: its rank is limited by the rows; set more \(more)."
      )
    }
  }
}

extension FeatureMeasure.Options {
  public static var sentences: [String: String] {
    [
      "windows": "At most so many windows of context − 2 tokens, evenly spread over the split; 0 for all.",
      "records": "At most so many records of numbers, evenly spread over the split; 0 for all.",
      "positions":
        "At most so many positions of a window or record, evenly spread, are features of `all`; 0 for every one.",
    ]
  }
}
