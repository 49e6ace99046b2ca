import Core
import Kernels
import Layers
import Tensors

/// `ar`: next-token prediction.
///
/// *Concretely:* a causal decoder reads x₀ … x_{L-1}; row i predicts x_{i+1} with weight 1 where both positions are
/// real and, when attention is kept inside documents, belong to the same document. Loss = Σ w·CE / Σ w over the whole
/// batch.
///
/// Reference: Radford et al., "Language models are unsupervised multitask learners", 2019 (GPT-2).
public struct Autoregressive: TokenObjective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// Attention and targets stay inside documents.
    public var documentMasking = false

    public static let sentences = [
      "document_masking": "Attention and targets stay inside documents."
    ]

    public init() {}
  }

  public static let name = "ar"
  public static let summary = "Next-token prediction with a causal decoder."
  public static let paper = "Radford et al. 2019, Language models are unsupervised multitask learners (GPT-2)"

  public static func requirements(_ options: Options) -> ObjectiveRequirements {
    .causal(contextTargetPairs: .ahead(offsets: 1, distribution: .uniform))
  }

  public let options: Options
  /// The network and its loss.
  public let prediction: TokenPrediction

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    prediction = TokenPrediction(model)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    precondition(clean.lookahead >= 1, "next-token prediction needs one token of lookahead")
    var (rows, ids) = ([Int](), [Int32]())
    rows.reserveCapacity(clean.count * clean.length)
    ids.reserveCapacity(clean.count * clean.length)
    for sample in 0..<clean.count {
      for i in 0..<clean.length {
        let here = sample * clean.stride + i
        let (document, next) = (clean.documentIDs[here], clean.documentIDs[here + 1])
        guard document >= 0, next >= 0, !options.documentMasking || document == next else { continue }
        rows.append(sample * clean.length + i)
        ids.append(clean.tokens[here + 1])
      }
    }
    return TrainingExample(
      inputs: [clean.input(attentionMask: .causal, documentMasking: options.documentMasking)],
      targets: [TermTargets(rows: rows, ids: ids)])
  }
}
