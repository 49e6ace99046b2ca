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
import Training

/// One training on labelled examples.
struct Finetuning {
  private let data: any LabelledExamples
  private let examples: any TuningExamples
  private let context: MeasureContext
  private let objective: ExampleClassification
  private let trainer: Trainer
  private let epochs: Int
  private let steps: Int

  init(
    _ options: FinetuneMeasure.Options, _ head: (feature: Pooling, kind: ClassificationHead.Kind),
    _ data: any LabelledExamples, _ examples: any TuningExamples, _ context: MeasureContext
  ) throws {
    (self.data, self.examples, self.context, epochs) = (data, examples, context, options.epochs)
    var shape = context.model.configuration
    (shape.dropout, shape.attentionDropout) = (Float(options.dropout), Float(options.dropout))
    var wanted = ExampleClassification.Options()
    (wanted.classes, wanted.feature, wanted.head) = (data.classes.count, head.feature.rawValue, head.kind)
    (wanted.leading, wanted.trailing) = (examples.leading, examples.trailing)
    objective = try ExampleClassification(wanted, model: shape, data: context.model.data)
    steps = (options.epochs * examples.training.samplesPerEpoch + options.batch - 1) / options.batch
    var optimizer = AdamWOptions()
    (optimizer.learningRate, optimizer.beta2, optimizer.weightDecay) = (
      options.learningRate, 0.999, options.weightDecay
    )
    trainer = try Trainer(
      objective, length: examples.length,
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
      let batch = try Trainer.examples(
        step: step, rank: context.communicator.rank, plan: trainer.plan, objective: objective,
        source: examples.training,
        context: trainer.context(step))
      sum += try trainer.step(step, batch).loss
      since += 1
      // An epoch ends with the step that takes its last example; a large batch may end several.
      let ended = min(epochs, (step + 1) * trainer.plan.batch / examples.training.samplesPerEpoch)
      guard ended > passed else { continue }
      predictions = try predict()
      rows.append([Double(ended), sum / Double(since), data.score(predictions).accuracy])
      (sum, since, passed) = (0, 0, ended)
    }
    return (rows, predictions)
  }

  /// The class of every test example, without dropout. Groups are partitioned over ranks and threads.
  private func predict() throws -> [Int] {
    let (objective, parameters, size) = (objective, trainer.parameters.trained, context.microBatch)
    let examples = examples
    let rows = try context.rows(
      examples.testGroups.count, columns: size,
      workspace: { ScoringMemory(objective, samples: size, length: examples.length) }
    ) { index, memory in
      let scores = objective.scores(try examples.testInput(index), Pass(parameters), memory.workspace)
      return (0..<size).map { sample in Double(indexOfLargest((0..<scores.columns).map { Double(scores[sample, $0]) }))
      }
    }
    var predictions = [Int](repeating: 0, count: data.testLabels.count)
    for (group, row) in zip(examples.testGroups, rows) {
      for (example, prediction) in zip(group, row) { predictions[example] = Int(prediction) }
    }
    return predictions
  }
}

/// Memory of one thread for scores without a backward pass.
private final class ScoringMemory {
  let workspace: ExampleClassification.Workspace
  private let arena: Arena

  init(_ objective: ExampleClassification, samples: Int, length: Int) {
    (arena, workspace) = Arena.sized { objective.workspace(samples: samples, length: length, forBackward: false, $0) }
  }
}
