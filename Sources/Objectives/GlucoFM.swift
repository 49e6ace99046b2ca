import Core
import Kernels
import Layers
import Models
import Tensors

/// `glucofm`: an encoder of series with missing numbers predicts, at hidden patches, what its own moving average holds
/// there, and from the tokens of each visible patch those of the next one.
///
/// *Concretely:* of N patches ⌊u·N⌋ are hidden, u uniform in `min_mask_ratio` … `max_mask_ratio`. What is hidden counts
/// as not measured before the series is standardised by its own mean and deviation, smoothed and split
/// (`StreamEncoder`). With d_i the measured share of patch i, h_i = 1 where it is hidden, ℓ the smooth L1 loss of a
/// vector (mean over its numbers), and targets of the teacher, which reads the whole series:
/// - context: Σ h_i·d_i·ℓ(P(y_i), teacher's y_i) / Σ h_i·d_i, y the encoder's outputs;
/// - dynamics: Σ q_i·½(ℓ(Q_s(s_i), s_{i+1}) + ℓ(Q_e(e_i), e_{i+1})) / Σ q_i with q_i = (1 - h_i)·d_i·d_{i+1}, s and e
///   the tokens of state and event.
///
/// P, Q_s and Q_e are a linear layer behind LN(GELU(linear)). Both sums run over the batch; a term without weight in a
/// step has no gradient. A number that was not measured is read nowhere.
///
/// Choices where the paper leaves room: dynamics start from tokens, which know the past alone, and not from the
/// encoder's outputs, which see the next patch; a state is marked as known wherever its window holds a measurement. The
/// smoother has the learning rate of all other parameters.
///
/// Reference: Li et al., "GlucoFM: a dual-stream foundation model for continuous glucose monitoring", 2026, arXiv
/// 2605.30865.
public struct GlucoFM: Objective {
  public static let name = "glucofm"
  public static let summary =
    "Predict a moving average's latents at hidden patches of a series with gaps, and the next patch's two streams."
  public static let paper = "Li et al. 2026, GlucoFM, arXiv 2605.30865"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  public let networks: NetworkSet
  public let terms: [LossTerm]
  public var encoder: Transformer { student.transformer }
  let student: StreamEncoder
  private let teacher: StreamEncoder
  private let context: RegressionHead
  /// From state to next state, and from event to next event.
  private let dynamics: [RegressionHead]

