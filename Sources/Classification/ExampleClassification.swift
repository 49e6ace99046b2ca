import Core
import Evaluation
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// Classification of texts or records of numbers, all weights trained: what `finetune` gives to the trainer.
///
/// *Concretely:* the mean h of the last layer's states over the rows of a `Pooling` goes through a
/// `ClassificationHead` to one score a class; loss = Σ w·CE / Σ w over the batch, w = 1 for every sample with a label.
/// The label of a sample is its field `label`. Nothing is hidden: `corrupt` draws nothing.
///
/// Not in the registry: its classes are those of the examples that `finetune` reads.
struct ExampleClassification: Objective {
  struct Options: ObjectiveOptions {
    static let sentences: [String: String] = [:]
    var classes = 2
    var feature = Pooling.mean.rawValue
    /// Rows before an example and behind it that are no part of it: 1 for [CLS], 1 for [SEP].
    var leading = 0
    var trailing = 0
    /// The layers between the mean state and the scores.
    var head = ClassificationHead.Kind.linear
  }

  static let name = "classification"
  static let summary = "Classification of labelled examples with all weights."
  static let paper = "Devlin et al. 2018, BERT, arXiv 1810.04805"

  /// The model's own attention is used, whichever it is.
  static func requirements(_ options: Options) -> ObjectiveRequirements { .bidirectional(lookahead: 0) }

  let options: Options
  let networks: NetworkSet
  let encoder: Transformer
  let terms = [LossTerm("loss")]
  private let feature: Pooling
  private let classifier: ClassificationHead

  init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    guard options.classes >= 2 else {
      throw ConfigurationError("objective.classes", is: options.classes, rule: "it must be 2 or more.")
    }
    let problems = Pooling.problems(options.feature, key: "objective.feature", several: false)
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    self.options = options
    feature = Pooling(rawValue: options.feature) ?? .mean
    var layout = ParameterLayout()
    classifier = ClassificationHead("classifier", options.head, classes: options.classes, model, into: &layout)
    encoder = Transformer(model, head: false, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  func trivialLoss(term: Int) -> Double? { naturalLogarithm(Double(options.classes)) }

  func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    guard let labels = clean.field(TuningField.label)?.ids else {
      preconditionFailure("classification needs samples with labels")
    }
    let labelled = (0..<clean.count).filter { labels[$0] >= 0 }
    let ids = labelled.map { labels[$0] }
    return TrainingExample(inputs: [whole(clean)], targets: [TermTargets(rows: labelled, ids: ids)])
  }

  // MARK: - Forward and backward

  final class Workspace: ObjectiveWorkspace {
    let transformer: Transformer.Workspace
    /// A row per sample.
    let pooled: TensorView, gradient: TensorView
    let head: ClassificationHead.Saved

    init(_ model: Transformer, classes: Int, samples: Int, length: Int, forBackward: Bool, _ arena: Arena) {
      transformer = Transformer.Workspace(
        model, samples: samples, length: model.configuration.leadingRows + length, forBackward: forBackward, arena)
      pooled = arena.matrix(samples, model.configuration.hiddenSize)
      gradient = arena.matrix(samples, model.configuration.hiddenSize)
      head = ClassificationHead.Saved(model.configuration, classes: classes, samples: samples, arena)
    }
  }

  func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    workspace(samples: samples, length: length, forBackward: true, arena)
  }

  func workspace(samples: Int, length: Int, forBackward: Bool, _ arena: Arena) -> Workspace {
    Workspace(encoder, classes: options.classes, samples: samples, length: length, forBackward: forBackward, arena)
  }

  /// One score a class of each sample, [samples, classes], in the workspace.
  func scores(_ input: SequenceInput, _ pass: Pass, _ w: Workspace) -> TensorView {
    let hidden = encoder.forward(input, pass, w.transformer)
    let count = input.sampleIDs.count
    let pooled = w.pooled.first(count)
    for sample in 0..<count {
      let (rows, to) = (rows(of: sample, input), pooled.base + sample * pooled.columns)
      pooled.rows(sample..<sample + 1).fill(0)
      for row in rows { for j in 0..<pooled.columns { to[j] += hidden[row, j] } }
      for j in 0..<pooled.columns { to[j] /= Float(rows.count) }
    }
    return classifier.forward(pooled, input, pass, w.head)
  }

  func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    guard let w = workspace as? Workspace else {
      preconditionFailure("classification got the workspace of another objective")
    }
    let (input, targets, trained) = (example.inputs[0], example.targets[0], pass.trained())
    let scores = scores(input, trained, w)
    let count = input.sampleIDs.count
    // A sample without a label keeps its row, at weight 0.
    var (ids, weights) = ([Int32](repeating: 0, count: count), [Float](repeating: 0, count: count))
    for (i, row) in targets.rows.enumerated() { (ids[row], weights[row]) = (targets.ids[i], targets.weights[i]) }
    let loss = softmaxCrossEntropy(
      logits: scores, targets: ids[...], weights: weights[...], scale: scales[0], gradient: trained.sink != nil)
    guard trained.sink != nil else { return [loss] }
    let gradient = w.gradient.first(count)
    classifier.backward(x: w.pooled.first(count), dScores: scores, input, trained, w.head, into: gradient)
    guard let dhidden = encoder.beginGradient(input, trained, w.transformer) else { return [loss] }
    for sample in 0..<count {
      let rows = rows(of: sample, input)
      for row in rows { for j in 0..<dhidden.columns { dhidden[row, j] = gradient[sample, j] / Float(rows.count) } }
    }
    encoder.backward(input, trained, w.transformer)
    return [loss]
  }

  /// Rows of the hidden states that a sample's feature is the mean of.
  func rows(of sample: Int, _ input: SequenceInput) -> Range<Int> {
    let start = sample * input.length
    // A sample of nothing but padding has no label; any row will do.
    let rows = feature.rows(
      of: input.realRows(of: sample), leading: options.leading, trailing: options.trailing)
    return rows.isEmpty ? start..<start + 1 : start + rows.lowerBound..<start + rows.upperBound
  }
}
