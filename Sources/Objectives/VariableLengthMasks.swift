import Core
import Layers
import Tensors

/// `mlm-varlen`: masked language modelling in which the number of hidden tokens is drawn anew for every sample.
///
/// *Concretely:* of the L eligible positions of a sample (real and not special), n are shown as [MASK], always, and
/// predicted; n may be L. `MaskCount.Distribution`, `MaskingStrategy` and `LossNormalization` say how n is drawn, which
/// n are hidden, and what is divided by what. With the defaults the loss is an upper bound on the negative
/// log-likelihood of a token: the mean over all orders in which a sample could be generated.
///
/// Reference: Zhang et al., "Look ahead or look around?", 2024, arXiv 2407.00935. The paper's own distribution was not
/// available; the distributions here are those that fit its description.
public struct VariableLengthMasks: TokenObjective {
  public struct Options: ObjectiveOptions {
    /// How many are hidden.
    public var maskCountDistribution = MaskCount.Distribution.uniformCount
    /// Bounds of the share under `uniform-ratio` …
    public var lowRatio = 0.15
    public var highRatio = 1.0
    /// … and the share under `fixed`.
    public var fixedRatio = 0.15
    /// Which are hidden.
    public var maskingStrategy = MaskingStrategy.randomSubset
    /// λ: under `mix`, the probability that a sample hides its end.
    public var suffixShare = 0.5
    /// What a hidden token counts.
    public var lossNormalization = LossNormalization.perSample
    /// Attention stays inside documents.
    public var documentMasking = false

    public static let sentences = [
      "mask_count_distribution": "How the number of hidden tokens is drawn for each sample.",
      "low_ratio": "The least share under uniform-ratio, 0 … 1.",
      "high_ratio": "The largest share under uniform-ratio, 0 … 1.",
      "fixed_ratio": "The share under fixed, 0 … 1.",
      "masking_strategy": "Which tokens are hidden: random ones, the end of the text, or a mix of both.",
      "suffix_share": "Probability that a sample hides its end under mix, 0 … 1.",
      "loss_normalization": "What a hidden token counts: the same everywhere, or so that every sample counts the same.",
      "document_masking": "Attention stays inside documents.",
    ]

    public init() {}
  }

  public enum MaskingStrategy: String, Codable, Sendable, CaseIterable {
    /// Any n, evenly.
    case randomSubset = "random-subset"
    /// The last n.
    case suffix
    /// A sample by `suffix` with probability λ, else by `random-subset`.
    case mix
  }

  public enum LossNormalization: String, Codable, Sendable, CaseIterable {
    /// Σ CE / Σ n over the batch: every hidden token counts alike.
    case batchSum = "batch-sum"
    /// (1/B) Σ_b (1/n_b) Σ CE: every sample counts alike.
    case perSample = "per-sample"
  }

  public static let name = "mlm-varlen"
  public static let summary =
    "Masked language modelling with a new number of masks for every sample, from contexts of every size."
  public static let paper = "Zhang et al. 2024, Look ahead or look around?, arXiv 2407.00935"

  public static func requirements(_ options: Options) -> ObjectiveRequirements {
    .bidirectional(contextTargetPairs: contextTargetPairs(options))
  }

  private static func contextTargetPairs(_ options: Options) -> ContextTargetPairs? {
    // A hidden suffix is predicted from the prefix; the cosine draws no share evenly.
    guard options.maskingStrategy == .randomSubset else { return nil }
    switch options.maskCountDistribution {
    case .uniformCount: return .masked(share: 0...1)
    case .uniformRatio: return .masked(share: options.lowRatio...options.highRatio)
    case .fixed: return .masked(share: options.fixedRatio...options.fixedRatio)
    case .cosine: return nil
    }
  }

  public let options: Options
  public let prediction: TokenPrediction
  private let tokens: MaskableTokens
  private let count: MaskCount

  /// The generator's site for n and the coin of `mix`, apart from those of `randomSubset`.
  private static let countSite: UInt32 = 2

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    tokens = try MaskableTokens(data.vocabulary, objective: Self.name, after: Self.problems(options))
    count = MaskCount(
      options.maskCountDistribution, ratios: options.lowRatio...options.highRatio, fixedRatio: options.fixedRatio)
    prediction = TokenPrediction(model)
  }

  private static func problems(_ o: Options) -> OptionProblems {
    var problems = OptionProblems()
    problems.require("low_ratio", o.lowRatio, in: 0...1)
    problems.require("high_ratio", o.highRatio, in: 0...1)
    problems.require(
      o.lowRatio <= o.highRatio, "low_ratio",
      "is \(o.lowRatio); it must not exceed objective.high_ratio = \(o.highRatio).")
    problems.require("fixed_ratio", o.fixedRatio, in: 0...1)
    problems.require("suffix_share", o.suffixShare, in: 0...1)
    return problems
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedBatch(clean.input(attentionMask: .bidirectional, documentMasking: options.documentMasking))
    for sample in 0..<clean.count {
      let eligible = tokens.eligible(clean, sample)
      guard !eligible.isEmpty else { continue }
      let hidden = choose(eligible, context, clean.sampleIDs[sample])
      masked.hide(hidden, of: sample, weight: options.lossNormalization == .perSample ? 1 / Float(hidden.count) : 1) {
        _, _ in tokens.mask
      }
    }
    return masked.example(count: options.lossNormalization == .perSample ? Double(masked.samples) : nil)
  }

  private func choose(_ eligible: [Int], _ context: StepContext, _ position: UInt64) -> [Int] {
    let random = context.random(position, site: Self.countSite)
    let n = count(of: eligible.count, random)
    let hidesEnd =
      switch options.maskingStrategy {
      case .randomSubset: false
      case .suffix: true
      case .mix: random.uniformDouble(1) < options.suffixShare
      }
    return hidesEnd ? eligible.suffix(n) : randomSubset(eligible, count: n, context.random(position))
  }
}
