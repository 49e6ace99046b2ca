import Core
import Evaluation

/// A linear classifier whose penalty is chosen on a part of its training examples.
///
/// *Concretely:* for every strength of `strengths`, logistic regression is fitted to the training examples without the
/// validation fifth; the strength with the highest accuracy there wins, the stronger of equals. It is then fitted to
/// all training examples. A strength s stands for the penalty s/2 · Σ W² on the summed loss, so λ = s / examples.
/// scikit-learn's C is 1/s for three classes or more; for two it fits one row of weights in place of two opposite ones,
/// whose penalty is half as large, so there C is 2/s.
struct LinearProbe {
  static let strengths = [0.01, 0.1, 1, 10, 100, 1000]

  let strength: Double
  /// Classes of the test examples.
  let predictions: [Int]
  let notes: [String]

  /// - Parameters:
  ///   - x: rows of the training examples, then those of the test examples.
  ///   - prepare: what is fitted on the rows that a fit may see, such as a standardisation, and applied to all.
  /// Collective: strengths are partitioned over ranks and threads.
  init<Matrix: ExampleMatrix>(
    _ x: Matrix, _ data: some ClassLabels, split: (fit: [Int], validation: [Int]), _ context: MeasureContext,
    prepare: (Matrix, [Int]) -> Matrix = { x, _ in x }
  ) throws {
    let (labels, classes) = (data.trainLabels, data.classes.count)
    let part = prepare(x, split.fit)
    let tried = try context.rows(Self.strengths.count, columns: 1, workspace: {}) { index, _ in
      let strength = Self.strengths[index] / Double(split.fit.count)
      let model = LogisticRegression(part, rows: split.fit, labels: labels, classes: classes, strength: strength)
      return [Double(split.validation.filter { model.prediction(part, $0) == labels[$0] }.count)]
    }
    let best = tried.indices.reduce(0) { tried[$1][0] >= tried[$0][0] ? $1 : $0 }
    let strength = Self.strengths[best]
    self.strength = strength
    let whole = prepare(x, Array(labels.indices))
    // One fit on one worker: the others wait for its predictions.
    let (trainCount, testCount) = (labels.count, data.testLabels.count)
    let row = try context.rows(1, columns: testCount + 2, workspace: {}) { _, _ in
      let model = LogisticRegression(
        whole, rows: Array(0..<trainCount), labels: labels, classes: classes, strength: strength / Double(trainCount))
      return (0..<testCount).map { Double(model.prediction(whole, trainCount + $0)) } + [
        model.hasConverged ? 1 : 0, model.gradient,
      ]
    }[0]
    predictions = row.prefix(testCount).map { Int($0) }
    notes =
      row[testCount] == 1
      ? []
      : [
        "The fit stopped after \(LogisticRegression.mostIterations) iterations or at rounding, with a largest gradient of \(row[testCount + 1])."
      ]
  }
}

/// `probe`: how much of the labels a linear classifier reads off the frozen network.
///
/// *Concretely:* each example's feature (the state of [CLS], the mean over its positions, or its last position),
/// standardised with mean and deviation of the training examples, goes into `LinearProbe`. The network is not changed.
/// Reference: Alain, Bengio, "Understanding intermediate layers using linear classifier probes", 2016, arXiv
/// 1610.01644.
public struct ProbeMeasure: LabelledTextMeasure {
  public struct OwnOptions: FrozenFeatureOptions {
    /// cls, mean, last, or all.
    public var features = "mean"
    /// Random weights in place of the model's: the accuracy of the architecture alone.
    public var untrained = false
    /// The field of a corpus of numbers that holds the labels.
    public var labels = "label"

    public init() {}
  }

  public typealias Options = CombinedOptions<LabelledTextOptions, OwnOptions>

  public static let name = "probe"
  public static let summary =
    "Linear probe on labelled texts or records: accuracy of logistic regression on frozen features."

  public let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    try options.checkFrozen(Self.name)
    self.options = options
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let data = try options.examples(Self.name, context)
    return try Self.measure(
      data, try data.features(options.own, Self.name, context), place: options.place(context), context)
  }

  static func measure(_ data: some LabelledExamples, _ frozen: FrozenFeatures, place: String, _ context: MeasureContext)
    throws
    -> MeasureResult
  {
    let split = try data.validationSplit(seed: context.seed, place: place)
    var (values, notes, said) = ([MeasuredValue](), data.remarks + frozen.notes, [Predictions]())
    for (feature, x) in zip(frozen.features, frozen.examples) {
      let probe = try LinearProbe(x, data, split: split, context) { Standardization($0, rows: $1)($0) }
      values += data.score(probe.predictions).values("probe.\(feature.rawValue)")
      values.append(MeasuredValue("probe.\(feature.rawValue).strength", probe.strength))
      said.append(Predictions("probe.\(feature.rawValue)", probe.predictions, data))
      notes += probe.notes.map { "\(feature.rawValue): \($0)" }
    }
    values.append(MeasuredValue("probe.majority_accuracy", data.majorityAccuracy, least: 0, most: 1))
    if let raw = try data.rawInput(context) {
      let probe = try LinearProbe(raw.examples, data, split: split, context) { Standardization($0, rows: $1)($0) }
      values.append(MeasuredValue("probe.raw_accuracy", data.score(probe.predictions).accuracy, least: 0, most: 1))
      said.append(Predictions("probe.raw", probe.predictions, data))
      notes += [raw.note] + probe.notes.map { "raw: \($0)" }
    }
    return MeasureResult(values, notes: notes, predictions: said)
  }
}
