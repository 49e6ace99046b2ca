import Core
import Layers
import Tensors

/// `mlm-explored`: masked language modelling in which a text's masks do not overlap and together hide all of it.
///
/// *Concretely:* a text's eligible positions (real and not special) are divided into K sets (`MaskPartition`). In epoch
/// v, counted from 0 over the run, set v mod K is hidden and predicted, and the division is drawn anew for every cycle
/// ⌊v / K⌋: in K epochs every position is predicted exactly once. `placement` says where the epochs are. A hidden token
/// is shown as in `mlm`.
///
/// Reference: Zheng et al., "Improving self-supervised pre-training via a fully-explored masked language model", 2020,
/// arXiv 2010.06040.
public struct FullyExploredMasks: TokenObjective {
  public struct Options: ObjectiveOptions {
    /// K: 1/K of the positions is hidden at a time.
    public var sets = 7
    /// Which positions make a set.
    public var assign = MaskPartition.Assignment.random
    /// Where the K masks of a text are.
    public var placement = Placement.epochs
    /// What a hidden token counts.
    public var lossNormalization = LossNormalization.token
    /// Share of hidden tokens shown as [MASK] …
    public var maskReplaceProb = 0.8
    /// … and the share shown as a random token.
    public var randomReplaceProb = 0.1
    /// Attention stays inside documents.
    public var documentMasking = false

    public static let sentences = [
      "sets": "K: masks that cover a text together, each hiding 1/K of it, 2 … 100.",
      "assign": "Which positions make a mask: random ones, every K-th one, or neighbours.",
      "placement":
        "Where the K masks of a text are used: in K epochs, in neighbouring samples of one step, or in neighbouring micro-batches of one step.",
      "loss_normalization": "What a hidden token counts: the same everywhere, or so that every mask counts the same.",
      "mask_replace_prob": "Share of hidden tokens shown as [MASK], 0 … 1.",
      "random_replace_prob": "Share of hidden tokens shown as a random token, 0 … 1; the rest is shown as it is.",
      "document_masking": "Attention stays inside documents.",
    ]

    public init() {}
  }

  public enum Placement: String, Codable, Sendable, CaseIterable {
    /// A text has one mask per epoch.
    case epochs
    /// A text has all its masks in one step, as neighbouring samples of the batch.
    case step
    /// The same, as samples of neighbouring micro-batches.
    case batch
  }

  public enum LossNormalization: String, Codable, Sendable, CaseIterable {
    /// Every hidden token counts alike.
    case token
    /// Every set counts alike, whatever its size.
    case set
  }

  public static let name = "mlm-explored"
  public static let summary =
    "Masked language modelling with masks that cover a text without overlap, at every token once per cycle."
  public static let paper = "Zheng et al. 2020, Fully-explored masked language model, arXiv 2010.06040"

  public static func requirements(_ options: Options) -> ObjectiveRequirements {
    let share = 1 / Double(options.sets)
    return .bidirectional(
      repetition: repetition(sets: options.sets, options.placement), contextTargetPairs: .masked(share: share...share))
  }

  /// How often a step reads a sample. Computed before the options are checked.
  static func repetition(sets: Int, _ placement: Placement) -> SampleRepetition {
    let times = min(max(sets, 1), mostSets)
    return switch placement {
    case .epochs: .none
    case .step: SampleRepetition(times: times, layout: .rows, key: "objective.sets")
    case .batch: SampleRepetition(times: times, layout: .microBatches, key: "objective.sets")
    }
  }

  public let options: Options
  public let prediction: TokenPrediction
  private let tokens: MaskableTokens
  private let replacement: Replacement
  private let partition: MaskPartition

  static let mostSets = 100

  /// Sites of the divisions, which belong to a text and a cycle, not to a position of the stream; above all others.
  static let divisionSite: UInt32 = 1 << 16

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    var problems = OptionProblems()
    problems.require("sets", options.sets, in: 2...Self.mostSets)
    Replacement.check(maskReplaceProb: options.maskReplaceProb, randomReplaceProb: options.randomReplaceProb, &problems)
    tokens = try MaskableTokens(data.vocabulary, objective: Self.name, after: problems)
    replacement = Replacement(maskReplaceProb: options.maskReplaceProb, randomReplaceProb: options.randomReplaceProb)
    partition = MaskPartition(sets: options.sets, assignment: options.assign)
    prediction = TokenPrediction(model)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedBatch(clean.input(attentionMask: .bidirectional, documentMasking: options.documentMasking))
    for sample in 0..<clean.count {
      let hidden = hidden(clean, sample, context)
      guard !hidden.isEmpty else { continue }
      let random = context.random(clean.sampleIDs[sample])
      let weight = options.lossNormalization == .set ? 1 / Float(hidden.count) : 1
      masked.hide(hidden, of: sample, weight: weight) { replacement($0, at: $1, tokens, random) }
    }
    return masked.example(count: options.lossNormalization == .set ? Double(masked.samples) : nil)
  }

  /// The set of this visit.
  private func hidden(_ clean: SampleBatch, _ sample: Int, _ context: StepContext) -> [Int] {
    let (cycle, set) = clean.epochs[sample].quotientAndRemainder(dividingBy: UInt64(options.sets))
    let random = context.random(clean.indices[sample], site: Self.divisionSite &+ UInt32(truncatingIfNeeded: cycle))
    return partition.members(of: Int(set), tokens.eligible(clean, sample), random)
  }
}
