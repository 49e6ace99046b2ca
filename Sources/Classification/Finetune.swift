import Collectives
import Core
import Evaluation
import HuggingFace
import Kernels
import Layers
import Machine
import Metrics
import Models
import Objectives
import Optimizers
import Tensors
import Tokenizers
import Training

/// `finetune`: accuracy on labelled examples when all weights are trained on it, from the model's.
///
/// *Concretely:* `ExampleClassification` under the one trainer: AdamW (β₂ = 0.999), the learning rate rising over the
/// first tenth of the steps and falling linearly to 0, `epochs` passes in an order drawn by the seed. The accuracy
/// after the last step is the result, whatever it was before. The model is not changed: weights live in memory and go
/// with the measure, or become a folder of their own (`MeasureContext.classifierFolder`); then the feature and the head
/// are those of the `…ForSequenceClassification` class that opens it.
/// Reference: Devlin et al., "BERT", 2018, arXiv 1810.04805, section 4.1.
public struct FinetuneMeasure: LabelledTextMeasure {
  /// What fine-tuning adds to the options of labelled examples.
  public struct OwnOptions: LabelOptions {
    /// cls, mean or last.
    public var feature = "mean"
    /// Random weights in place of the model's: training from scratch.
    public var untrained = false
    public var epochs = 3
    /// Near the rate a small model was pretrained with; models of 100 M parameters want 2e-5 … 5e-5.
    public var learningRate = 1e-3
    /// Examples an optimiser step: a multiple of the command's micro-batch.
    public var batch = 32
    public var dropout = 0.1
    public var weightDecay = 0.01
    /// The field of a corpus of numbers that holds the labels.
    public var labels = "label"

    public init() {}
  }

  public typealias Options = CombinedOptions<LabelledTextOptions, OwnOptions>

  public static let name = "finetune"
  public static let summary = "Accuracy on labelled texts or records after training all weights on them."

  public let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    var problems = options.labelProblems(Self.name)
    func require(_ holds: Bool, _ key: String, _ value: some CustomStringConvertible, _ rule: String) {
      if !holds { problems.append(.init(key: "measures.finetune.\(key)", sentence: "is \(value); \(rule)")) }
    }
    problems += Pooling.problems(options.feature, key: "measures.finetune.feature", several: false)
    require((1...10_000).contains(options.epochs), "epochs", options.epochs, "it must lie in 1...10000.")
    require(
      options.learningRate > 0 && options.learningRate <= 1, "learning_rate", options.learningRate,
      "it must be above 0 and at most 1.")
    require((1...100_000).contains(options.batch), "batch", options.batch, "it must lie in 1...100000.")
    require((0..<1).contains(options.dropout), "dropout", options.dropout, "it must be at least 0 and below 1.")
    require((0...1).contains(options.weightDecay), "weight_decay", options.weightDecay, "it must lie in 0...1.")
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    self.options = options
  }

  public func problems(microBatch: Int, context: Int) -> [ConfigurationError.Problem] {
    guard options.batch % microBatch != 0 else { return [] }
    let sentence =
      "is \(options.batch); it must be a multiple of the samples computed together, \(microBatch) (--micro-batch; micro_batch in a comparison)."
    return [.init(key: "measures.finetune.batch", sentence: sentence)]
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let problems = problems(microBatch: context.microBatch, context: context.model.configuration.maxPosition)
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let data = try options.examples(Self.name, context)
    let examples = try data.tuningExamples(context)
    if let problem = examples.saveProblem, context.classifierFolder != nil {
      throw ConfigurationError("--save", problem)
    }
    if let folder = context.classifierFolder, context.communicator.rank == 0 {
      try SequenceClassifier.check(target: folder)
    }
    return try measure(data, examples, context)
  }

  /// The feature and the layers behind it: the options', or those of the class that opens the saved folder.
  private func head(_ data: some LabelledExamples, framed: Bool, _ context: MeasureContext) throws -> (
    Pooling, ClassificationHead.Kind, SequenceClassifier?
  ) {
    guard context.classifierFolder != nil else {
      return (try Pooling.chosen(options.feature, framed: framed, measure: Self.name)[0], .linear, nil)
    }
    let classifier = try SequenceClassifier(context.model.configuration, classes: data.classes)
    let form = classifier.family.classifier.form
    guard let kind = ClassificationHead.Kind(rawValue: form.rawValue) else {
      preconditionFailure("no head computes \(form)")
    }
    if form == .score { return (.last, kind, classifier) }
    guard framed else {
      throw ConfigurationError(
        "--save", "needs a model that was trained on samples with [CLS]: \(classifier.architecture) classifies by it.")
    }
    return (.cls, kind, classifier)
  }

  func measure(_ data: some LabelledExamples, _ examples: any TuningExamples, _ context: MeasureContext) throws
    -> MeasureResult
  {
    let (feature, head, classifier) = try head(data, framed: examples.leading > 0, context)
    let tuning = try Finetuning(options, (feature, head), data, examples, context)
    let (rows, predictions) = try tuning.run()
    var notes = data.remarks + examples.notes
    if let classifier, let folder = context.classifierFolder {
      if context.communicator.rank == 0 { try tuning.save(classifier, to: folder) }
      notes.append(
        "Saved in \(folder): \(classifier.architecture) with its own head (\(head.rawValue) on the feature \(feature.rawValue))."
      )
    }
    if options.untrained { notes.append("The weights are random: this is training from scratch.") }
    return MeasureResult(
      data.score(predictions).values("finetune") + [
        MeasuredValue("finetune.majority_accuracy", data.majorityAccuracy, least: 0, most: 1)
      ],
      tables: ["finetune.epochs": MeasuredTable(["epoch", "training loss", "test accuracy"], rows)], notes: notes,
      predictions: [Predictions("finetune", predictions, data)])
  }
}

extension FinetuneMeasure.OwnOptions {
  public static var sentences: [String: String] {
    labelSentences.merging([
      "feature": "The state the classifier reads: cls, mean or last.",
      "untrained": "Random weights in place of the model's: training from scratch.",
      "epochs": "Passes over the training examples.",
      "learning_rate":
        "The peak rate: near that of pretraining for small models, 2e-5 … 5e-5 for those of 100 million parameters.",
      "batch": "Examples an optimiser step, a multiple of the command's --micro-batch.",
      "dropout": "Dropout of activations and attention while fine-tuning, from 0 and below 1.",
      "weight_decay": "Decoupled weight decay.",
    ]) { $1 }
  }
}
