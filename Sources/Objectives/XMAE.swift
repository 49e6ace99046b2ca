import Core
import Kernels
import Layers
import Models
import Tensors

/// `xmae`: of two channels recorded at the same time, the first is fully visible and the second is hidden but for one
/// stretch; hidden patches of the second are regressed from both, so that an encoder of the first learns what it says
/// about the second.
///
/// *Concretely:* each channel has N patches along time. Of the target's round(r·N) are hidden; the others are one run
/// of neighbours, whose start is drawn. C = encoder(all context patches) and T = target encoder(visible target
/// patches), each patch at its own position of the grid. Queries are W·T + b at visible and one learned vector at
/// hidden target positions, all with their positions; a layer of cross-attention (`CrossBlock`) leads from the queries
/// to C, and ŷ is linear in its output. L = Σ h·ℓ / Σ h over hidden target patches, ℓ the mean of (ŷ - y)² over a
/// patch's numbers.
///
/// The encoder of the context is what is kept.
///
/// Differences from the reference code, on purpose: visible target patches have their true positions in the target
/// encoder and not their rank; the unused way from target to context is left out; the head is linear and has no
/// deconvolution.
///
/// With `partner = "shuffled"`, a control, queries read the context of the next sample of the micro-batch: what the
/// loss loses by that is what the context tells about its own sample.
///
/// Reference: Zhou et al., "Physiology-aware masked cross-modal reconstruction for biosignal representation learning",
/// 2026, arXiv 2605.00973.
public struct XMAE: Objective {
  /// Whose context the queries of a sample read.
  public enum Partner: String, Codable, Sendable, CaseIterable {
    /// The sample's own.
    case own
    /// That of the next sample of the micro-batch; the first sample is the last one's next.
    case shuffled
  }

  /// Which channels there are, and what is hidden of the target.
  public struct Options: ObjectiveOptions {
    /// The channel that is fully visible.
    public var contextChannel = 0
    /// The channel that is hidden in part.
    public var targetChannel = 1
    /// Share of the target's patches that are hidden.
    public var maskRatio = 0.8
    /// Transformer blocks of the target's encoder.
    public var targetNumLayers = 1
    /// Whose context the queries of a sample read.
    public var partner = Partner.own

    public static let sentences = [
      "context_channel": "Index of the channel that is fully visible, 0 … 65535.",
      "target_channel": "Index of the channel whose hidden patches are predicted, 0 … 65535.",
      "mask_ratio": "Share of the target's patches that are hidden, 0.01 … 0.99.",
      "target_num_layers": "Transformer blocks of the target's encoder, 1 … 100.",
      "partner": "Whose context a sample's prediction reads: its own, or as a control that of the next sample.",
    ]

    public init() {}
  }

