import Core
import Kernels
import Layers
import Models
import Tensors

/// `ar-diverse-values`: a causal transformer regresses the numbers of the next m positions with a head for each
/// distance: `ar-diverse` on patches, frames and steps.
///
/// *Concretely:* L = Σ w·ℓ / Σ w over all (row, δ), δ ∈ 1 … m, with w proportional to q(δ) and ℓ as in `ar-values`.
/// With m = 1 it is `ar-values`. Evaluation predicts distance 1 alone.
///
/// Reference: Zhang et al., "Look ahead or look around?", 2024, arXiv 2407.00935, whose objective on tokens this
/// carries over to numbers.
public struct DiverseValues: ValueObjective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// m: the largest distance.
    public var offsets = 4
    /// q(δ).
    public var offsetDistribution = OffsetDistribution.uniform
    /// Targets are normalised within each position.
    public var normPixLoss = false

    public static let sentences = [
      "offsets": "The largest distance m of a predicted position, 1 … 64.",
      "offset_distribution": "How likely each distance is.",
      "norm_pix_loss": "Targets are normalised by the mean and the deviation of each position's own numbers.",
    ]

    public init() {}
  }

  public static let name = "ar-diverse-values"
  public static let summary = "Regress the next m patches, frames or steps with a causal transformer."
  public static let paper = "Zhang et al. 2024, Look ahead or look around?, arXiv 2407.00935"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values(attentionMask: .causal) }

  public let options: Options
  /// The network and its loss.
  public let prediction: ValuePrediction

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name)
    var problems = OptionProblems()
    problems.require("offsets", options.offsets, in: 1...64)
    problems.require(
      options.offsets < grid.positions, "offsets",
      "is \(options.offsets); it must be below the \(grid.positions) positions of a record.")
    try problems.throwIfAny()
    try requireSpread(options.normPixLoss, grid.size)
    try model.requireValid()
    self.options = options
    prediction = ValuePrediction(
      model, size: grid.size, heads: options.offsets, loss: .l2, rowsAreShifted: false,
      target: options.normPixLoss ? .normalized : .values)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let isEvaluation = context.purpose == .evaluation
    return clean.ahead(
      offsets: isEvaluation ? 1 : options.offsets, target: options.normPixLoss ? .normalized : .values,
      encoder.configuration
    ) { Float(options.offsetDistribution.weight($0)) }
  }
}
