import Core
import Layers
import Tensors

/// `mlm`: BERT's masked language modelling with masks drawn anew at every visit.
///
/// *Concretely:* of the n eligible positions of a sample (real and not special), max(1, round(r · n)) are chosen at
/// random without replacement, as single tokens, whole words or spans (`MaskShape`); r is `maskRatio`, or goes from
/// there to `finalMaskRatio` over the run. Each is shown as [MASK] with probability `maskReplaceProb`, as a random
/// ordinary token with probability `randomReplaceProb`, otherwise unchanged; all of them are predicted. Loss = Σ w·CE /
/// Σ w over the batch.
///
/// Differences from the reference code, on purpose: the count rule does not include special tokens, no cap is applied,
/// and random replacements are drawn from ordinary tokens only.
///
/// Reference: Devlin et al., "BERT", 2018, arXiv 1810.04805; dynamic masks: Liu et al., "RoBERTa", 2019, arXiv
/// 1907.11692; spans: Joshi et al., "SpanBERT", 2019, arXiv 1907.10529.
public struct MaskedLanguageModel: TokenObjective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// Share of eligible positions that are predicted.
    public var maskRatio = 0.15
    /// Whether that share stays, or goes in a straight line over the run …
    public var ratioSchedule = RatioSchedule.constant
    /// … to this one, which evaluation then uses.
    public var finalMaskRatio = 0.15
    /// Of those, the share shown as [MASK] …
    public var maskReplaceProb = 0.8
    /// … and the share shown as a random token.
    public var randomReplaceProb = 0.1
    /// Words are hidden whole.
    public var wholeWordMask = false
    /// What is hidden together: single tokens (or words), or spans of them.
    public var spans = Spans.none
    /// The probability that a span of geometric length ends after each of its tokens (or words).
    public var spanGeometricP = 0.2
    /// The longest geometric span, or the length of fixed ones.
    public var spanLength = 10
    /// Attention stays inside documents.
    public var documentMasking = false

    public static let sentences = [
      "mask_ratio": "Share of ordinary tokens that are predicted, 0.01 … 0.9.",
      "ratio_schedule": "Whether that share is constant, or changes linearly over the run to final_mask_ratio.",
      "final_mask_ratio": "The share at the end of a linear schedule, 0.01 … 0.9, which evaluation then uses.",
      "mask_replace_prob": "Share of hidden tokens shown as [MASK], 0 … 1.",
      "random_replace_prob": "Share of hidden tokens shown as a random token, 0 … 1; the rest is shown as it is.",
      "whole_word_mask": "Words are hidden whole.",
      "spans": "What is hidden together: single tokens (or words), or spans of geometric or fixed length.",
      "span_geometric_p": "Probability that a geometric span ends after each of its tokens (or words), 0.01 … 1.",
      "span_length": "The longest geometric span, or the length of fixed ones, 1 … 1000.",
      "document_masking": "Attention stays inside documents.",
    ]

    public init() {}
  }

  /// How the share of hidden positions goes over the run.
  public enum RatioSchedule: String, Codable, Sendable, CaseIterable { case constant, linear }

  /// What is hidden together.
  public enum Spans: String, Codable, Sendable, CaseIterable { case none, geometric, fixed }

  public static let name = "mlm"
  public static let summary = "Masked language modelling, 15 % of tokens, 80/10/10, with a bidirectional encoder."
  public static let paper = "Devlin et al. 2018, BERT, arXiv 1810.04805"

  public static func requirements(_ options: Options) -> ObjectiveRequirements {
    let follows = options.ratioSchedule == .linear && options.maskRatio != options.finalMaskRatio
    return .bidirectional(followsProgress: follows, contextTargetPairs: contextTargetPairs(options))
  }

  private static func contextTargetPairs(_ options: Options) -> ContextTargetPairs? {
    // Words and spans hide neighbours together, which no share of single tokens says.
    guard options.spans == .none, !options.wholeWordMask else { return nil }
    let last = options.ratioSchedule == .linear ? options.finalMaskRatio : options.maskRatio
    return .masked(share: min(options.maskRatio, last)...max(options.maskRatio, last))
  }

  public let options: Options
  /// The network and its loss.
  public let prediction: TokenPrediction
  private let tokens: MaskableTokens
  private let replacement: Replacement
  private let shape: MaskShape

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    tokens = try MaskableTokens(data.vocabulary, objective: Self.name, after: Self.problems(options, data.vocabulary))
    replacement = Replacement(maskReplaceProb: options.maskReplaceProb, randomReplaceProb: options.randomReplaceProb)
    shape = MaskShape(wholeWordMask: options.wholeWordMask, spans: Self.spans(options))
    prediction = TokenPrediction(model)
  }

  private static func problems(_ o: Options, _ vocabulary: Vocabulary) -> OptionProblems {
    var problems = OptionProblems()
    problems.require("mask_ratio", o.maskRatio, in: 0.01...0.9)
    problems.require("final_mask_ratio", o.finalMaskRatio, in: 0.01...0.9)
    Replacement.check(maskReplaceProb: o.maskReplaceProb, randomReplaceProb: o.randomReplaceProb, &problems)
    problems.require("span_geometric_p", o.spanGeometricP, in: 0.01...1)
    problems.require("span_length", o.spanLength, in: 1...1000)
    problems.require(
      !o.wholeWordMask || vocabulary.words != nil, "whole_word_mask",
      "is true, but where words begin is not known; open a corpus with its tokeniser, or set it to false.")
    return problems
  }

  private static func spans(_ o: Options) -> SpanLengths? {
    switch o.spans {
    case .none: nil
    case .geometric: .geometric(o.spanGeometricP, longest: o.spanLength)
    case .fixed: .fixed(o.spanLength)
    }
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedBatch(clean.input(attentionMask: .bidirectional, documentMasking: options.documentMasking))
    let ratio = ratio(context)
    for sample in 0..<clean.count {
      let random = context.random(clean.sampleIDs[sample])
      let eligible = tokens.eligible(clean, sample)
      let hidden = shape.choose(maskCount(ratio, of: eligible.count), of: eligible, clean, sample, tokens, random)
      masked.hide(hidden, of: sample) { replacement($0, at: $1, tokens, random) }
    }
    return masked.example()
  }

  /// The share to hide: in evaluation the one the run ends with, so that losses of all steps are of equal masks.
  func ratio(_ context: StepContext) -> Double {
    guard options.ratioSchedule == .linear else { return options.maskRatio }
    let progress = context.purpose == .evaluation ? 1 : context.progress
    return options.maskRatio + (options.finalMaskRatio - options.maskRatio) * progress
  }
}
