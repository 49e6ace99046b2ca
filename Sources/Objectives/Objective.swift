import Core
import Kernels
import Layers
import Models
import Tensors

/// A self-supervised objective: what to hide, what to predict, and how to score the prediction.
///
/// An objective is a value made of parts: networks, loss terms with a count each, a corruption. The trainer never
/// learns which one it runs: it takes examples, sums their counts over the whole batch, hands back one scale a
/// term, and collects loss sums. Everything an objective does with its networks happens in `lossAndGradient`.
public protocol Objective: Sendable {
  associatedtype Options: ObjectiveOptions

  /// The name in configurations.
  static var name: String { get }
  /// One line for `lockstep objectives`.
  static var summary: String { get }
  /// Title, year and identifier of the paper.
  static var paper: String { get }
  /// What the objective needs of data, model and configuration under these options.
  static func requirements(_ options: Options) -> ObjectiveRequirements

  /// Builds the networks from the main model's shape.
  /// - Throws: `ConfigurationError` naming the key under `objective`.
  init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError)

  /// The networks with their parameters.
  var networks: NetworkSet { get }
  /// The network that pretraining is for. It reads `inputs[0]` of an example; its parameters are among the trained
  /// ones.
  var encoder: Transformer { get }
  /// The shape that checkpoints are written as: it decides which class opens them. Usually the encoder's.
  var exported: ModelConfiguration { get }
  /// Networks that are exported beside the encoder, each into a folder of its own.
  var exportedNetworks: [ExportedNetwork] { get }
  /// In the order of counts, scales and loss sums.
  var terms: [LossTerm] { get }

  /// The loss of a predictor that knows nothing, for a term: log V for a softmax over V. Stated so that tests can hold
  /// it against the code.
  func trivialLoss(term: Int) -> Double?

  /// Samples become examples. A pure function of the samples and the context: the same on any rank.
  func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample

  /// Samples with nothing hidden, as the encoder reads them where its features are used.
  func whole(_ clean: SampleBatch) -> SequenceInput

  /// What the rows of the encoder are, beside [CLS], where samples are records of numbers.
  var encoderInput: EncoderInput { get }

  /// What the encoder reads in place of an input's values, [rows without learned ones, input size], where layers of the
  /// objective stand in front of it (`EncoderInput.layers`); nil where it reads the values themselves.
  func encoderRows(_ input: SequenceInput, _ parameters: ParameterStore) -> [Float]?

  /// Memory for one worker, taken once.
  func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace

  /// The example with nothing left to choose: where the networks choose what is hidden (`example.late`), their choice;
  /// else the example itself. `lossAndGradient` begins with it. Counts of targets stay as `corrupt` stated them.
  func settled(_ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace) -> TrainingExample

  /// Forward, loss and, where the pass has a sink, backward of one micro-batch.
  ///
  /// - Parameters:
  ///   - scales: λ / (count over the whole batch) for each term. A term's gradient is scale · d(loss sum).
  /// - Returns: the unscaled loss sum of each term.
  func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double]

  /// The numbers that the objective predicts for positions of an example, in a pass without a sink; nil where it
  /// predicts none, such as for tokens.
  func predictions(_ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace)
    -> ValuePredictions?

  /// Predicts the same positions of every sample from all others, with the networks of this objective.
  func predictor(hiding positions: [Int]) -> PositionPrediction

  /// What the objective does after an optimiser step, before moving averages: reads statistics and writes states among
  /// the trained parameters. A function of the parameters and the context, so every rank does the same. Nothing, unless
  /// the objective says otherwise.
  func afterStep(_ parameters: ParameterStore, _ context: StepContext)

  /// Required flops of training on an example, forward and backward through all networks; what a budget in flops
  /// counts.
  func trainingFlops(_ example: TrainingExample) -> Double

  /// The options as they are, defaults included, for the resolved configuration.
  var options: Options { get }
}

extension Objective {
  /// The objective for data of token ids.
  public init(_ options: Options, model: ModelConfiguration, vocabulary: Vocabulary) throws(ConfigurationError) {
    try self.init(options, model: model, data: DataShape(vocabulary))
  }

