import Core
import Kernels
import Layers

/// What `retromae` and `dupmae` hide, as options.
public struct PassageMaskOptions: ObjectiveOptions {
  /// Share of eligible positions that the encoder predicts.
  public var maskRatio = 0.3
  /// Of those, the share shown as [MASK] …
  public var maskReplaceProb = 0.8
  /// … and the share shown as a random token.
  public var randomReplaceProb = 0.1
  /// Share of eligible positions that each row of the decoder does not see.
  public var decoderMaskRatio = 0.5

  public static let sentences = [
    "mask_ratio": "Share of ordinary tokens that the encoder predicts, 0.01 … 0.9.",
    "mask_replace_prob": "Share of hidden tokens shown as [MASK], 0 … 1.",
    "random_replace_prob": "Share of hidden tokens shown as a random token, 0 … 1; the rest is shown as it is.",
    "decoder_mask_ratio": "Share of ordinary tokens that each row of the decoder does not see, 0 … 1.",
  ]

  public init() {}

  var requirements: ObjectiveRequirements {
    .bidirectional(samples: .framed, contextTargetPairs: .masked(share: maskRatio...maskRatio))
  }
}

/// What `retromae` and `dupmae` hide: light masks for the encoder, heavy ones for each row of the decoder.
struct PassageMasks: Sendable {
  let tokens: MaskableTokens
  let maskRatio: Double
  let decoderMaskRatio: Double
  let replacement: Replacement

  /// - Throws: `ConfigurationError` for a tokeniser without [MASK] or [CLS], and for ratios and shares out of range.
  init(_ options: PassageMaskOptions, _ vocabulary: Vocabulary, objective: String) throws(ConfigurationError) {
    var problems = OptionProblems()
    problems.require("mask_ratio", options.maskRatio, in: 0.01...0.9)
    problems.require("decoder_mask_ratio", options.decoderMaskRatio, in: 0...1)
    Replacement.check(maskReplaceProb: options.maskReplaceProb, randomReplaceProb: options.randomReplaceProb, &problems)
    problems.require(
      vocabulary.cls != nil, "name",
      "is \(objective), but the tokeniser has no [CLS], whose vector stands for the passage; prepare the corpus with one that has."
    )
    tokens = try MaskableTokens(vocabulary, objective: objective, after: problems)
    (maskRatio, decoderMaskRatio) = (options.maskRatio, options.decoderMaskRatio)
    replacement = Replacement(maskReplaceProb: options.maskReplaceProb, randomReplaceProb: options.randomReplaceProb)
  }

  /// The masked passage with its targets, and the clean one with the attention mask of the decoder's rows and its
  /// targets.
  ///
  /// Of n eligible positions (real, not special) the encoder's mask takes max(1, round(maskRatio · n)); the decoder
  /// predicts all of them but position 0. Row i of the decoder sees [CLS] at position 0 and every other real position
  /// but itself and round(decoderMaskRatio · n) eligible ones drawn for this row of this sample. Rows without a target
  /// see [CLS] alone.
  /// - Complexity: O(n² log n) per sample.
  func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let whole = clean.input(attentionMask: .bidirectional, documentMasking: false)
    var (masked, all, decoded) = (MaskedBatch(whole), MaskedBatch(whole), whole)
    var visible = AttentionBitmask(samples: clean.count, queries: clean.length, keys: clean.length)
    for sample in 0..<clean.count {
      let random = context.random(clean.sampleIDs[sample])
      let eligible = tokens.eligible(clean, sample)
      let hidden = randomSubset(eligible, count: maskCount(maskRatio, of: eligible.count), random)
      masked.hide(hidden, of: sample) { replacement($0, at: $1, tokens, random) }
      all.predict(eligible.filter { $0 > 0 }, of: sample)
      let unseen = Int((decoderMaskRatio * Double(eligible.count)).rounded())
      for i in 0..<clean.length { visible[sample, i, 0] = true }
      let real = (1..<max(clean.length, 1)).filter { clean.documentIDs[sample * clean.stride + $0] >= 0 }
      for i in eligible where i > 0 {
        for key in real where key != i { visible[sample, i, key] = true }
        let own = context.random(clean.sampleIDs[sample], site: UInt32(1 + i))
        for key in randomSubset(eligible, count: unseen, own) where key > 0 { visible[sample, i, key] = false }
      }
    }
    decoded.visible = visible
    return TrainingExample(inputs: [masked.input, decoded], targets: [masked.targets(), all.targets()])
  }
}
