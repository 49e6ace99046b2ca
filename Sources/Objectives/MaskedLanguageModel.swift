import Core
import Layers
import Tensors

/// `mlm`: BERT's masked language modelling with masks drawn anew at every visit.
///
/// *Concretely:* of the n eligible positions of a sample (real and not special), max(1, round(maskRatio · n)) are chosen at
/// random without replacement. Each is shown as [MASK] with probability `maskShare`, as a random ordinary token with
/// probability `randomShare`, otherwise unchanged; all of them are asked for their own id. Loss = Σ w·CE / Σ w over the batch.
///
/// Differences from the reference code, on purpose: the count rule does not include special tokens, no cap is applied, and
/// random replacements are drawn from ordinary tokens only.
///
/// Reference: Devlin et al., "BERT", 2018, arXiv 1810.04805; dynamic masks: Liu et al., "RoBERTa", 2019, arXiv 1907.11692.
public struct MaskedLanguageModel: TokenObjective {
  public struct Options: ObjectiveOptions {
    /// Share of eligible positions that are asked for.
    public var maskRatio = 0.15
    /// Of those, the share shown as [MASK] …
    public var maskShare = 0.8
    /// … and the share shown as a random token.
    public var randomShare = 0.1
    /// Attention stays inside documents.
    public var insideDocuments = false

    public init() {}
  }

  public static let name = "mlm"
  public static let summary = "Masked language modelling, 15 % of tokens, 80/10/10, with a bidirectional encoder: looks around."
  public static let paper = "Devlin et al. 2018, BERT, arXiv 1810.04805"
  public static let visibility = ModelConfiguration.Visibility.bidirectional

  public let options: Options
  public let prediction: TokenPrediction
  private let tokens: MaskableTokens
  private let replacement: Replacement

  public init(_ options: Options, model: ModelConfiguration, vocabulary: Vocabulary) throws(ConfigurationError) {
    self.options = options
    var problems: [ConfigurationError.Problem] = []
    if !(0.01...0.9).contains(options.maskRatio) {
      problems.append(.init(key: "objective.maskRatio", sentence: "is \(options.maskRatio); it must lie in 0.01...0.9."))
    }
    problems += Replacement.problems(maskShare: options.maskShare, randomShare: options.randomShare)
    do throws(ConfigurationError) {
      tokens = try MaskableTokens(vocabulary, objective: Self.name)
    } catch { throw ConfigurationError(problems: problems + error.problems) }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    replacement = Replacement(maskShare: options.maskShare, randomShare: options.randomShare)
    prediction = TokenPrediction(model)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var input = clean.input(visibility: Self.visibility, insideDocuments: options.insideDocuments)
    var (rows, ids) = ([Int](), [Int32]())
    for sample in 0..<clean.count {
      let random = context.random(clean.positions[sample])
      let eligible = tokens.eligible(clean, sample)
      for i in randomSubset(eligible, count: count(of: eligible), random) {
        let row = sample * clean.length + i
        rows.append(row)
        ids.append(input.tokens[row])
        input.tokens[row] = replacement(input.tokens[row], at: i, tokens, random)
      }
    }
    return TrainingExample(inputs: [input], targets: [TermTargets(rows: rows, ids: ids)])
  }

  private func count(of eligible: [Int]) -> Int { max(1, Int((options.maskRatio * Double(eligible.count)).rounded())) }
}