  public func afterStep(_ parameters: ParameterStore, _ context: StepContext) {}

  public func predictions(_ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace)
    -> ValuePredictions?
  { nil }

  public func predictor(hiding positions: [Int]) -> PositionPrediction {
    .unsupported("\(Self.name) predicts no numbers of hidden positions")
  }

  public var encoderInput: EncoderInput { .positions }

  public func encoderRows(_ input: SequenceInput, _ parameters: ParameterStore) -> [Float]? { nil }

  public func settled(_ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace)
    -> TrainingExample
  { example }

  public func whole(_ clean: SampleBatch) -> SequenceInput {
    let model = encoder.configuration
    return clean.values.isEmpty
      ? clean.input(attentionMask: model.attentionMask, documentMasking: false) : clean.patches(model)
  }

  /// What the objective needs under its own options.
  public var requirements: ObjectiveRequirements { Self.requirements(options) }

  /// One pass of the encoder over the first input, and logits at the rows of the first term.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    encoder.configuration.trainingFlops(example.inputs[0], logits: example.targets[0].rows.count)
  }

  public var exported: ModelConfiguration { encoder.configuration }
  public var exportedNetworks: [ExportedNetwork] { [] }
}

extension ModelConfiguration {
  /// Required flops of forward and backward over an input, with logits at so many of its rows.
  func trainingFlops(_ input: SequenceInput, logits: Int) -> Double {
    let rows = Double(input.rows)
    return rows
      * trainingFlopsPerToken(
        length: input.length, headFraction: Double(logits) / max(rows, 1),
        outputFraction: input.selection.map { Double($0.count) / rows } ?? 1)
  }
}

/// What the rows of an encoder of numbers are.
public enum EncoderInput: String, Sendable, CaseIterable {
  /// The positions of a record.
  case positions
  /// Some of them, such as those of one channel.
  case someChannels
  /// The elements of a record, whose position ids say their type and not their place.
  case elements
  /// What layers of the objective make of the positions.
  case layers
}

/// What an objective needs of its samples.
public enum SampleForm: Sendable, Equatable {
  /// Whatever the configuration says.
  case any
  /// [CLS] … [SEP] around each sample: the objective reads the vector of [CLS].
  case framed
  /// One document per sample, padded; its tokens come in groups of `unit`.
  case documents(unit: Int)
}

/// Options of an objective: Codable, with a default for everything.
public protocol ObjectiveOptions: ConfigurableOptions {}

extension CombinedOptions: ObjectiveOptions where Shared: ObjectiveOptions, Own: ObjectiveOptions {}

/// A part of the loss: λ · Σ w·ℓ / Σ w, the sums running over the whole batch.
public struct LossTerm: Sendable, Equatable {
  public let name: String
  /// λ.
  public let weight: Double
  /// The loss of a micro-batch is the sum of what each of its samples alone would give. False for a term that compares
  /// the samples of a micro-batch, such as a contrastive one: then the micro-batch is a part of its mathematics.
  public let isAdditive: Bool

  public init(_ name: String, weight: Double = 1, isAdditive: Bool = true) {
    (self.name, self.weight, self.isAdditive) = (name, weight, isAdditive)
  }
}

/// Where a run stands, as far as corruption and schedules may depend on it.
public struct StepContext: Sendable {
  public let seed: UInt64
  /// Optimiser steps done, and the number planned.
  public let step: Int
  public let steps: Int
  /// Random numbers for training corruption, or for evaluation, which must not change from step to step.
  public let purpose: RandomPurpose

  public init(seed: UInt64, step: Int, steps: Int, purpose: RandomPurpose = .corruption) {
    (self.seed, self.step, self.steps, self.purpose) = (seed, step, steps, purpose)
  }

  /// From 0 to 1 over the run.
  public var progress: Double { steps > 0 ? min(1, Double(step) / Double(steps)) : 0 }

  /// The generator for the corruption of the sample at `position`; `site` distinguishes views and terms.
  public func random(_ position: UInt64, site: UInt32 = 0) -> CounterGenerator {
    CounterGenerator(seed: seed, purpose: purpose, position: position, site: site)
  }
}

