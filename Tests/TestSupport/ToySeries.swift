import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// A toy on series with missing values: some steps are shown as zeros, and what was measured there is regressed; a
/// number that is missing has no weight.
public struct ToySeries: ReferencedObjective {
  public struct Options: ObjectiveOptions {
    public static let sentences: [String: String] = [:]
    /// Share of steps that are hidden.
    public var maskRatio = 0.4

    public init() {}
  }

  public static let name = "toy-series"
  public static let summary = "Regress the measured numbers of hidden steps."
  public static let paper = "none: a test of the shape"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let terms = [LossTerm("steps")]
  private let head: RegressionHead

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    try requireOption("mask_ratio", options.maskRatio, in: 0.01...0.9)
    self.options = options
    var layout = ParameterLayout()
    head = RegressionHead("output", model, size: model.inputSize, into: &layout)
    encoder = Transformer(model, head: false, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  public static func checkModel() -> ModelConfiguration { ToyValues.model() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyValues.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyValues(hasMissing: true) }
  public static var overfitRate: Float { 0.2 }

  public func trivialLoss(term: Int) -> Double? { nil }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedBatch(clean.input(attentionMask: .bidirectional, documentMasking: false))
    for sample in 0..<clean.count where clean.documentIDs[sample * clean.length] >= 0 {
      let count = maskCount(options.maskRatio, of: clean.length)
      masked.hide(
        randomSubset(Array(0..<clean.length), count: count, context.random(clean.sampleIDs[sample])), of: sample,
        in: clean)
    }
    return masked.example()
  }

  private typealias Parts = (network: Transformer.Workspace, head: RegressionHead.Saved)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      Transformer.Workspace(encoder, samples: samples, length: length, arena),
      RegressionHead.Saved(head, rows: samples * length, arena)
    )
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, t, input, trained) = (
      PartsWorkspace<Parts>.parts(of: workspace), example.targets[0], example.inputs[0], pass.trained()
    )
    let hidden = encoder.forward(input, trained, w.network)
    let gradient = encoder.beginGradient(input, trained, w.network)
    let loss = head.loss(
      .l2, hidden, rows: t.rows,
      t.numbers, scale: scales[0],
      trained, w.head, gradient: gradient)
    if gradient != nil { encoder.backward(input, trained, w.network) }
    return [loss]
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let t = example.targets[0]
    let predicted = scope.linear(
      "output", scope.hidden(example.inputs[0], encoder.configuration).taking(rows: t.rows), inputMajor: false)
    return [scope.regression(.l2, predicted, t.numbers)]
  }
}
