import Core
import Kernels
import Layers

/// What `retromae` and `dupmae` hide: light masks for the encoder, heavy ones for each row of the decoder.
struct PassageMasks: Sendable {
  let tokens: MaskableTokens
  let maskRatio: Double
  let decoderMaskRatio: Double
  let replacement: Replacement

  /// - Throws: `ConfigurationError` for a tokeniser without [MASK] or [CLS], and for ratios and shares out of range.
  init(
    maskRatio: Double, maskReplaceProb: Double, randomReplaceProb: Double, decoderMaskRatio: Double, _ vocabulary: Vocabulary, objective: String
  ) throws(ConfigurationError) {
    var problems = OptionProblems()
    problems.require("mask_ratio", maskRatio, in: 0.01...0.9)
    problems.require("decoder_mask_ratio", decoderMaskRatio, in: 0...1)
    Replacement.check(maskReplaceProb: maskReplaceProb, randomReplaceProb: randomReplaceProb, &problems)
    problems.require(
      vocabulary.cls != nil, "name",
      "is \(objective), but the tokeniser has no [CLS], whose vector stands for the passage; prepare the corpus with one that has.")
    tokens = try MaskableTokens(vocabulary, objective: objective, after: problems)
    (self.maskRatio, self.decoderMaskRatio) = (maskRatio, decoderMaskRatio)
    replacement = Replacement(maskReplaceProb: maskReplaceProb, randomReplaceProb: randomReplaceProb)
  }

  /// The masked passage with its targets, and the clean one with the attention mask of the decoder's rows and its targets.
  ///
  /// Of n eligible positions (real, not special) the encoder's mask takes max(1, round(maskRatio · n)); the decoder predicts all of them
  /// but position 0. Row i of the decoder sees [CLS] at position 0 and every other real position but itself and round(decoderMaskRatio · n)
  /// eligible ones drawn for this row of this sample. Rows without a target see [CLS] alone.
  /// - Complexity: O(n² log n) per sample.
  func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let whole = clean.input(attentionMask: .bidirectional, documentMasking: false)
    var (masked, decoded) = (whole, whole)
    var visible = AttentionBitmask(samples: clean.count, queries: clean.length, keys: clean.length)
    var (hidden, all) = (Predicted(), Predicted())
    for sample in 0..<clean.count {
      let random = context.random(clean.sampleIDs[sample])
      let eligible = tokens.eligible(clean, sample)
      let start = sample * clean.length
      for i in chosen(eligible, max(1, share(maskRatio, of: eligible)), random) {
        hidden.add(start + i, whole.tokens[start + i])
        masked.tokens[start + i] = replacement(whole.tokens[start + i], at: i, tokens, random)
      }
      for i in 0..<clean.length { visible[sample, i, 0] = true }
      let real = (1..<max(clean.length, 1)).filter { clean.documentIDs[sample * clean.stride + $0] >= 0 }
      for i in eligible where i > 0 {
        all.add(start + i, whole.tokens[start + i])
        for key in real where key != i { visible[sample, i, key] = true }
        let own = context.random(clean.sampleIDs[sample], site: UInt32(1 + i))
        for key in chosen(eligible, share(decoderMaskRatio, of: eligible), own) where key > 0 { visible[sample, i, key] = false }
      }
    }
    decoded.visible = visible
    return TrainingExample(inputs: [masked, decoded], targets: [hidden.targets, all.targets])
  }

  private func share(_ ratio: Double, of positions: [Int]) -> Int { Int((ratio * Double(positions.count)).rounded()) }

  /// Which positions one draw hides: the one place that knows of tokens and not of words.
  private func chosen(_ eligible: [Int], _ count: Int, _ random: CounterGenerator) -> [Int] {
    randomSubset(eligible, count: count, random)
  }

  private struct Predicted {
    var (rows, ids) = ([Int](), [Int32]())

    mutating func add(_ row: Int, _ id: Int32) {
      rows.append(row)
      ids.append(id)
    }

    var targets: TermTargets { TermTargets(rows: rows, ids: ids) }
  }
}
