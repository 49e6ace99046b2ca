import Core
import Kernels
import Layers
import Models
import Tensors

/// `lut`: learning with unmasked tokens. A masked autoencoder on one view whose visible patches must also agree with a
/// moving average of the encoder that sees the whole of another view.
///
/// *Concretely:* view 1 shows K patches, as `mae`, and view 2 other K patches of the same random order. With
/// a_k = q(g(mean of the encoder's outputs at the visible patches of view k)) and b_k = g'(mean of the teacher's
/// outputs at all patches of view k), L = L_rec(view 1) + λ · Σ over samples of [1 - cos(a₁, b₂) + 1 - cos(a₂, b₁)] /
/// samples. g is a projector, q a predictor (`ProjectionHead`); the teacher has an encoder and a projector, and μ goes
/// from `momentum_start` to 1 in a cosine. [CLS] and padding are left out of means. With λ = 0 this is `mae`.
///
/// Differences from the reference code, on purpose: layer norm in place of batch norm in projector and predictor, one
/// norm a perceptron, and views that are crops only where `crop_scale` says so.
///
/// Reference: Kim et al., "Learning with unmasked tokens drives stronger vision learners", 2023, arXiv 2310.13593; the
/// agreement is that of Grill et al., "Bootstrap your own latent", 2020, arXiv 2006.07733.
public struct LUT: ReconstructionObjective {
  /// What `lut` has beyond `mae`.
  public struct AgreementOptions: ObjectiveOptions {
    /// λ.
    public var agreementWeight = 0.25
    /// Least share of a record in a view.
    public var cropScale = 1.0
    /// Whether half of the views are mirrored.
    public var flip = false
    /// Inner size of projector and predictor …
    public var projectorHiddenSize = 0
    /// … and the size of what they give.
    public var projectorSize = 0
    /// μ of the teacher at the start of the run.
    public var momentumStart = 0.996

    public static let sentences = [
      "agreement_weight": "Weight of the loss that makes visible patches agree with the teacher, 0 … 100.",
      "crop_scale":
        "Least share of a record in a view: crops of records of two axes, shifts of series; 1 for whole records, 0.05 … 1.",
      "flip": "Half of the views are mirrored along the second of two axes.",
      "projector_hidden_size": "Inner size of projector and predictor; 0 for 4 times model.hidden_size.",
      "projector_size": "Size of what projector and predictor give; 0 for model.hidden_size.",
      "momentum_start": "Momentum of the teacher's moving average at the start of the run; it ends at 1, 0 … 1.",
    ]

    public init() {}
  }

  /// Those of `mae` without its mask, and its own.
  public typealias Options = CombinedOptions<CombinedOptions<ReconstructionOptions, DecoderOptions>, AgreementOptions>