/// One micro-batch as the networks see it.
public struct TrainingExample: Sendable {
  /// What each network or view reads; the main network's first.
  public var inputs: [SequenceInput]
  /// One for each term.
  public var targets: [TermTargets]
  /// For draws that depend on the networks, made in `lossAndGradient`: the seed and the purpose; position and site are
  /// the draw's.
  public var random: CounterGenerator?
  /// What the networks still choose; nil where nothing is left to choose.
  public var late: LateMask?
  /// Which samples it was made of; written by the trainer.
  public var samples = SampleDigest()

  public init(inputs: [SequenceInput], targets: [TermTargets], random: CounterGenerator? = nil) {
    self.inputs = inputs
    self.targets = targets
    self.random = random
  }

  /// Σ w of each term.
  public var counts: [Double] { targets.map(\.count) }
}

/// The targets of a term: rows of hidden states, a target and a loss weight for each.
public struct TermTargets: Sendable, Equatable {
  /// Rows of the network's output; distinct, or with `offsets`, distinct together with their offset.
  public var rows: [Int]
  /// Target ids, one per row; empty for continuous targets.
  public var ids: [Int32]
  /// How far ahead of its row each target lies, where a row may have several; empty where it has one.
  public var offsets: [Int]
  /// Target values [rows, k]; empty for ids.
  public var values: [Float]
  /// Weights of single target values [rows, k]; empty where each has 1/k.
  public var elementWeights: [Float]
  /// Loss weights, one per row.
  public var weights: [Float]
  /// What the term is divided by, summed over the batch: Σ w unless the objective says otherwise.
  public var count: Double

  public init(
    rows: [Int], ids: [Int32] = [], offsets: [Int] = [], values: [Float] = [], elementWeights: [Float] = [],
    weights: [Float]? = nil,
    count: Double? = nil
  ) {
    self.rows = rows
    self.ids = ids
    self.offsets = offsets
    (self.values, self.elementWeights) = (values, elementWeights)
    self.weights = weights ?? [Float](repeating: 1, count: rows.count)
    self.count = count ?? self.weights.reduce(0) { $0 + Double($1) }
  }

  /// Values as a regression head takes them.
  public var numbers: RegressionTargets {
    RegressionTargets(values: values, weights: weights, elementWeights: elementWeights)
  }

  /// Rows and ids as a vocabulary head takes them.
  public var tokens: VocabularyHead.Targets { VocabularyHead.Targets(rows: rows, ids: ids, weights: weights) }
}

/// The values of all parameters during a step, and where gradients go.
public struct ObjectivePass {
  public let parameters: ParameterSet
  public let sink: (any GradientSink)?
  /// The generator of dropout masks; nil in evaluation.
  public let dropout: CounterGenerator?
  /// Where losses of single samples are noted; nil but in a replay.
  public let losses: SampleLosses?
  /// Where an objective whose networks draw tokens leaves what it drew; nil but for a look at a batch.
  public let drawn: DrawnInput?

  public init(
    _ parameters: ParameterSet, sink: (any GradientSink)?, dropout: CounterGenerator?, losses: SampleLosses? = nil,
    drawn: DrawnInput? = nil
  ) {
    (self.parameters, self.sink, self.dropout, self.losses, self.drawn) = (parameters, sink, dropout, losses, drawn)
  }

  /// A pass of a trained network. Two passes of one step take different `index`es, so that their dropout differs.
  /// - Parameter term: the loss term that the network's head scores.
  public func trained(_ index: UInt32 = 0, term: Int = 0) -> Pass {
    Pass(parameters.trained, sink: sink, dropout: dropout, siteOffset: index << 24, losses: losses, term: term)
  }

  /// A pass of an auxiliary network: no gradient, no dropout.
  public func auxiliary(_ name: String) -> Pass { Pass(parameters.auxiliary(name)) }
}

/// What the main network reads in place of `inputs[0]`, where an objective draws tokens while it computes.
public final class DrawnInput {
  public var input: SequenceInput?

  public init() {}
}

/// Memory of one worker for one objective.
open class ObjectiveWorkspace {
  public init() {}
}
