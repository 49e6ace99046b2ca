import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// A toy on two-dimensional patches: a masked autoencoder that regresses the hidden patches with a light decoder.
public struct ToyPatches: ReferencedObjective {
  public struct Options: ObjectiveOptions {
    public static let sentences: [String: String] = [:]
    /// Share of positions the encoder does not see.
    public var maskRatio = 0.5

    public init() {}
  }

  public static let name = "toy-patches"
  public static let summary = "Regress hidden patches from visible ones with a light decoder."
  public static let paper = "none: a test of the shape"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  public let networks: NetworkSet
  public let terms = [LossTerm("patches")]
  private let autoencoder: MaskedAutoencoder
  private let head: RegressionHead
  public var encoder: Transformer { autoencoder.encoder }

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    try requireOption("mask_ratio", options.maskRatio, in: 0.01...0.9)
    guard let grid = data.grid, grid.extent.count == 2 else {
      throw ConfigurationError("objective.name", "is toy-patches, which needs records of two axes.")
    }
    self.options = options
    var (light, layout) = (model, ParameterLayout())
    light.numLayers = 1
    head = RegressionHead("output", light, size: grid.size, into: &layout)
    autoencoder = MaskedAutoencoder(model, decoder: light, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  public static func checkModel() -> ModelConfiguration { ToyValues.model() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyValues.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyValues() }
  public static var overfitRate: Float { 0.2 }

  /// The loss of zeros is the mean square of the data: nothing that is known in advance.
  public func trivialLoss(term: Int) -> Double? { nil }

  private func visibleCount(_ length: Int) -> Int {
    max(1, length - Int((options.maskRatio * Double(length)).rounded()))
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let (length, size) = (clean.length, clean.valueSize)
    var (visible, rows, targets) = ([[Int]](), [Int](), [Float]())
    for sample in 0..<clean.count {
      visible.append(chosen(visibleCount(length), of: Array(0..<length), context.random(clean.sampleIDs[sample])))
      for i in 0..<length where !visible[sample].contains(i) && clean.documentIDs[sample * length + i] >= 0 {
        rows.append(sample * length + i)
        targets += clean.values[(sample * length + i) * size..<(sample * length + i + 1) * size]
      }
    }
    return TrainingExample(
      inputs: MaskedAutoencoder.inputs(clean, visible: visible, encoder.configuration),
      targets: [TermTargets(rows: rows, values: targets)])
  }

  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let length = example.inputs[1].length
    return MaskedAutoencoder.hiddenRows(example).map { ($0 / length, $0 % length) }
  }

  private typealias Parts = (networks: MaskedAutoencoder.Workspace, head: RegressionHead.Saved)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      MaskedAutoencoder.Workspace(autoencoder, samples: samples, visible: visibleCount(length), length: length, arena),
      RegressionHead.Saved(head, rows: samples * length, arena)
    )
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, t) = (PartsWorkspace<Parts>.parts(of: workspace), example.targets[0])
    let (hidden, gradient, above) = autoencoder.forward(example, pass, w.networks)
    let loss = head.loss(
      .l2, hidden, rows: t.rows, RegressionTargets(values: t.values, weights: t.weights), scale: scales[0], above,
      w.head, gradient: gradient)
    autoencoder.backward(example, pass, w.networks)
    return [loss]
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (input, whole) = (example.inputs[0], example.inputs[1])
    var above = scope
    above.siteOffset = 1 << 24
    let decoded = above.hidden(
      prefix: "decoder.", whole, autoencoder.decoder.configuration, rows: scope.hidden(input, encoder.configuration))
    return [above.squaredError(above.linear("output", decoded, inputMajor: false), example.targets[0])]
  }
}
