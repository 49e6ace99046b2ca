import Core
import Layers
import Models
import Tensors

/// `ti-mae`: a masked autoencoder on multivariate series with one position per time step.
///
/// *Concretely:* of T steps ⌊T · (1 - r)⌋ are visible; L = Σ m·‖x̂ - x‖² / (C · Σ m) over the hidden steps, C channels.
/// A forecast is the same model with the horizon hidden.
///
/// Differences from the paper, on purpose: a step is embedded by itself. The paper's convolution of three steps before
/// masking shows each visible step's hidden neighbours to the encoder.
///
/// Reference: Li et al., "Ti-MAE: self-supervised masked time series autoencoders", 2023, arXiv 2301.08871.
public struct TiMAE: ReconstructionObjective {
  /// The keys of `[objective]` beside the name.
  public struct OwnOptions: ObjectiveOptions {
    /// Share of the steps that the encoder does not see.
    public var maskRatio = 0.75
    /// Which steps are hidden.
    public var maskPattern = GridMask.Pattern.random

    public static let sentences = [
      "mask_ratio": "Share of the steps that the encoder does not see, 0.01 … 0.99.",
      "mask_pattern": "Which steps are hidden: random ones, blocks, one continuous run, or all but every k-th.",
    ]

    public init() {}
  }

  /// The keys of `[objective]` beside the name.
  public typealias Options = CombinedOptions<OwnOptions, DecoderOptions>

  public static let name = "ti-mae"
  public static let summary = "A masked autoencoder on series with one position per time step."
  public static let paper = "Li et al. 2023, Ti-MAE, arXiv 2301.08871"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// The networks and their loss.
  public let reconstruction: PatchReconstruction
  private let mask: GridMask

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name)
    guard grid.extent.count == 1 else {
      throw ConfigurationError(
        "objective.name", "is \(Self.name), which needs records of one axis, time; these have \(grid.extent.count).")
    }
    guard options.maskPattern != .tubes else {
      throw ConfigurationError("objective.mask_pattern", "is tubes, which need records of two axes or more.")
    }
    self.options = options
    mask = GridMask(options.maskPattern)
    var shared = ReconstructionOptions()
    (shared.maskRatio, shared.normPixLoss) = (options.maskRatio, false)
    reconstruction = try PatchReconstruction(shared, options.own, model: model, data: data, objective: Self.name)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    reconstruction.corrupt(clean, context, mask)
  }
}
