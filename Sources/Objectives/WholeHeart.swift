import Core
import Layers
import Models
import Tensors

/// `wholeheart`: a masked autoencoder on volumes over time that hides the same cells at every time, and is scored on
/// all positions.
///
/// *Concretely:* the first axis of a record is time. Of the cells of one time ⌊cells · (1 - r)⌋ are visible, at all
/// times; L is the mean squared error over every position, hidden or not, as the released trainer has it.
///
/// Difference from the reference code, on purpose: the output is linear and not a sigmoid, because numbers are
/// standardised here and not intensities between 0 and 1.
///
/// Reference: Zhang et al., "Whole heart 3D+T representation learning through sparse 2D cardiac MR images", 2024, arXiv
/// 2406.00329.
public struct WholeHeart: ReconstructionObjective {
  /// The keys of `[objective]` beside the name.
  public struct OwnOptions: ObjectiveOptions {
    /// Share of the cells that the encoder does not see.
    public var maskRatio = 0.7
    /// Which positions count in the loss.
    public var lossOn = PatchReconstruction.Scope.all

    public static let sentences = [
      "mask_ratio": "Share of the cells that the encoder does not see, 0.01 … 0.99.",
      "loss_on": "Which positions count in the loss: the hidden ones, or all.",
    ]

    public init() {}
  }

  /// The keys of `[objective]` beside the name.
  public typealias Options = CombinedOptions<OwnOptions, DecoderOptions>

  public static let name = "wholeheart"
  public static let summary = "A masked autoencoder on volumes over time with tubes of hidden cells, scored everywhere."
  public static let paper = "Zhang et al. 2024, Whole heart 3D+T representation learning, arXiv 2406.00329"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// The networks and their loss.
  public let reconstruction: PatchReconstruction

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name).positionGrid
    guard grid.count >= 2, grid.dropFirst().reduce(1, *) >= 2 else {
      throw ConfigurationError(
        "data.patch",
        "leaves a grid of \(grid); \(Self.name) needs records of two axes or more with several cells behind the first, which is time."
      )
    }
    self.options = options
    var shared = ReconstructionOptions()
    (shared.maskRatio, shared.lossOn, shared.normPixLoss) = (options.maskRatio, options.lossOn, false)
    reconstruction = try PatchReconstruction(
      shared, options.own, model: model, data: data, objective: Self.name,
      kept: grid[0] * keptCount(options.maskRatio, of: grid.dropFirst().reduce(1, *)))
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    reconstruction.corrupt(clean, context, GridMask(.tubes))
  }
}