  public static let name = "xmae"
  public static let summary =
    "Regress hidden patches of one channel from another channel and a visible stretch of its own."
  public static let paper = "Zhou et al. 2026, Physiology-aware masked cross-modal reconstruction, arXiv 2605.00973"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  public let networks: NetworkSet
  public let terms: [LossTerm]
  public let encoder: Transformer
  let bridge: ChannelBridge
  /// Patches of a channel, and those of the target that are visible.
  private let (length, kept): (Int, Int)

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name)
    try Self.check(options, grid)
    try model.requireValid()
    self.options = options
    length = grid.positions / grid.channels
    kept = length - Self.hiddenCount(options.maskRatio, of: length)
    terms = [LossTerm("reconstruction", isAdditive: options.partner == .own)]
    var layout = ParameterLayout()
    bridge = ChannelBridge(model, targetLayers: options.targetNumLayers, size: grid.size, into: &layout)
    encoder = Transformer(model, head: false, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  private static func check(_ options: Options, _ grid: GridShape) throws(ConfigurationError) {
    var problems = OptionProblems()
    problems.require("mask_ratio", options.maskRatio, in: 0.01...0.99)
    problems.require("target_num_layers", options.targetNumLayers, in: 1...100)
    problems.require("context_channel", options.contextChannel, in: 0...grid.channels - 1)
    problems.require("target_channel", options.targetChannel, in: 0...grid.channels - 1)
    problems.require(
      options.contextChannel != options.targetChannel, "target_channel",
      "is \(options.targetChannel); it must be another one than context_channel.")
    problems.require(
      grid.separateChannels && grid.extent.count == 1, "name",
      "is \(name), which needs records of one axis, time, whose channels have positions of their own: set data.separate_channels = true."
    )
    problems.require(
      grid.positions / grid.channels >= 2, "name",
      "is \(name), which needs two patches of a channel at least: set a smaller data.patch.")
    try problems.throwIfAny()
  }

  /// The share rounded to nearest, but at least one and not all.
  private static func hiddenCount(_ ratio: Double, of n: Int) -> Int {
    min(max(1, Int((ratio * Double(n)).rounded())), max(1, n - 1))
  }

  /// The loss of zeros is the mean square of the targets: nothing that is known in advance.
  public func trivialLoss(term: Int) -> Double? { nil }

  public var encoderInput: EncoderInput { .someChannels }

  /// The context channel alone.
  public func whole(_ clean: SampleBatch) -> SequenceInput {
    clean.patches(encoder.configuration, shown: clean.sampleIDs.map { _ in positions(options.contextChannel) })
  }

  private func positions(_ channel: Int) -> [Int] { Array(channel * length..<(channel + 1) * length) }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let visible = (0..<clean.count).map { anchor(clean, $0, context.random(clean.sampleIDs[$0])) }
    var targets = ValueTargets()
    for sample in 0..<clean.count {
      for i in realTargets(clean, sample) where !visible[sample].contains(i) { targets.add(i, of: sample, in: clean) }
    }
    let all = clean.sampleIDs.map { _ in positions(options.targetChannel) }
    let (own, model) = (whole(clean), encoder.configuration)
    return TrainingExample(
      inputs: [
        own, clean.patches(model, shown: visible),
        ChannelBridge.queries(clean, all: all, visible: visible, context: own, model),
      ],
      targets: [targets.targets()])
  }

  private func realTargets(_ clean: SampleBatch, _ sample: Int) -> [Int] {
    positions(options.targetChannel).filter { clean.documentIDs[sample * clean.stride + $0] >= 0 }
  }

  /// The visible target positions of a sample: one run among the real ones, and padding up to `kept`.
  private func anchor(_ clean: SampleBatch, _ sample: Int, _ random: CounterGenerator) -> [Int] {
    let real = realTargets(clean, sample)
    let padding = positions(options.targetChannel).filter { clean.documentIDs[sample * clean.stride + $0] < 0 }
    guard real.count >= 2 else { return Array((padding + real).sorted().prefix(kept)) }
    let count = real.count - Self.hiddenCount(options.maskRatio, of: real.count)
    let start = random.below(real.count - count + 1, 0)
    return (real[start..<start + count] + padding.prefix(kept - count)).sorted()
  }

  /// The row of each target among the queries.
  func queryRows(_ example: TrainingExample) -> [Int] {
    let (leading, record) = (encoder.configuration.leadingRows, encoder.configuration.maxPosition)
    let first = options.targetChannel * length
    return example.targets[0].rows.map { $0 / record * (leading + length) + leading + $0 % record - first }
  }

  private typealias Parts = (encoder: Transformer.Workspace, bridge: ChannelBridge.Workspace)

  public func workspace(samples: Int, length record: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let rows = encoder.configuration.leadingRows + length
    let parts: Parts = (
      Transformer.Workspace(encoder, samples: samples, length: rows, arena),
      ChannelBridge.Workspace(bridge, samples: samples, visible: kept, length: length, arena)
    )
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, input, trained) = (PartsWorkspace<Parts>.parts(of: workspace), example.inputs[0], pass.trained())
    let context = encoder.forward(input, trained, w.encoder)
    let gradient = encoder.beginGradient(input, trained, w.encoder)
    let loss = bridge.loss(
      ChannelBridge.Inputs(
        visible: example.inputs[1], queries: example.inputs[2], context: context,
        shift: options.partner == .own ? 0 : 1),
      rows: queryRows(example), example.targets[0].numbers, scale: scales[0], pass, w.bridge, gradient: gradient)
    if gradient != nil { encoder.backward(input, trained, w.encoder) }
    return [loss]
  }

  /// What is predicted at the hidden patches of the target channel.
  public func predictions(_ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace)
    -> ValuePredictions?
  {
    let w = PartsWorkspace<Parts>.parts(of: workspace)
    let inputs = ChannelBridge.Inputs(
      visible: example.inputs[1], queries: example.inputs[2],
      context: encoder.forward(example.inputs[0], pass.trained(), w.encoder), shift: options.partner == .own ? 0 : 1)
    let targets = example.targets[0]
    return ValuePredictions(
      places: targets.rows, values: bridge.predictions(inputs, rows: queryRows(example), pass, w.bridge).array,
      isScored: targets.elementWeights.map { $0 > 0 }, target: .values)
  }

  public func trainingFlops(_ example: TrainingExample) -> Double {
    encoder.configuration.trainingFlops(example.inputs[0], logits: 0)
      + bridge.trainingFlops(example, targets: example.targets[0].rows.count)
  }
}
