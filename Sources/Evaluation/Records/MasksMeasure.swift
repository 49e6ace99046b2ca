import Core
import Data
import Objectives

/// `masks`: what an objective on numbers hides: how much, how evenly, and in how large pieces.
///
/// *Concretely:* over S records with the masks of evaluation, hₚ of which hide position p of L, and the s-th of which
/// hides the share r_s: `rate` is the mean of r_s; `chi2` is Σₚ (hₚ - Σ r_s)² / (Σ r_s·(1 - r_s) · L/(L - 1)), which
/// for uniform masks of any sizes has the mean L - 1, as χ² with L - 1 degrees of freedom; `chi2_z` is (chi2 - (L - 1))
/// / √(2·(L - 1)). `cluster_size` is the mean number of positions in the sets of hidden ones that are joined by steps
/// along an axis. Weights are not used.
/// - Complexity: O(L²) per record.
public struct MasksMeasure: Measure {
  /// The keys of `measures.masks`.
  public struct Options: MeasureOptions {
    /// At most so many records, evenly spread over the split; 0 for all.
    public var records = 1000

    public init() {}
  }

  public static let name = "masks"
  public static let summary = "Rate, evenness over positions and cluster size of what an objective on numbers hides."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    guard options.records >= 0 else {
      throw ConfigurationError("measures.masks.records", is: options.records, rule: "it must be 0 (all) or more.")
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
    let (model, corpus) = (context.model, try context.requireCorpus(Self.name))
    let source = SpreadSource(try model.samples(corpus, context.split), count: options.records)
    let objective = try model.makeObjective()
    let (length, grid) = (model.configuration.maxPosition, PositionGrid(model.data.grid?.positionGrid ?? []))
    let (leading, seed) = (model.configuration.leadingRows, context.seed)
    let rows = try context.rows(source.samplesPerEpoch, columns: length + 2, workspace: {}) { index, _ in
      let clean = try source.samples(at: UInt64(index)..<UInt64(index) + 1)
      let example = objective.corrupt(
        clean, StepContext(seed: seed, step: 0, steps: 0, purpose: .evaluation))
      let hidden = HiddenPositions.of(example, clean, leading: leading)[0]
      let isHidden = Set(hidden)
      let clusters = grid.clusters(hidden)
      return (0..<length).map { isHidden.contains($0) ? 1 : 0 } + [Double(clusters.count), Double(hidden.count)]
    }
    return Self.result(
      rows.map { Array($0.prefix(length)) }, clusters: rows.reduce(0) { $0 + $1[length] }, grid: length)
  }

  /// - Parameters:
  ///   - masks: 1 where a position is hidden, [records, positions].
  ///   - clusters: of all masks together.
  static func result(_ masks: [[Double]], clusters: Double, grid length: Int) -> MeasureResult {
    let shares = masks.map { $0.reduce(0, +) / Double(length) }
    let (rate, error) = meanAndError(shares)
    var values = [
      MeasuredValue("masks.rate", rate, unit: "of the positions", standardError: error, least: 0, most: 1),
      MeasuredValue("masks.records", Double(masks.count)),
    ]
    let counts = (0..<length).map { p in masks.reduce(0) { $0 + $1[p] } }
    let (total, free) = (shares.reduce(0, +), Double(length - 1))
    let variance = shares.reduce(0) { $0 + $1 * (1 - $1) } * Double(length) / max(free, 1)
    if variance > 0, free > 0 {
      let chi2 = counts.reduce(0) { $0 + ($1 - total) * ($1 - total) } / variance
      values += [
        MeasuredValue("masks.chi2", chi2, unit: "of \(length - 1) degrees of freedom", least: 0),
        MeasuredValue("masks.chi2_z", (chi2 - free) / (2 * free).squareRoot()),
      ]
    }
    if clusters > 0 {
      values.append(
        MeasuredValue(
          "masks.cluster_size", counts.reduce(0, +) / clusters, unit: "positions", least: 1, most: Double(length)))
    }
    return MeasureResult(
      values,
      tables: [
        "masks.by_position": MeasuredTable(
          ["position", "hidden"], counts.indices.map { [Double($0), counts[$0] / Double(max(masks.count, 1))] })
      ],
      notes: total > 0 ? [] : ["The objective hides no position: it predicts positions before it reads them."])
  }
}

extension MasksMeasure.Options {
  public static var sentences: [String: String] {
    ["records": "At most so many records, evenly spread over the split; 0 for all."]
  }
}