  public static let name = "lut"
  public static let summary = "A masked autoencoder whose visible patches agree with a teacher of the whole sample."
  public static let paper =
    "Kim et al. 2023, Learning with unmasked tokens drives stronger vision learners, arXiv 2310.13593"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values(followsProgress: true) }

  public let options: Options
  /// The masked autoencoder.
  public let reconstruction: PatchReconstruction
  public let networks: NetworkSet
  public let terms: [LossTerm]
  private let agreement: ViewAgreement
  private let views: GridViews

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let shape = try data.requireGrid(Self.name)
    views = GridViews(shape, cropScale: options.cropScale, flips: options.flip)
    try Self.check(options, shape, views)
    try model.requireValid()
    self.options = options
    let size = options.projectorSize > 0 ? options.projectorSize : model.hiddenSize
    let inner = options.projectorHiddenSize > 0 ? options.projectorHiddenSize : 4 * model.hiddenSize
    var (layout, following) = (ParameterLayout(), ParameterLayout())
    let heads = ViewAgreement.Heads(model, inner: inner, size: size, into: &layout)
    reconstruction = try PatchReconstruction(
      options.shared.shared, options.shared.own, model: model, data: data, objective: Self.name, into: &layout)
    // The encoder reads both views.
    layout.addUses(of: reconstruction.autoencoder.encoderEntries)
    agreement = ViewAgreement(
      heads, encoder: reconstruction.autoencoder.encoder, inner: inner, size: size, following: &following)
    networks = NetworkSet(
      trained: layout,
      auxiliaries: [
        .init(ViewAgreement.teacherName, following, .movingAverage(.cosine(from: options.momentumStart, to: 1)))
      ])
    terms = [LossTerm("reconstruction"), LossTerm("agreement", weight: options.agreementWeight)]
  }

  private static func check(_ options: Options, _ shape: GridShape, _ views: GridViews) throws(ConfigurationError) {
    var problems = OptionProblems()
    problems.require("agreement_weight", options.agreementWeight, in: 0...100)
    problems.require("crop_scale", options.cropScale, in: 0.05...1)
    problems.require("projector_hidden_size", options.projectorHiddenSize, in: 0...65_536)
    problems.require("projector_size", options.projectorSize, in: 0...65_536)
    problems.require("momentum_start", options.momentumStart, in: 0...1)
    if let problem = views.problem {
      problems.require(false, options.flip ? "flip" : "crop_scale", "is set, which \(problem)")
    }
    let (n, ratio) = (shape.positions, options.maskRatio)
    problems.require(
      !(0.01...0.99).contains(ratio) || 2 * keptCount(ratio, of: n) <= n, "mask_ratio",
      "is \(ratio), which shows \(keptCount(ratio, of: n)) of \(n) positions; two views must show different ones.")
    try problems.throwIfAny()
  }

  /// Sites of the generator: 0 the positions that the first view shows, as in `mae`.
  private enum Site: UInt32 { case second = 1, firstView, secondView }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    func random(_ sample: Int, _ site: Site) -> CounterGenerator {
      context.random(clean.sampleIDs[sample], site: site.rawValue)
    }
    let model = encoder.configuration
    let first = views.view(clean) { random($0, .firstView) }
    let second = views.view(clean) { random($0, .secondView) }
    let shown = (0..<clean.count).map {
      shownPositions(
        clean, $0, kept: reconstruction.kept, GridMask(.random), grid: reconstruction.grid,
        context.random(clean.sampleIDs[$0]))
    }
    let others = (0..<clean.count).map { disjoint(clean, $0, shown[$0], random($0, .second)) }
    var example = reconstruction.example(first, visible: shown)
    example.inputs += [second.patches(model, shown: others), first.patches(model), second.patches(model)]
    let samples = (0..<clean.count).filter { !clean.realPositions($0).isEmpty }
    example.targets.append(TermTargets(rows: samples.map { $0 * clean.length }))
    return example
  }

  /// As many positions that the first view hides; padding, which is last, fills up. A sample with too few positions for
  /// two sets shows the same.
  private func disjoint(_ clean: SampleBatch, _ sample: Int, _ shown: [Int], _ random: CounterGenerator) -> [Int] {
    let real = clean.realPositions(sample)
    let wanted = Set(real).intersection(shown).count
    let hidden = real.filter { !shown.contains($0) }
    guard hidden.count >= wanted else { return shown }
    return randomSubset(hidden, count: wanted, random) + (real.count..<clean.length).prefix(shown.count - wanted)
  }

  private typealias Parts = (reconstruction: PatchReconstruction.Workspace, agreement: ViewAgreement.Workspace)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      reconstruction.workspace(samples: samples, length: length, arena),
      ViewAgreement.Workspace(agreement, samples: samples, visible: reconstruction.kept, length: length, arena)
    )
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, network) = (PartsWorkspace<Parts>.parts(of: workspace), reconstruction.autoencoder)
    let length = example.inputs[1].length - encoder.configuration.leadingRows
    let views = ViewAgreement.Views(
      first: example.inputs[0], second: example.inputs[2], whole: Array(example.inputs[3...]),
      samples: example.targets[1].rows.map { $0 / length })
    let loss = reconstruction.score(example, pass, scale: scales[0], w.reconstruction).loss
    let disagreement = agreement.lossAndGradient(
      views, encoded: network.encoded(example, w.reconstruction.networks), pass, scale: scales[1], w.agreement)
    network.backward(example, pass, w.reconstruction.networks) { agreement.addFirst(views, to: $0, w.agreement) }
    return [loss, disagreement]
  }

  /// The teacher's forward passes over two whole views are two thirds of training on one; projector and predictor are
  /// left out.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    let model = encoder.configuration
    return reconstruction.trainingFlops(example) + model.trainingFlops(example.inputs[2], logits: 0)
      + 2 * model.trainingFlops(example.inputs[3], logits: 0) / 3
  }
}
