import Core
import Data
import Evaluation
import Objectives

/// `frames`: what the state at a single position says about the label there, and how clusters of such states agree
/// with labels.
///
/// *Concretely:* `positions` positions of each record, spread over all its axes, give a state of the last layer each,
/// standardised by the training records. The class of a position is the id of a field with one id per row, or, of a
/// field with one id per record, the pair of that id and the part of the record, of `bins` equal ones, that the
/// position lies in. `accuracy` is that of `LinearProbe`, fitted on training records and tested on validation records.
/// `nmi` and `purity` compare the classes of validation positions with the clusters of a k-means that was fitted on
/// training positions; `cluster_perplexity` tells how evenly the clusters are used. The baselines `raw` read the
/// position's own numbers.
///
/// References: Alain, Bengio, 2016, arXiv 1610.01644; Hsu et al., "HuBERT", 2021, arXiv 2106.07447, section IV.D.
public struct FramesMeasure: Measure {
  /// The keys of `measures.frames`.
  public struct Options: MeasureOptions {
    /// The field of the corpus that holds the labels.
    public var labels = "label"
    /// Parts of a record that are told apart where a record has one label.
    public var bins = 3
    /// Clusters.
    public var clusters = 50
    /// Positions of a record, spread over all its axes.
    public var positions = 8
    /// At most so many records, evenly spread over their split; 0 for all.
    public var trainRecords = 500
    /// At most so many validation records; 0 for all.
    public var testRecords = 500

    public init() {}
  }

  public static let name = "frames"
  public static let summary =
    "Linear probe on single positions of records, and how clusters of their states agree with labels."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    func require(_ key: String, _ value: Int, in range: ClosedRange<Int>) {
      if !range.contains(value) {
        problems.append(
          .init(
            key: "measures.frames.\(key)",
            sentence: "is \(value); it must lie in \(range.lowerBound)...\(range.upperBound)."))
      }
    }
    require("bins", options.bins, in: 1...100)
    require("clusters", options.clusters, in: 2...1000)
    require("positions", options.positions, in: 1...1000)
    require("train_records", options.trainRecords, in: 0...1_000_000)
    require("test_records", options.testRecords, in: 0...1_000_000)
    if options.labels.isEmpty {
      problems.append(.init(key: "measures.frames.labels", sentence: "is empty; name the field with the labels."))
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    self.options = options
  }

  public func problems(input: ObjectiveRequirements.Input) -> [ConfigurationError.Problem] {
    input == .values
      ? [] : [.init(key: "measures.frames", sentence: "needs models that read numbers, and these read text.")]
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    guard let grid = model.data.grid else { return "reads text, and this reads records of numbers" }
    return grid.extent.isEmpty ? "reads records without an axis, which have no single positions" : nil
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let corpus = try context.requireCorpus(Self.name)
    let train = try Frames(context, corpus, .train, options, most: options.trainRecords)
    let test = try Frames(context, corpus, .validation, options, most: options.testRecords)
    let data = FrameLabels(train, test, bins: train.classesAreBinned ? options.bins : 1)
    guard Set(data.trainLabels).count >= 2, !data.testLabels.isEmpty else {
      throw DataError(
        corpus.folder, "has fewer than two classes in field \(options.labels) of the positions measured.",
        remedy: "Raise train_records or positions, or name another field.")
    }
    let split = train.validationSplit(seed: context.seed)
    guard !split.validation.isEmpty, !split.fit.isEmpty else {
      throw DataError(
        corpus.folder, "has fewer than five training records with labels.", remedy: "Raise train_records.")
    }
    var result = MeasureResult([], notes: data.remarks)
    for (name, parts) in [("", (train.states, test.states)), ("raw_", (train.numbers, test.numbers))] {
      let rows = DenseExamples(parts.0 + parts.1)
      let probe = try LinearProbe(rows, data, split: split, context) { Standardization($0, rows: $1)($0) }
      let scaled = Standardization(rows, rows: Array(parts.0.indices))(rows)
      let fitted = DenseExamples(parts.0.indices.map { Array(scaled[$0]) })
      let clusters = try KMeans(fitted, clusters: min(options.clusters, fitted.rows), context)
      let tested = DenseExamples(parts.1.indices.map { Array(scaled[parts.0.count + $0]) })
      let agreement = LabelAgreement(try clusters.nearest(tested, context).map(\.cluster), with: data.testLabels)
      result.values += values(name, probe, agreement, data, test)
      result.notes += probe.notes.map { name.isEmpty ? $0 : "raw: \($0)" }
    }
    result.values.append(MeasuredValue("frames.majority_accuracy", data.majorityAccuracy, least: 0, most: 1))
    return result
  }

