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

/// `finetune`: accuracy on labelled text when all weights are trained on it, from the model's.
///
/// *Concretely:* `TextClassification` under the one trainer: AdamW (β₂ = 0.999), the learning rate rising over the
/// first tenth of the steps and falling linearly to 0, `epochs` passes in an order drawn by the seed. The accuracy
/// after the last step is the result, whatever it was before. The model is not changed: weights live in memory and go
/// with the measure, or become a folder of their own (`MeasureContext.classifierFolder`); then the feature and the head
/// are those of the `…ForSequenceClassification` class that opens it.
/// Reference: Devlin et al., "BERT", 2018, arXiv 1810.04805, section 4.1.
public struct FinetuneMeasure: LabelledTextMeasure {
  public struct OwnOptions: MeasureOptions {
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

    public init() {}
  }

  public typealias Options = CombinedOptions<LabelledTextOptions, OwnOptions>

  public static let name = "finetune"
  public static let summary = "Accuracy on labelled text after training all weights on it."

  public let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    var problems = options.shared.problems(Self.name)
    func require(_ holds: Bool, _ key: String, _ value: some CustomStringConvertible, _ rule: String) {
      if !holds { problems.append(.init(key: "measures.finetune.\(key)", sentence: "is \(value); \(rule)")) }
    }
    problems += TextFeature.problems(options.feature, key: "measures.finetune.feature", several: false)
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

