import Core
import Data
import Evaluation
import Objectives

/// Classes of examples for training and for testing.
protocol ClassLabels: Sendable {
  /// Labels as they stand in the source, in rising order.
  var classes: [String] { get }
  /// Index into `classes` of each training example, and of each test example.
  var trainLabels: [Int] { get }
  var testLabels: [Int] { get }
  /// Sentences about what was odd in the source.
  var notes: [String] { get }
}

/// Examples with a class each, for training and for testing, and how a frozen network reads them: rows of a table of
/// texts, or records of a corpus of numbers.
protocol LabelledExamples: ClassLabels {
  /// Where a test example stands in its source, from 1, and its text if it has one.
  func shown(test index: Int) -> (line: Int, text: [UInt8])

  /// Features under the frozen network, training examples first. Collective.
  func features(_ options: some FrozenFeatureOptions, _ measure: String, _ context: MeasureContext) throws
    -> FrozenFeatures

  /// The input itself as numbers, training examples first: what a classifier reads without the network. nil for texts,
  /// for which `bag-of-words` is there. Collective.
  func rawInput(_ context: MeasureContext) throws -> RawInput?

  /// What fine-tuning reads.
  func tuningExamples(_ context: MeasureContext) throws -> any TuningExamples
}

/// The input of examples as numbers.
struct RawInput: Sendable {
  let examples: DenseExamples
  let note: String
}

extension LabelledExamples {
  /// A fifth of the training examples of each class, by the seed's draw: where the strength of a penalty is chosen.
  /// - Throws: `DataError` when no class has five examples.
  func validationSplit(seed: UInt64, place: String) throws(DataError) -> (fit: [Int], validation: [Int]) {
    let labels = trainLabels
    let order = KeyedPermutation(count: labels.count, seed: seed, epoch: 3)
    var (seen, validation) = ([Int](repeating: 0, count: classes.count), Set<Int>())
    for rank in labels.indices {
      let index = order[rank]
      seen[labels[index]] += 1
      if seen[labels[index]] % 5 == 0 { validation.insert(index) }
    }
    guard !validation.isEmpty else {
      throw DataError(
        place, "has fewer than five training examples of every class.",
        remedy: "Give more, so that a fifth can be set aside.")
    }
    return (labels.indices.filter { !validation.contains($0) }, validation.sorted())
  }
}

extension ClassLabels {
  /// How often each class occurs among the training examples.
  private var counts: [Int] {
    trainLabels.reduce(into: [Int](repeating: 0, count: classes.count)) { $0[$1] += 1 }
  }

  /// The same for a note.
  var description: String {
    let shown = zip(classes, counts).prefix(10).map { "\($0) (\($1))" }.joined(separator: ", ")
    return
      "Trained on \(counted(trainLabels.count, "example")) of \(counted(classes.count, "class", "classes")): \(shown)\(classes.count > 10 ? ", …" : ""); tested on \(testLabels.count)."
  }

  /// What a reader of the results must know of the examples.
  var remarks: [String] { [description] + notes }

  /// The accuracy of always guessing the most frequent class of training.
  var majorityAccuracy: Double {
    let guess = indexOfLargest(counts.map(Double.init))
    return score(testLabels.map { _ in guess }).accuracy
  }

  func score(_ predictions: [Int]) -> ClassificationScore {
    ClassificationScore(predictions: predictions, labels: testLabels, classes: classes.count)
  }
}

extension Predictions {
  /// - Parameter predicted: the class of each test example.
  init(_ name: String, _ predicted: [Int], _ data: some LabelledExamples) {
    let labels = data.testLabels
    precondition(predicted.count == labels.count, "\(predicted.count) predictions for \(labels.count) test examples")
    self.init(
      name: name,
      rows: predicted.indices.map { index in
        let (line, text) = data.shown(test: index)
        return Row(
          line: line, label: data.classes[labels[index]], predicted: data.classes[predicted[index]], text: text)
      })
  }
}

// MARK: - Options

/// Options of measures that take labels of either kind.
public protocol LabelOptions: MeasureOptions {
  /// The field of a corpus of numbers that holds the labels; read where no table of texts is named.
  var labels: String { get }
}

extension LabelOptions {
  static var labelSentences: [String: String] {
    ["labels": "The field of a corpus of numbers that holds the labels, where train names no table of texts."]
  }
}

extension CombinedOptions where Shared == LabelledTextOptions, Own: LabelOptions {
  /// The rows of the table that `train` names, or else the labelled records of the corpus. Collective.
  func examples(_ measure: String, _ context: MeasureContext) throws -> any LabelledExamples {
    shared.train.isEmpty
      ? try LabelledRecords(
        context, measure, field: own.labels, train: shared.trainExamples, test: shared.testExamples)
      : try LabelledText.read(shared, seed: context.seed, context.communicator)
  }

  /// Where the examples come from, for errors.
  func place(_ context: MeasureContext) -> String {
    shared.train.isEmpty ? context.corpus?.folder ?? "the corpus" : shared.train
  }

  /// What is wrong with the options, `train` being optional.
  func labelProblems(_ measure: String) -> [ConfigurationError.Problem] {
    shared.problems(measure, needsTable: false)
      + (own.labels.isEmpty
        ? [.init(key: "measures.\(measure).labels", sentence: "is empty; name the field with the labels.")] : [])
  }
}

extension LabelledTextMeasure where OwnOptions: LabelOptions {
  public var labelledData: String? {
    options.shared.train.isEmpty
      ? [options.own.labels, "\(options.shared.trainExamples)", "\(options.shared.testExamples)"].joined(
        separator: "\u{1F}")
      : options.shared.examples
  }

  public func problems(input: ObjectiveRequirements.Input) -> [ConfigurationError.Problem] {
    let key = "measures.\(Self.name).train"
    switch (input, options.shared.train.isEmpty) {
    case (.tokens, true):
      return [
        .init(key: key, sentence: "is missing; name a TSV or CSV file with one text and one label per row.")
      ]
    case (.values, false):
      return [
        .init(
          key: key,
          sentence:
            "is \(options.shared.train), a table of texts, but the model reads numbers; leave it out, and name the field with the labels by `labels`."
        )
      ]
    default: return []
    }
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    let input: ObjectiveRequirements.Input = model.data.grid == nil ? .tokens : .values
    return problems(input: input).first.map {
      "reads \(input == .tokens ? "text" : "numbers"), and \($0.key) \($0.sentence.hasSuffix(".") ? String($0.sentence.dropLast()) : $0.sentence)"
    }
  }
}