  private func values(
    _ name: String, _ probe: LinearProbe, _ agreement: LabelAgreement, _ data: FrameLabels, _ test: Frames
  ) -> [MeasuredValue] {
    let score = data.score(probe.predictions)
    let items = test.items(score.correct)
    let isModel = name.isEmpty
    func value(_ quantity: String, _ number: Double, most: Double? = 1, isJudged: Bool = true) -> MeasuredValue {
      MeasuredValue(
        "frames.\(name)\(quantity)", number, better: isModel && isJudged ? .higher : .neither, least: 0, most: most,
        baselineOf: isModel ? nil : "frames.\(quantity)")
    }
    var accuracy = value("accuracy", score.accuracy)
    (accuracy.standardError, accuracy.items) = (ratioError(items), items)
    return [
      accuracy, value("macro_f1", score.macroF1), value("nmi", agreement.normalizedInformation),
      value("purity", agreement.purity), value("cluster_perplexity", agreement.perplexity, most: nil, isJudged: false),
    ]
  }
}

extension FramesMeasure.Options {
  public static var sentences: [String: String] {
    [
      "labels": "The field of the corpus that holds the labels: one id per record, or one per row.",
      "bins": "Equal parts of a record that are told apart where a record has one label, 1 … 100.",
      "clusters": "Clusters of the k-means, 2 … 1000.",
      "positions": "Positions of each record, spread over all its axes, 1 … 1000.",
      "train_records": "At most so many training records, evenly spread over the split; 0 for all.",
      "test_records": "At most so many validation records, evenly spread over the split; 0 for all.",
    ]
  }
}

/// Positions of the records of a split with their states, numbers and labels.
private struct Frames {
  /// One row per position.
  private(set) var states: [[Double]] = []
  private(set) var numbers: [[Double]] = []
  /// The id of each position, and the part of the record that it lies in.
  private(set) var ids: [Int] = []
  private(set) var bins: [Int] = []
  /// The record of each position, counted among those with positions.
  private(set) var records: [Int] = []
  /// A record has one label, so that the part of the record belongs to the class.
  let classesAreBinned: Bool

  /// Collective.
  init(
    _ context: MeasureContext, _ corpus: Corpus, _ split: CorpusSplit, _ options: FramesMeasure.Options, most: Int
  ) throws {
    let model = context.model
    guard let grid = model.data.grid else {
      throw ConfigurationError("--measure", is: FramesMeasure.name, rule: "it needs a model of numbers.")
    }
    classesAreBinned = try Self.hasOneLabel(options.labels, model.data, grid)
    let source = SpreadSource(try model.samples(corpus, split), count: most)
    let (width, wanted) = (model.configuration.hiddenSize, min(options.positions, grid.positions))
    // How many positions the record has, and the place and the state of each of those chosen.
    let rows = try context.recordRows(source, columns: 1 + wanted * (1 + width)) { states in
      let chosen = spreadPositions(min(wanted, states.positions), of: states.positions)
      return [Double(states.positions)] + chosen.flatMap { [Double(states.places[$0])] + states.position($0) }
        + [Double](repeating: 0, count: (wanted - chosen.count) * (1 + width))
    }
    var record = 0
    for (index, row) in rows.enumerated() {
      let (shown, before) = (Int(row[0]), states.count)
      // Along the first axis; only samples of one axis end in padding.
      let cells = grid.separateChannels || grid.grid.count > 1 ? grid.grid[0] : shown
      let batch = try source.samples(at: UInt64(index)..<UInt64(index) + 1)
      let labels = batch.field(options.labels)?.ids ?? []
      let count = min(wanted, shown)
      for i in 0..<count {
        let start = 1 + i * (1 + width)
        let position = Int(row[start])
        let cell = position % grid.grid.reduce(1, *) / (grid.grid.reduce(1, *) / grid.grid[0])
        let id = classesAreBinned ? labels.first ?? -1 : Self.label(labels, cell, patch: grid.patch[0])
        guard id >= 0 else { continue }
        states.append(Array(row[start + 1..<start + 1 + width]))
        numbers.append(batch.values[position * grid.size..<(position + 1) * grid.size].map(Double.init))
        ids.append(Int(id))
        bins.append(min(cell * options.bins / cells, options.bins - 1))
        records.append(record)
      }
      if states.count > before { record += 1 }
    }
  }