  public func unsupportedReason(_ model: MeasuredModel) -> String? { model.textUnsupportedReason }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let problems = problems(microBatch: context.microBatch, context: context.model.configuration.maxPosition)
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let data = try LabelledText.read(options.shared, seed: context.seed, context.communicator)
    let tokenizer = try TokenizerLoader.load(context.model.path)
    let texts = try EncodedTexts((data.train + data.test).map(\.text), tokenizer, context.model)
    if let folder = context.classifierFolder, context.communicator.rank == 0 {
      try SequenceClassifier.check(target: folder)
    }
    return try measure(data, texts, context)
  }

  /// The feature and the layers behind it: the options', or those of the class that opens the saved folder.
  private func head(_ data: LabelledText, framed: Bool, _ context: MeasureContext) throws -> (
    TextFeature, ClassificationHead.Kind, SequenceClassifier?
  ) {
    guard context.classifierFolder != nil else {
      return (try TextFeature.chosen(options.feature, framed: framed, measure: Self.name)[0], .linear, nil)
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

  func measure(_ data: LabelledText, _ texts: EncodedTexts, _ context: MeasureContext) throws -> MeasureResult {
    let (feature, head, classifier) = try head(data, framed: texts.framed, context)
    let tuning = try Finetuning(options, (feature, head), data, texts, context)
    let (rows, predictions) = try tuning.run()
    var notes = data.remarks + texts.notes(context: context.model.configuration.maxPosition)
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

/// One training on labelled text.
private struct Finetuning {
  private let data: LabelledText
  private let texts: EncodedTexts
  private let context: MeasureContext
  private let objective: TextClassification
  private let trainer: Trainer
  private let source: LabelledSamples
  private let epochs: Int
  private let steps: Int

  init(
    _ options: FinetuneMeasure.Options, _ head: (feature: TextFeature, kind: ClassificationHead.Kind),
    _ data: LabelledText,
    _ texts: EncodedTexts, _ context: MeasureContext
  ) throws {
    (self.data, self.texts, self.context, epochs) = (data, texts, context, options.epochs)
    var shape = context.model.configuration
    (shape.dropout, shape.attentionDropout) = (Float(options.dropout), Float(options.dropout))
    var wanted = TextClassification.Options()
    (wanted.classes, wanted.feature, wanted.framed) = (data.classes.count, head.feature.rawValue, texts.framed)
    wanted.head = head.kind
    objective = try TextClassification(wanted, model: shape, vocabulary: context.model.vocabulary)
    let count = data.train.count
    source = LabelledSamples(
      texts: Array(texts.tokens[..<count]), labels: data.trainLabels, padding: context.model.vocabulary.pad ?? 0,
      seed: context.seed)
    steps = (options.epochs * count + options.batch - 1) / options.batch
    var optimizer = AdamWOptions()
    (optimizer.learningRate, optimizer.beta2, optimizer.weightDecay) = (
      options.learningRate, 0.999, options.weightDecay
    )
    trainer = try Trainer(
      objective, length: texts.tokens.reduce(1) { max($0, $1.count) },
      plan: BatchPlan(
        batch: options.batch, microBatch: context.microBatch, ranks: context.communicator.size,
        threads: context.pool.threads),
      options: TrainerOptions(
        seed: context.seed, steps: steps, optimizer: optimizer,
        schedule: LearningRateSchedule(type: .linear, warmupSteps: steps / 10, minLrFactor: 0)),
      communicator: context.communicator)
    trainer.parameters.initialize(seed: context.seed)
    if !options.untrained { copyWeights(of: context.model) }
  }

  /// The encoder's weights by name; the vocabulary head has no place here.
  private func copyWeights(of model: MeasuredModel) {
    for entry in objective.networks.trained.entries {
      guard let from = model.parameters.layout.entry(named: entry.name) else { continue }
      trainer.parameters.trained.view(entry.index).copy(from: model.parameters.view(from.index))
    }
  }

  func save(_ classifier: SequenceClassifier, to folder: String) throws {
    try classifier.save(trainer.parameters.trained, context.model.vocabulary, tokenizer: context.model.path, to: folder)
  }

  /// - Returns: epoch, mean training loss and test accuracy, one row per epoch; the last predictions.
  func run() throws -> (rows: [[Double]], predictions: [Int]) {
    var (rows, predictions) = ([[Double]](), [Int]())
    var (sum, since, passed) = (0.0, 0, 0)
    let meter = context.meters?.start("\(context.activity), training", total: steps, unit: "steps")
    defer { meter?.finish() }
    for step in 0..<steps {
      meter?.advance(by: step > 0 ? 1 : 0)
      let examples = try Trainer.examples(
        step: step, rank: context.communicator.rank, plan: trainer.plan, objective: objective, source: source,
        context: trainer.context(step))
      sum += try trainer.step(step, examples).loss
      since += 1
      // An epoch ends with the step that takes its last example; a large batch may end several.
      let ended = min(epochs, (step + 1) * trainer.plan.batch / data.train.count)
      guard ended > passed else { continue }
      predictions = try predict()
      rows.append([Double(ended), sum / Double(since), data.score(predictions).accuracy])
      (sum, since, passed) = (0, 0, ended)
    }
    return (rows, predictions)
  }

  /// The class of every test text, without dropout. Groups of texts are partitioned over ranks and threads.
  private func predict() throws -> [Int] {
    let (objective, parameters, size) = (objective, trainer.parameters.trained, context.microBatch)
    let causal = context.model.configuration.attentionMask == .causal
    let groups = TextGroups(texts, of: data.train.count..<texts.tokens.count, size: size, causal: causal)
    let length = texts.tokens.reduce(1) { max($0, $1.count) }
    let rows = try context.rows(
      groups.groups.count, columns: size, workspace: { ScoringMemory(objective, samples: size, length: length) }
    ) { index, memory in
      let scores = objective.scores(groups.input(index), Pass(parameters), memory.workspace)
      return (0..<size).map { sample in Double(indexOfLargest((0..<scores.columns).map { Double(scores[sample, $0]) }))
      }
    }
    var predictions = [Int](repeating: 0, count: data.test.count)
    for (group, row) in zip(groups.groups, rows) {
      for (text, prediction) in zip(group, row) { predictions[text - data.train.count] = Int(prediction) }
    }
    return predictions
  }
}

/// Memory of one thread for scores without a backward pass.
private final class ScoringMemory {
  let workspace: TextClassification.Workspace
  private let arena: Arena

  init(_ objective: TextClassification, samples: Int, length: Int) {
    (arena, workspace) = Arena.sized { objective.workspace(samples: samples, length: length, forBackward: false, $0) }
  }
}

extension FinetuneMeasure.OwnOptions {
  public static var sentences: [String: String] {
    [
      "feature": "The state the classifier reads: cls, mean or last.",
      "untrained": "Random weights in place of the model's: training from scratch.",
      "epochs": "Passes over the training examples.",
      "learning_rate":
        "The peak rate: near that of pretraining for small models, 2e-5 … 5e-5 for those of 100 million parameters.",
      "batch": "Examples an optimiser step, a multiple of the command's --micro-batch.",
      "dropout": "Dropout of activations and attention while fine-tuning, from 0 and below 1.",
      "weight_decay": "Decoupled weight decay.",
    ]
  }
}
