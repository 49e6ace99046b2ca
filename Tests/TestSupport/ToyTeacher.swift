import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// A toy with a teacher: a student reads masked tokens and predicts at the masked positions what its own moving
/// average, which reads the clean ones, holds there: from its last layer the mean over the teacher's layers, and from
/// its first layer the teacher's first. No gradient reaches the teacher.
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

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .bidirectional(head: .none) }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let terms = [LossTerm("latents"), LossTerm("inner", weight: 0.5)]
  private let teacher: Transformer
  private let latents: RegressionHead, inner: RegressionHead
  private let vocabulary: Vocabulary
  private let mask: Int32

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let vocabulary = data.vocabulary
    try requireOption("mask_ratio", options.maskRatio, in: 0.01...0.9)
    try requireOption("momentum", options.momentum, in: 0...1)
    guard let mask = vocabulary.mask else {
      throw ConfigurationError("objective.name", "is toy-teacher, but there is no [MASK].")
    }
    (self.options, self.vocabulary, self.mask) = (options, vocabulary, mask)
    var layout = ParameterLayout()
    latents = RegressionHead("latents", model, size: model.hiddenSize, into: &layout)
    inner = RegressionHead("inner", model, size: model.hiddenSize, into: &layout)
    encoder = Transformer(model, head: false, into: &layout)
    var following = ParameterLayout()
    teacher = Transformer(model, head: false, into: &following)
    networks = NetworkSet(
      trained: layout,
      auxiliaries: [.init("teacher", following, .movingAverage(.linear(from: options.momentum, to: 1)))])
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
    return TrainingExample(inputs: [masked, whole], targets: [TermTargets(rows: rows), TermTargets(rows: rows)])
  }

  private typealias Parts = (
    student: Transformer.Workspace, teacher: Transformer.Workspace, latents: RegressionHead.Saved,
    inner: RegressionHead.Saved, injected: TensorView
  )

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let (c, rows) = (encoder.configuration, samples * length)
    let parts: Parts = (
      Transformer.Workspace(encoder, samples: samples, length: length, taps: [0], arena),
      Transformer.Workspace(
        teacher, samples: samples, length: length, forBackward: false, taps: Set(0..<c.numLayers), arena),
      RegressionHead.Saved(latents, rows: rows, arena), RegressionHead.Saved(inner, rows: rows, arena),
      arena.matrix(rows, c.hiddenSize)
    )
    return PartsWorkspace(parts)
  }

  /// What the teacher holds at the rows: the mean over its layers, and its first layer.
  private func targets(_ rows: [Int], _ input: SequenceInput, _ w: Transformer.Workspace) -> (
    mean: [Float], first: [Float]
  ) {
    let layers = (0..<encoder.configuration.numLayers).map { layer in
      let states = teacher.tap(layer, input, w)
      return rows.flatMap { states.rows($0..<$0 + 1).array }
    }
    return (layers[0].indices.map { i in layers.reduce(0) { $0 + $1[i] } / Float(layers.count) }, layers[0])
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, t) = (PartsWorkspace<Parts>.parts(of: workspace), example.targets)
    let (input, trained) = (example.inputs[0], pass.trained())
    teacher.forward(example.inputs[1], pass.auxiliary("teacher"), w.teacher)
    let (mean, first) = targets(t[0].rows, example.inputs[1], w.teacher)
    let hidden = encoder.forward(input, trained, w.student)
    let gradient = encoder.beginGradient(input, trained, w.student)
    let injected = w.injected.first(input.rows)
    injected.fill(0)
    let losses = [
      latents.loss(
        .l2, hidden, rows: t[0].rows, RegressionTargets(values: mean, weights: t[0].weights), scale: scales[0], trained,
        w.latents, gradient: gradient),
      inner.loss(
        .l2, encoder.tap(0, input, w.student), rows: t[1].rows, RegressionTargets(values: first, weights: t[1].weights),
        scale: scales[1],
        pass.trained(term: 1), w.inner, gradient: gradient == nil ? nil : injected),
    ]
    if gradient != nil { encoder.backward(input, trained, w.student, injected: [0: injected]) }
    return losses
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    guard let following = auxiliaries["teacher"] else { return [] }
    let (c, t, own, taught) = (encoder.configuration, example.targets, BlockOutputs(), BlockOutputs())
    _ = following.hidden(example.inputs[1], c, outputs: taught)
    let layers = taught.values.map { $0.taking(rows: t[0].rows).stopped() }
    let mean = layers.dropFirst().reduce(layers[0]) { $0 + $1 } * (1 / Double(layers.count))
    let hidden = scope.hidden(example.inputs[0], c, outputs: own)
    return [
      scope.squaredError(
        scope.linear("latents", hidden, inputMajor: false), rows: t[0].rows, values: mean, weights: t[0].weights),
      scope.squaredError(
        scope.linear("inner", own.values[0], inputMajor: false), rows: t[1].rows, values: layers[0],
        weights: t[1].weights),
    ]
  }
}
