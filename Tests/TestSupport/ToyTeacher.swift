import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// A toy with a teacher: a student reads masked tokens and predicts, at the masked positions, the hidden states of its own
/// moving average, which reads the clean ones. No gradient reaches the teacher.
public struct ToyTeacher: ReferencedObjective {
  public struct Options: ObjectiveOptions {
    public static let sentences: [String: String] = [:]
    public var maskRatio = 0.4
    /// μ at the start of the run; it ends at 1.
    public var momentum = 0.9

    public init() {}
  }

  public static let name = "toy-teacher"
  public static let summary = "Predict the latents of a moving average at masked positions."
  public static let paper = "none: a test of the shape"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .bidirectional() }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let terms = [LossTerm("latents")]
  private let teacher: Transformer
  private let predictor: Linear
  private let predictorGroup: Range<Int>
  private let vocabulary: Vocabulary
  private let mask: Int32

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let vocabulary = data.vocabulary
    try requireOption("mask_ratio", options.maskRatio, in: 0.01...0.9)
    try requireOption("momentum", options.momentum, in: 0...1)
    guard let mask = vocabulary.mask else { throw ConfigurationError("objective.name", "is toy-teacher, but there is no [MASK].") }
    (self.options, self.vocabulary, self.mask) = (options, vocabulary, mask)
    var layout = ParameterLayout()
    predictor = Linear(
      "predictor", inputs: model.hiddenSize, outputs: model.hiddenSize, bias: true, inputMajor: false, deviation: 0.02, into: &layout)
    predictorGroup = layout.group(from: 0)
    encoder = Transformer(model, head: false, into: &layout)
    var following = ParameterLayout()
    teacher = Transformer(model, head: false, into: &following)
    networks = NetworkSet(
      trained: layout, auxiliaries: [.init("teacher", following, .movingAverage(.linear(from: options.momentum, to: 1)))])
  }

  public func trivialLoss(term: Int) -> Double? { nil }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let whole = clean.input(attentionMask: .bidirectional, documentMasking: false)
    var (masked, rows) = (whole, [Int]())
    for sample in 0..<clean.count {
      let positions = ordinaryPositions(clean, sample, vocabulary)
      let count = max(1, Int((options.maskRatio * Double(positions.count)).rounded()))
      for i in chosen(count, of: positions, context.random(clean.sampleIDs[sample])) {
        rows.append(sample * clean.length + i)
        masked.tokens[sample * clean.length + i] = mask
      }
    }
    return TrainingExample(inputs: [masked, whole], targets: [TermTargets(rows: rows)])
  }

  private typealias Parts = (student: Transformer.Workspace, teacher: Transformer.Workspace, predicted: TensorView)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      Transformer.Workspace(encoder, samples: samples, length: length, arena),
      Transformer.Workspace(teacher, samples: samples, length: length, forBackward: false, arena),
      arena.matrix(samples * length, encoder.configuration.hiddenSize)
    )
    return ToyWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let w = ToyWorkspace<Parts>.of(workspace)
    let (input, trained) = (example.inputs[0], pass.trained())
    var targets = example.targets[0]
    let latents = teacher.forward(example.inputs[1], pass.auxiliary("teacher"), w.teacher)
    targets.values = targets.rows.flatMap { latents.rows($0..<$0 + 1).array }
    let hidden = encoder.forward(input, trained, w.student)
    let predicted = w.predicted.first(input.rows)
    predictor.forward(hidden, trained, into: predicted)
    let loss = squaredError(predicted, targets, scale: scales[0])
    guard let sink = pass.sink else { return [loss] }
    predictor.backward(x: hidden, dy: predicted, trained, in: predictorGroup, into: w.student.gradient.first(input.rows))
    sink.add(predictorGroup)
    encoder.backward(input, trained, w.student)
    return [loss]
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    guard let following = auxiliaries["teacher"] else { return [] }
    let (c, targets) = (encoder.configuration, example.targets[0])
    let latents = following.hidden(example.inputs[1], c).taking(rows: targets.rows).stopped()
    let predicted = scope.linear("predictor", scope.hidden(example.inputs[0], c), inputMajor: false)
    return [scope.squaredError(predicted, rows: targets.rows, values: latents, weights: targets.weights)]
  }
}
