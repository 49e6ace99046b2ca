import Core
import Layers
import Models
import Tensors

/// `colormae`: a masked autoencoder whose masks are thresholds of coloured noise.
///
/// *Concretely:* as `mae`, with the masks of `NoiseMask`. White noise gives the masks of `mae` itself.
///
/// Difference from the reference code, on purpose: every sample has noise of its own, keyed by its position in the
/// stream, in place of slices of a bank that the row of a batch selects.
///
/// Reference: Hinojosa et al., "ColorMAE: exploring data-independent masking strategies in masked autoencoders", 2024,
/// arXiv 2407.13036.
public struct ColorMAE: ReconstructionObjective {
  /// The keys of `[objective]` beside the name.
  public struct NoiseOptions: ObjectiveOptions {
    /// Which frequencies the noise has.
    public var noiseColor = NoiseMask.Color.green
    /// σ of the Gaussian …
    public var sigma = 1.0
    /// … and of the wider one that bounds the band of green and purple.
    public var wideSigma = 2.0

    public static let sentences = [
      "noise_color":
        "Frequencies of the noise: all, low (red), a band (green), high (blue), or all but a band (purple).",
      "sigma": "Deviation of the Gaussian filter in patches, 0.1 … 32.",
      "wide_sigma": "Deviation of the wider filter of green and purple in patches, above sigma, 0.1 … 64.",
    ]

    public init() {}
  }

  /// The keys of `[objective]` beside the name.
  public typealias Options = CombinedOptions<CombinedOptions<ReconstructionOptions, DecoderOptions>, NoiseOptions>

  public static let name = "colormae"
  public static let summary = "A masked autoencoder with masks of coloured noise."
  public static let paper = "Hinojosa et al. 2024, ColorMAE, arXiv 2407.13036"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// The networks and their loss.
  public let reconstruction: PatchReconstruction
  private let mask: NoiseMask

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    var problems = OptionProblems()
    problems.require("sigma", options.sigma, in: 0.1...32)
    problems.require("wide_sigma", options.wideSigma, in: 0.1...64)
    problems.require(
      options.wideSigma > options.sigma, "wide_sigma",
      "is \(options.wideSigma); it must be above objective.sigma = \(options.sigma).")
    try problems.throwIfAny()
    self.options = options
    mask = NoiseMask(options.noiseColor, sigma: options.sigma, wideSigma: options.wideSigma)
    reconstruction = try PatchReconstruction(
      options.shared.shared, options.shared.own, model: model, data: data, objective: Self.name)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    reconstruction.corrupt(clean, context, mask)
  }
}
