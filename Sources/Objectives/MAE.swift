import Core
import Layers
import Models
import Tensors

/// `mae`: a masked autoencoder on numbers. The encoder sees a quarter of the positions, a light decoder regresses the
/// rest.
///
/// *Concretely:* see `PatchReconstruction`; `mask_pattern` says which positions are hidden.
///
/// Reference: He et al., "Masked autoencoders are scalable vision learners", 2021, arXiv 2111.06377.
public struct MAE: ReconstructionObjective {
  /// The keys of `[objective]` beside the name.
  public struct MaskOptions: ObjectiveOptions {
    /// Which positions are hidden.
    public var maskPattern = GridMask.Pattern.random

    public static let sentences = [
      "mask_pattern":
        "Which positions are hidden: random ones, blocks, a regular grid, one continuous run, all but every k-th, or tubes along the first axis."
    ]

    public init() {}
  }

  /// The keys of `[objective]` beside the name.
  public typealias Options = CombinedOptions<CombinedOptions<ReconstructionOptions, DecoderOptions>, MaskOptions>

  public static let name = "mae"
  public static let summary = "Regress hidden patches from visible ones: an encoder of the visible, a light decoder."
  public static let paper = "He et al. 2021, Masked autoencoders are scalable vision learners, arXiv 2111.06377"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// The networks and their loss.
  public let reconstruction: PatchReconstruction
  private let mask: GridMask

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    mask = GridMask(options.maskPattern)
    reconstruction = try PatchReconstruction(
      options.shared.shared, options.shared.own, model: model, data: data, objective: Self.name)
    let (positions, grid) = (data.grid?.positions ?? 0, reconstruction.grid)
    if let problem = mask.problem(hiding: positions - reconstruction.kept, of: grid) {
      throw ConfigurationError("objective.mask_pattern", "is \(options.maskPattern.rawValue), which \(problem)")
    }
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    reconstruction.corrupt(clean, context, mask)
  }
}