  /// Sites of a sample's generator: which patches are hidden, and how many.
  private static let (patchSite, countSite): (UInt32, UInt32) = (0, 1)

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name)
    try options.check(grid, Self.name)
    try model.requireValid()
    self.options = options
    terms = [LossTerm("context"), LossTerm("dynamics", weight: options.dynamicsWeight)]
    let shape = options.streams(model, patch: grid.size)
    var small = model
    small.hiddenSize = shape.stream
    var layout = ParameterLayout()
    context = RegressionHead("context", model, size: model.hiddenSize, transform: true, into: &layout)
    var heads: [RegressionHead] = []
    for stream in ["state", "event"] {
      heads.append(
        RegressionHead("dynamics.\(stream)", small, size: shape.stream, transform: true, into: &layout))
    }
    dynamics = heads
    student = StreamEncoder(model, shape, into: &layout)
    var following = ParameterLayout()
    teacher = StreamEncoder(model, shape, into: &following)
    networks = NetworkSet(
      trained: layout, auxiliaries: [.init("teacher", following, .movingAverage(.constant(options.momentum)))])
  }

  /// The loss depends on the networks' own latents: nothing that is known in advance.
  public func trivialLoss(term: Int) -> Double? { nil }

  public func whole(_ clean: SampleBatch) -> SequenceInput {
    clean.measured(without: clean.sampleIDs.map { _ in [] }).patches(encoder.configuration)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var (latents, next) = (WeightedRows(), WeightedRows())
    let hidden = (0..<clean.count).map { Set(hiddenPatches(clean, $0, context)) }
    for sample in 0..<clean.count {
      let density = (0..<clean.length).map { clean.measuredShare($0, of: sample) }
      for i in 0..<clean.length {
        let row = sample * clean.length + i
        if hidden[sample].contains(i) {
          latents.add(row, density[i])
        } else if i + 1 < clean.length {
          next.add(row, density[i] * density[i + 1])
        }
      }
    }
    return TrainingExample(
      inputs: [clean.measured(without: hidden).patches(encoder.configuration), whole(clean)],
      targets: [latents.targets, next.targets])
  }

  private func hiddenPatches(_ clean: SampleBatch, _ sample: Int, _ context: StepContext) -> [Int] {
    let real = clean.realPositions(sample)
    guard real.count >= 2 else { return [] }
    let random = context.random(clean.sampleIDs[sample], site: Self.patchSite)
    let u = random.at(position: random.position, site: Self.countSite).uniformDouble(0)
    let share = options.minMaskRatio + (options.maxMaskRatio - options.minMaskRatio) * u
    let count = Int(share * Double(real.count) + 1e-9)
    return randomSubset(real, count: min(max(count, 1), real.count - 1), random)
  }

  private typealias Parts = (
    student: StreamEncoder.Workspace, teacher: StreamEncoder.Workspace, context: RegressionHead.Saved,
    dynamics: RegressionHead.Saved
  )

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let rows = samples * length
    let parts: Parts = (
      StreamEncoder.Workspace(student, samples: samples, length: length, arena),
      StreamEncoder.Workspace(teacher, samples: samples, length: length, forBackward: false, arena),
      RegressionHead.Saved(context, rows: rows, arena), RegressionHead.Saved(dynamics[0], rows: rows, arena)
    )
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, input, trained) = (PartsWorkspace<Parts>.parts(of: workspace), example.inputs[0], pass.trained())
    let taught = teacher.forward(example.inputs[1], pass.auxiliary("teacher"), w.teacher)
    let hidden = student.forward(input, trained, w.student)
    let gradient = student.beginGradient(input, trained, w.student)
    let (latents, next) = (example.targets[0], example.targets[1])
    let rows = student.networkRows(latents.rows, input)
    let contextLoss = context.loss(
      .smoothL1, hidden, rows: rows, RegressionTargets(values: taught.values(at: rows), weights: latents.weights),
      scale: scales[0], trained, w.context, gradient: gradient?.hidden)
    let streams = [
      (w.student.state, w.teacher.state, gradient?.state), (w.student.event, w.teacher.event, gradient?.event),
    ]
    var dynamicsLoss = 0.0
    for (head, (tokens, targets, gradient)) in zip(dynamics, streams) {
      dynamicsLoss += head.loss(
        .smoothL1, tokens.first(student.tokenRows(input)), rows: next.rows,
        RegressionTargets(values: targets.values(at: next.rows.map { $0 + 1 }), weights: next.weights.map { $0 / 2 }),
        scale: scales[1], pass.trained(term: 1), w.dynamics, gradient: gradient)
    }
    if gradient != nil { student.backward(input, trained, w.student) }
    return [contextLoss, dynamicsLoss]
  }

  public var encoderInput: EncoderInput { .layers }

  public func encoderRows(_ input: SequenceInput, _ parameters: ParameterStore) -> [Float]? {
    tokens(input, parameters)
  }

  /// What the encoder reads of an input, state and event token side by side, [rows without [CLS], 2S].
  public func tokens(_ input: SequenceInput, _ parameters: ParameterStore) -> [Float] {
    let length = input.length - encoder.configuration.leadingRows
    let (arena, workspace) = Arena.sized {
      StreamEncoder.Workspace(student, samples: input.sampleIDs.count, length: length, forBackward: false, $0)
    }
    return withExtendedLifetime(arena) { student.tokens(input, Pass(parameters), workspace).array }
  }

  /// The student, a third of that for the teacher's forward pass, tokens and heads.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    let (width, shape) = (Double(encoder.configuration.hiddenSize), student.shape)
    let (rows, targets) = (Double(student.tokenRows(example.inputs[0])), example.targets.map { Double($0.rows.count) })
    let networks = encoder.configuration.trainingFlops(example.inputs[0], logits: 0) * 4 / 3
    let tokens = rows * 6 * Double(2 * 2 * shape.patch * shape.stream) * 4 / 3
    let heads = targets[0] * 12 * width * width + targets[1] * 2 * 12 * Double(shape.stream * shape.stream)
    return networks + tokens + heads
  }
}

