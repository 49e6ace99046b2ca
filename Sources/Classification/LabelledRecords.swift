import Core
import Data
import Evaluation
import Kernels
import Objectives

/// Records of a corpus of numbers with the class that a field of theirs holds: those of the training split for
/// training, those of the validation split for testing.
///
/// A record whose label is negative has none and is left out. Numbers of records are read where they are needed, and
/// not kept.
struct LabelledRecords: LabelledExamples {
  let classes: [String]
  let trainLabels: [Int]
  let testLabels: [Int]
  let notes: [String]
  /// The records themselves, in the order of the labels.
  let train: any SampleSource
  let test: any SampleSource
  /// Place of each test record in its split.
  private let testPlaces: [Int]

  /// - Parameters:
  ///   - field: holds one id per record.
  ///   - train: at most so many training records, drawn by the seed; 0 for all.
  /// - Throws: `ConfigurationError` for a field that the corpus does not have or that holds no classes; `DataError`
  ///   when a split has too few labelled records.
  init(_ context: MeasureContext, _ measure: String, field: String, train: Int, test: Int) throws {
    let corpus = try context.requireCorpus(measure)
    let count = try Self.classes(of: field, context.model.data, measure)
    let (seed, model) = (context.seed, context.model)
    let training = try Labels(
      try model.samples(corpus, .train), field, count, most: train, seed, draw: 1, corpus.folder)
    let tested = try Labels(
      try model.samples(corpus, .validation), field, count, most: test, seed, draw: 2, corpus.folder)
    // Classes that no training record has cannot be predicted, but their records count.
    let present = Set(training.labels + tested.labels).sorted()
    guard Set(training.labels).count >= 2 else {
      throw DataError(
        corpus.folder, "has one class only in field \(field) of its \(training.labels.count) training records.",
        remedy: "Raise train_examples, or name another field.")
    }
    let index = Dictionary(uniqueKeysWithValues: present.enumerated().map { ($1, $0) })
    classes = present.map(String.init)
    trainLabels = training.labels.compactMap { index[$0] }
    testLabels = tested.labels.compactMap { index[$0] }
    notes =
      training.unlabelled + tested.unlabelled == 0
      ? []
      : [
        "\(training.unlabelled) training records and \(tested.unlabelled) test records have no label and were left out."
      ]
    (self.train, self.test, testPlaces) = (training.records, tested.records, tested.places)
  }

  /// How many classes the field may hold.
  private static func classes(of field: String, _ data: DataShape, _ measure: String) throws(ConfigurationError) -> Int
  {
    let key = "measures.\(measure).labels"
    let labels = data.fields.filter { $0.classes > 0 && $0.length == 1 }.map(\.name)
    let known =
      labels.isEmpty ? "the corpus has no field with labels" : "those with labels are \(labels.joined(separator: ", "))"
    guard let shape = data.field(field), labels.contains(field) else {
      throw ConfigurationError(key, is: field, rule: "it must be a field with one id per record; \(known).")
    }
    guard shape.classes <= LabelledText.mostClasses else {
      throw ConfigurationError(
        key, "is \(field), whose ids reach \(shape.classes - 1); there can be \(LabelledText.mostClasses) classes.")
    }
    return shape.classes
  }

  /// The labelled records of a split.
  private struct Labels {
    let labels: [Int]
    let places: [Int]
    let records: any SampleSource
    let unlabelled: Int

    init(
      _ source: any SampleSource, _ field: String, _ classes: Int, most: Int, _ seed: UInt64, draw: UInt64,
      _ folder: String
    ) throws {
      let all = source.samplesPerEpoch
      let order = KeyedPermutation(count: all, seed: seed, epoch: draw)
      let drawn = most == 0 || most >= all ? Array(0..<all) : (0..<most).map { order[$0] }.sorted()
      var (labels, places) = ([Int](), [Int]())
      for place in drawn {
        let label = Int(try source.samples(at: UInt64(place)..<UInt64(place) + 1).field(field)?.ids.first ?? -1)
        guard label >= 0 else { continue }
        guard label < classes else {
          throw DataError(
            "\(folder), record \(place + 1)", "has the label \(label) in \(field), which has \(classes) classes.",
            remedy: "Prepare the corpus again.")
        }
        labels.append(label)
        places.append(place)
      }
      guard !labels.isEmpty else {
        throw DataError(
          folder, "has no record with a label in field \(field) of a split.", remedy: "Name another field.")
      }
      (self.labels, self.places, unlabelled) = (labels, places, drawn.count - labels.count)
      records = Subset(source, places)
    }
  }

  func shown(test index: Int) -> (line: Int, text: [UInt8]) { (testPlaces[index] + 1, []) }

  func features(_ options: some FrozenFeatureOptions, _ measure: String, _ context: MeasureContext) throws
    -> FrozenFeatures
  {
    let model = context.model
    if options.untrained, try model.makeObjective().encoderInput == .layers {
      throw ConfigurationError(
        "measures.\(measure).untrained",
        "is true, but \(model.objective.name) has trained layers in front of its encoder.")
    }
    let poolings = try Pooling.chosen(
      options.features, framed: model.configuration.leadingRows > 0, measure: measure)
    let width = model.configuration.hiddenSize
    let parameters = options.untrained ? model.untrained(seed: context.seed) : nil
    let rows = try [train, test].flatMap {
      try context.recordRows($0, columns: poolings.count * width, parameters: parameters) { states in
        poolings.flatMap { states.pooled($0) }
      }
    }
    return FrozenFeatures(
      poolings, poolings.indices.map { f in DenseExamples(rows.map { Array($0[f * width..<(f + 1) * width]) }) },
      notes: FrozenFeatures.notes(options, framed: model.configuration.leadingRows > 0))
  }

  /// Numbers of a record that a classifier reads at most; more are projected.
  static let mostNumbers = 256

  /// The standardised numbers of each record; where there are more than `mostNumbers`, so many random signed sums of
  /// them.
  func rawInput(_ context: MeasureContext) throws -> RawInput? {
    let numbers = context.model.data.grid?.count ?? 0
    let sketch =
      numbers > Self.mostNumbers
      ? SignSketch(elements: numbers, dimensions: Self.mostNumbers, seed: context.seed) : nil
    let columns = min(numbers, Self.mostNumbers)
    let rows = try [train, test].flatMap { source in
      try context.rows(source.samplesPerEpoch, columns: columns, workspace: {}) { index, _ in
        let values = try source.samples(at: UInt64(index)..<UInt64(index) + 1).values.map(Double.init)
        guard let sketch else { return values }
        var sums = [Double](repeating: 0, count: columns)
        for (place, value) in values.enumerated() { sketch.add(value, at: place, to: &sums) }
        return sums
      }
    }
    let what = sketch == nil ? "the \(numbers) numbers" : "\(columns) random signed sums of the \(numbers) numbers"
    return RawInput(examples: DenseExamples(rows), note: "raw reads \(what) of a record, without the network.")
  }

  func tuningExamples(_ context: MeasureContext) throws -> any TuningExamples { try TuningRecords(self, context) }
}
