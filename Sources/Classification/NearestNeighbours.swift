import Core
import Evaluation

/// `knn`: the class that most of an example's nearest neighbours have, under the frozen network.
///
/// *Concretely:* the `neighbours` training examples whose features have the highest cosine with the text's, one vote
/// each; of classes with as many votes the one with the larger sum of cosines, then the first. Of equal cosines the
/// earlier example is nearer. Nothing is fitted and nothing drawn. Reference: Wu et al., "Unsupervised feature learning
/// via non-parametric instance discrimination", 2018, arXiv 1805.01978 (there with weighted votes).
public struct NearestNeighboursMeasure: LabelledTextMeasure {
  public struct OwnOptions: FrozenFeatureOptions {
    /// cls, mean, last, or all.
    public var features = "mean"
    /// Random weights in place of the model's: the accuracy of the architecture alone.
    public var untrained = false
    /// Neighbours that vote.
    public var neighbours = 20
    /// The field of a corpus of numbers that holds the labels.
    public var labels = "label"

    public init() {}
  }

  public typealias Options = CombinedOptions<LabelledTextOptions, OwnOptions>

  public static let name = "knn"
  public static let summary =
    "k nearest neighbours on labelled texts or records: accuracy of a vote by cosine of frozen features."

  public let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    let valid = (1...10_000).contains(options.neighbours)
    try options.checkFrozen(
      Self.name,
      valid
        ? [] : [.init(key: "measures.knn.neighbours", sentence: "is \(options.neighbours); it must lie in 1...10000.")])
    self.options = options
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let data = try options.examples(Self.name, context)
    return try Self.measure(
      data, try data.features(options.own, Self.name, context), neighbours: options.neighbours, context)
  }

  static func measure(
    _ data: some LabelledExamples, _ frozen: FrozenFeatures, neighbours: Int, _ context: MeasureContext
  ) throws -> MeasureResult {
    var (values, notes, said) = ([MeasuredValue](), data.remarks + frozen.notes, [Predictions]())
    let labels = data.trainLabels
    if neighbours > labels.count {
      notes.append("All \(labels.count) training examples vote: there are no \(neighbours).")
    }
    func predictions(_ x: DenseExamples) throws -> [Int] {
      let (unit, classes) = (Self.unit(x), data.classes.count)
      return try context.rows(data.testLabels.count, columns: 1, workspace: {}) { index, _ in
        [Double(Self.vote(unit, labels.count + index, labels: labels, classes: classes, neighbours: neighbours))]
      }.map { Int($0[0]) }
    }
    for (feature, x) in zip(frozen.features, frozen.examples) {
      let predictions = try predictions(x)
      values += data.score(predictions).values("knn.\(feature.rawValue)")
      said.append(Predictions("knn.\(feature.rawValue)", predictions, data))
    }
    values.append(MeasuredValue("knn.majority_accuracy", data.majorityAccuracy, least: 0, most: 1))
    if let raw = try data.rawInput(context) {
      let predictions = try predictions(raw.examples)
      values.append(MeasuredValue("knn.raw_accuracy", data.score(predictions).accuracy, least: 0, most: 1))
      said.append(Predictions("knn.raw", predictions, data))
      notes.append(raw.note)
    }
    return MeasureResult(values, notes: notes, predictions: said)
  }

  /// Rows of length 1; a row of zeros stays.
  static func unit(_ x: DenseExamples) -> DenseExamples {
    var result = x
    for row in 0..<x.rows {
      let length = x[row].reduce(0) { $0 + $1 * $1 }.squareRoot()
      if length > 0 { result.set(row, x[row].map { $0 / length }) }
    }
    return result
  }

  /// The class of row `query` by its neighbours among the first rows, which have the labels. - Complexity: examples ·
  /// width.
  static func vote(_ unit: DenseExamples, _ query: Int, labels: [Int], classes: Int, neighbours: Int) -> Int {
    let cosines = unit.values.withUnsafeBufferPointer { x -> [Double] in
      guard let x = x.baseAddress else { return [] }
      return labels.indices.map { dot(x + $0 * unit.columns, x + query * unit.columns, unit.columns) }
    }
    let nearest = cosines.indices.sorted { (cosines[$1], $0) < (cosines[$0], $1) }.prefix(neighbours)
    var (votes, sums) = ([Int](repeating: 0, count: classes), [Double](repeating: 0, count: classes))
    for index in nearest {
      votes[labels[index]] += 1
      sums[labels[index]] += cosines[index]
    }
    return (0..<classes).reduce(0) { (votes[$1], sums[$1]) > (votes[$0], sums[$0]) ? $1 : $0 }
  }
}

extension NearestNeighboursMeasure.OwnOptions {
  public static var sentences: [String: String] {
    frozen.merging(["neighbours": "Neighbours that vote, 1 … 10000."]) { $1 }
  }
}