  private static func hasOneLabel(_ field: String, _ data: DataShape, _ grid: GridShape) throws(ConfigurationError)
    -> Bool
  {
    let known = data.fields.filter { $0.classes > 0 && ($0.length == 1 || $0.length == grid.extent.first) }
    guard let shape = known.first(where: { $0.name == field }) else {
      throw ConfigurationError(
        "measures.frames.labels", is: field,
        rule: known.isEmpty
          ? "it must be a field with one id per record or per row, and the corpus has none."
          : "it must be one of \(known.map(\.name).joined(separator: ", ")).")
    }
    guard shape.classes <= LabelledText.mostClasses else {
      throw ConfigurationError(
        "measures.frames.labels",
        "is \(field), whose ids reach \(shape.classes - 1); there can be \(LabelledText.mostClasses) classes.")
    }
    return shape.length == 1
  }

  /// The first label among the rows of a cell of the first axis; -1 for none.
  private static func label(_ labels: [Int32], _ cell: Int, patch: Int) -> Int32 {
    guard (cell + 1) * patch <= labels.count else { return -1 }
    return labels[cell * patch..<(cell + 1) * patch].first { $0 >= 0 } ?? -1
  }

  /// Positions of a fifth of the records, drawn by the seed, and all others.
  func validationSplit(seed: UInt64) -> (fit: [Int], validation: [Int]) {
    let count = (records.last ?? -1) + 1
    guard count > 0 else { return ([], []) }
    let order = KeyedPermutation(count: count, seed: seed, epoch: 3)
    let chosen = Set((0..<count / 5).map { order[$0] })
    return (
      records.indices.filter { !chosen.contains(records[$0]) }, records.indices.filter { chosen.contains(records[$0]) }
    )
  }

  /// Numbers of positions summed record by record.
  func items(_ numbers: [Double]) -> MeasuredValue.Items {
    var items = MeasuredValue.Items(sums: [], counts: [])
    for (number, record) in zip(numbers, records) {
      if record == items.sums.count {
        items.sums.append(0)
        items.counts.append(0)
      }
      items.sums[record] += number
      items.counts[record] += 1
    }
    return items
  }
}

/// `count` different numbers below `all`, in rising order: multiples of a step near the golden section of `all` that
/// has no divisor in common with it, so that they spread over rows and columns of any grid.
func spreadPositions(_ count: Int, of all: Int) -> [Int] {
  func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }
  guard count < all else { return Array(0..<all) }
  let middle = Int(Double(all) * 0.618_033_988_749_894_9)
  let step = (max(middle, 1)..<all).first { divisor($0, all) == 1 } ?? 1
  return (0..<count).map { $0 * step % all }.sorted()
}

/// The classes of positions: training positions, then those for testing.
private struct FrameLabels: ClassLabels {
  let classes: [String]
  let trainLabels: [Int]
  let testLabels: [Int]
  let notes: [String] = []

  init(_ train: Frames, _ test: Frames, bins: Int) {
    func pairs(_ frames: Frames) -> [Int] { zip(frames.ids, frames.bins).map { $0 * bins + (bins > 1 ? $1 : 0) } }
    let (own, other) = (pairs(train), pairs(test))
    let present = Set(own + other).sorted()
    let index = Dictionary(uniqueKeysWithValues: present.enumerated().map { ($1, $0) })
    classes = present.map { bins > 1 ? "\($0 / bins) part \($0 % bins + 1)" : "\($0)" }
    (trainLabels, testLabels) = (own.compactMap { index[$0] }, other.compactMap { index[$0] })
  }
}