extension GlucoFM {
  /// What is hidden, how the series is smoothed, and how the teacher follows.
  public struct Options: ObjectiveOptions {
    /// Least share of the patches that is hidden …
    public var minMaskRatio = 0.5
    /// … and the largest.
    public var maxMaskRatio = 0.6
    /// σ of the smoother at the start, in steps …
    public var smoothing = 6.0
    /// … its least value …
    public var minSmoothing = 2.0
    /// … its largest …
    public var maxSmoothing = 12.0
    /// … and the oldest step that it reads.
    public var smoothingLag = 36
    /// Numbers of a stream's token; 0 for half of the hidden size.
    public var streamSize = 0
    /// What stays of the teacher at each step.
    public var momentum = 0.997
    /// λ of the dynamics.
    public var dynamicsWeight = 1.0

    public static let sentences = [
      "min_mask_ratio": "Least share of the patches that is hidden, 0.01 … 0.99.",
      "max_mask_ratio": "Largest share of the patches that is hidden, 0.01 … 0.99.",
      "smoothing": "Standard deviation of the smoother at the start, in steps, 0.1 … 10000.",
      "min_smoothing": "Least standard deviation of the smoother, in steps, 0.1 … 10000.",
      "max_smoothing": "Largest standard deviation of the smoother, in steps, 0.1 … 10000.",
      "smoothing_lag": "Oldest step that the smoother reads, counted back from the present, 0 … 10000.",
      "stream_size": "Numbers of the token of a stream; 0 for half of model.hidden_size.",
      "momentum": "Share of the teacher that stays at each step, 0 … 1.",
      "dynamics_weight": "Weight of the prediction of the next patch, 0 … 1000.",
    ]

    public init() {}

    /// - Throws: `ConfigurationError` with everything that is wrong.
    func check(_ grid: GridShape, _ objective: String) throws(ConfigurationError) {
      var problems = OptionProblems()
      problems.require("min_mask_ratio", minMaskRatio, in: 0.01...0.99)
      problems.require("max_mask_ratio", maxMaskRatio, in: 0.01...0.99)
      problems.require(
        minMaskRatio <= maxMaskRatio, "min_mask_ratio",
        "is \(minMaskRatio); it must be at most max_mask_ratio = \(maxMaskRatio).")
      problems.require("smoothing", smoothing, in: 0.1...10_000)
      problems.require("min_smoothing", minSmoothing, in: 0.1...10_000)
      problems.require("max_smoothing", maxSmoothing, in: 0.1...10_000)
      problems.require(
        minSmoothing < smoothing && smoothing < maxSmoothing, "smoothing",
        "is \(smoothing); it must lie between min_smoothing = \(minSmoothing) and max_smoothing = \(maxSmoothing).")
      problems.require("smoothing_lag", smoothingLag, in: 0...10_000)
      problems.require("stream_size", streamSize, in: 0...65_536)
      problems.require("momentum", momentum, in: 0...1)
      problems.require("dynamics_weight", dynamicsWeight, in: 0...1000)
      problems.require(
        grid.channels == 1 && grid.extent.count == 1, "name",
        "is \(objective), which needs series of one channel; these have \(grid.channels) channels and \(grid.extent.count) axes."
      )
      try problems.throwIfAny()
    }

    func streams(_ model: ModelConfiguration, patch: Int) -> StreamShape {
      StreamShape(
        patch: patch, stream: streamSize > 0 ? streamSize : max(1, model.hiddenSize / 2), start: smoothing,
        range: minSmoothing...maxSmoothing, lag: smoothingLag)
    }
  }
}

/// Rows with weights above 0.
private struct WeightedRows {
  var rows: [Int] = []
  var weights: [Float] = []

  mutating func add(_ row: Int, _ weight: Float) {
    guard weight > 0 else { return }
    rows.append(row)
    weights.append(weight)
  }

  var targets: TermTargets { TermTargets(rows: rows, weights: weights) }
}

extension TensorView {
  /// The numbers of some rows.
  fileprivate func values(at rows: [Int]) -> [Float] { rows.flatMap { self.rows($0..<$0 + 1).array } }
}
