import Core
import Kernels
import Layers
import Models
import Tensors

/// `simmim-explored`: `simmim` in which a sample's masks do not overlap and together hide all of it: `mlm-explored` on
/// patches, frames and steps.
///
/// *Concretely:* a sample's real positions are divided into K sets (`MaskPartition`). In epoch v, counted from 0 over
/// the run, set v mod K is hidden and regressed under L1, and the division is drawn anew for every cycle ⌊v / K⌋.
/// `placement` says where the epochs are.
///
/// Reference: Zheng et al., "Improving self-supervised pre-training via a fully-explored masked language model", 2020,
/// arXiv 2010.06040, whose objective on tokens this carries over to numbers.
public struct FullyExploredPatches: ValueObjective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// K: 1/K of the positions is hidden at a time.
    public var sets = 2
    /// Which positions make a set.
    public var assign = MaskPartition.Assignment.random
    /// Where the K masks of a sample are.
    public var placement = FullyExploredMasks.Placement.epochs

    public static let sentences = [
      "sets": "K: masks that cover a sample together, each hiding 1/K of it, 2 … 100.",
      "assign": "Which positions make a mask: random ones, every K-th one, or neighbours.",
      "placement":
        "Where the K masks of a sample are used: in K epochs, in neighbouring samples of one step, or in neighbouring micro-batches of one step.",
    ]

    public init() {}
  }

  public static let name = "simmim-explored"
  public static let summary = "SimMIM with masks that cover a sample without overlap, each patch once per cycle."
  public static let paper = "Zheng et al. 2020, Fully-explored masked language model, arXiv 2010.06040"

  public static func requirements(_ options: Options) -> ObjectiveRequirements {
    .values(repetition: FullyExploredMasks.repetition(sets: options.sets, options.placement))
  }

  public let options: Options
  /// The network and its loss.
  public let prediction: ValuePrediction
  private let partition: MaskPartition

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let grid = try data.requireGrid(Self.name)
    var problems = OptionProblems()
    problems.require("sets", options.sets, in: 2...FullyExploredMasks.mostSets)
    problems.require(
      options.sets <= grid.positions, "sets",
      "is \(options.sets); a record has \(grid.positions) positions to divide.")
    try problems.throwIfAny()
    self.options = options
    partition = MaskPartition(sets: options.sets, assignment: options.assign)
    prediction = ValuePrediction(try model.withHiddenRow(), size: grid.size, loss: .l1)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedPatches(encoder.configuration)
    for sample in 0..<clean.count {
      let (cycle, set) = clean.epochs[sample].quotientAndRemainder(dividingBy: UInt64(options.sets))
      let random = context.random(
        clean.indices[sample], site: FullyExploredMasks.divisionSite &+ UInt32(truncatingIfNeeded: cycle))
      masked.add(
        sample, of: clean, hiding: partition.members(of: Int(set), clean.realPositions(sample), random))
    }
    return masked.example(clean)
  }
}
