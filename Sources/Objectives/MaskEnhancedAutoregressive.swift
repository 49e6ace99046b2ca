import Core
import Layers
import Tensors

/// `meap`: next-token prediction with some input tokens shown as [MASK].
///
/// *Concretely:* inputs, attention and targets are those of `ar`: row i predicts the true x_{i+1} with weight 1, also
/// where x_i or x_{i+1} is hidden. Of a sample with L real positions, n = max(1, ⌊maskRatio · L⌋) of the positions 0 …
/// L-2 are drawn without replacement and shown as [MASK], but for special tokens, which stay as they are. Which
/// positions are drawn does not depend on the tokens, so that the mask of a prefix says nothing of what follows it.
/// Evaluation hides nothing, and neither does a ratio of 0.
///
/// Reference: Zhuang et al., "Mask-enhanced autoregressive prediction", 2025, arXiv 2502.07490; the rule of the count
/// and the cycle of 51 masks are those of its code.
public struct MaskEnhancedAutoregressive: TokenObjective {
  public struct Options: ObjectiveOptions {
    /// Share of positions shown as [MASK].
    public var maskRatio = 0.15
    /// Whose mask it is.
    public var sampling = Sampling.perSample
    /// Attention and targets stay inside documents.
    public var documentMasking = false

    public static let sentences = [
      "mask_ratio": "Share of positions shown as [MASK], 0 … 0.9.",
      "sampling":
        "Whose mask it is: drawn for each sample, or one of 51 for all samples of a step, as in the code of the paper.",
      "document_masking": "Attention and targets stay inside documents.",
    ]

    public init() {}
  }

  public enum Sampling: String, Codable, Sendable, CaseIterable {
    /// Every sample has a mask of its own at every visit.
    case perSample = "per-sample"
    /// All samples of step s have the mask s mod 51, as in the paper's code: 51 masks in the whole run.
    case reference
  }

  /// Masks that `reference` goes through in turn.
  public static let cycle = 51

  public static let name = "meap"
  public static let summary = "Next-token prediction from an input with 15 % masks, past what is hidden."
  public static let paper = "Zhuang et al. 2025, Mask-enhanced autoregressive prediction, arXiv 2502.07490"

  public static func requirements(_ options: Options) -> ObjectiveRequirements {
    .causal(contextTargetPairs: .ahead(offsets: 1, distribution: .uniform))
  }

  public let options: Options
  private let plain: Autoregressive
  private let tokens: MaskableTokens

  /// The generator's site for masks of the cycle, which no sample owns.
  private static let cycleSite: UInt32 = 1

  public var prediction: TokenPrediction { plain.prediction }

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    var problems = OptionProblems()
    problems.require("mask_ratio", options.maskRatio, in: 0...0.9)
    tokens = try MaskableTokens(data.vocabulary, objective: Self.name, after: problems)
    var next = Autoregressive.Options()
    next.documentMasking = options.documentMasking
    plain = try Autoregressive(next, model: model, data: data)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var example = plain.corrupt(clean, context)
    guard context.purpose != .evaluation, options.maskRatio > 0 else { return example }
    for sample in 0..<clean.count {
      let start = sample * clean.stride
      let real = 1 + ((0..<clean.length).last { clean.documentIDs[start + $0] >= 0 } ?? -1)
      for i in positions(real, clean.sampleIDs[sample], context) where tokens.isEligible(clean, start + i) {
        example.inputs[0].tokens[sample * clean.length + i] = tokens.mask
      }
    }
    return example
  }

  /// The positions drawn in a sample of `length` real ones: all but the last may be.
  private func positions(_ length: Int, _ position: UInt64, _ context: StepContext) -> [Int] {
    guard length > 1 else { return [] }
    let count = max(1, Int(options.maskRatio * Double(length)))
    let random =
      switch options.sampling {
      case .perSample: context.random(position)
      case .reference: context.random(UInt64(context.step % Self.cycle), site: Self.cycleSite)
      }
    return randomSubset(Array(0..<length - 1), count: count, random)
  }
}
