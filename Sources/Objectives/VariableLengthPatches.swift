import Core
import Kernels
import Layers
import Models
import Tensors

/// `simmim-varlen`: `simmim` in which the number of hidden patches is drawn anew for every sample: `mlm-varlen` on
/// patches, frames and steps.
///
/// *Concretely:* of the L real positions n are hidden and regressed under L1, n drawn by `MaskCount`; n may be L. With
/// the defaults every sample counts alike: (1/B) Σ_b (1/n_b) Σ ℓ.
///
/// Reference: Zhang et al., "Look ahead or look around?", 2024, arXiv 2407.00935, whose objective on tokens this
/// carries over to numbers.
public struct VariableLengthPatches: ValueObjective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// How many are hidden.
    public var maskCountDistribution = MaskCount.Distribution.uniformCount
    /// Bounds of the share under `uniform-ratio` …
    public var lowRatio = 0.15
    /// The largest share under `uniform-ratio`.
    public var highRatio = 1.0
    /// … and the share under `fixed`.
    public var fixedRatio = 0.6
    /// What a hidden position counts.
    public var lossNormalization = VariableLengthMasks.LossNormalization.perSample

    public static let sentences = [
      "mask_count_distribution": "How the number of hidden positions is drawn for each sample.",
      "low_ratio": "The least share under uniform-ratio, 0 … 1.",
      "high_ratio": "The largest share under uniform-ratio, 0 … 1.",
      "fixed_ratio": "The share under fixed, 0 … 1.",
      "loss_normalization":
        "What a hidden position counts: the same everywhere, or so that every sample counts the same.",
    ]

    public init() {}
  }

  public static let name = "simmim-varlen"
  public static let summary = "SimMIM with a new number of hidden patches for every sample."
  public static let paper = "Zhang et al. 2024, Look ahead or look around?, arXiv 2407.00935"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// The network and its loss.
  public let prediction: ValuePrediction
  private let count: MaskCount

  /// The generator's site for n, apart from that of `randomSubset`.
  private static let countSite: UInt32 = 2

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name)
    var problems = OptionProblems()
    problems.require("low_ratio", options.lowRatio, in: 0...1)
    problems.require("high_ratio", options.highRatio, in: 0...1)
    problems.require(
      options.lowRatio <= options.highRatio, "low_ratio",
      "is \(options.lowRatio); it must not exceed objective.high_ratio = \(options.highRatio).")
    problems.require("fixed_ratio", options.fixedRatio, in: 0...1)
    try problems.throwIfAny()
    self.options = options
    count = MaskCount(
      options.maskCountDistribution, ratios: options.lowRatio...options.highRatio, fixedRatio: options.fixedRatio)
    prediction = ValuePrediction(try model.withHiddenRow(), size: grid.size, loss: .l1)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedPatches(encoder.configuration)
    for sample in 0..<clean.count {
      let real = clean.realPositions(sample)
      guard !real.isEmpty else {
        masked.add(sample, of: clean, hiding: [])
        continue
      }
      let n = count(of: real.count, context.random(clean.sampleIDs[sample], site: Self.countSite))
      masked.add(
        sample, of: clean, hiding: randomSubset(real, count: n, context.random(clean.sampleIDs[sample])),
        weight: options.lossNormalization == .perSample ? 1 / Float(n) : 1)
    }
    return masked.example(clean, count: options.lossNormalization == .perSample ? Double(masked.samples) : nil)
  }
}
