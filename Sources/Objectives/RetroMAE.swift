import Core
import Layers
import Models
import Tensors

/// `retromae`: an encoder packs a lightly masked passage into its [CLS] vector, from which a one-layer decoder with a
/// heavily hidden view reconstructs it.
///
/// *Concretely:* L = L_enc + L_dec. L_enc is masked language modelling. L_dec predicts every ordinary token from the
/// query "[CLS] vector + position", whose keys are the [CLS] vector and the clean embeddings that its own draw leaves
/// visible, never its own position (`PassageMasks`, `PassageBottleneck`). Each term is Σ w·CE / Σ w over the batch.
///
/// Differences from the reference code, on purpose: single tokens are hidden and not whole words, special tokens are
/// not predicted anywhere, and each row of each sample has a draw of its own.
///
/// Reference: Xiao et al., "RetroMAE: pre-training retrieval-oriented language models via masked auto-encoder", 2022,
/// arXiv 2205.12035.
public struct RetroMAE: PassageObjective {
  public struct OwnOptions: ObjectiveOptions {
    /// How the decoder's queries are made of the [CLS] vector: raw or embedded.
    public var query = PassageBottleneck.Query.raw

    public static let sentences = [
      "query": "How the decoder's queries are made of the vector of [CLS]: as it is, or with embeddings added."
    ]

    public init() {}
  }

  public typealias Options = CombinedOptions<PassageMaskOptions, OwnOptions>

  public static let name = "retromae"
  public static let summary =
    "Masked language modelling, and reconstruction of the passage from [CLS] by a one-layer decoder: for retrieval."
  public static let paper = "Xiao et al. 2022, RetroMAE, arXiv 2205.12035"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { options.shared.requirements }

  public let options: Options
  public let terms = [LossTerm("encoder"), LossTerm("decoder")]
  public let bottleneck: PassageBottleneck
  private let masks: PassageMasks

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    masks = try PassageMasks(options.shared, data.vocabulary, objective: Self.name)
    bottleneck = try PassageBottleneck(model, query: options.query, bag: false, objective: Self.name)
  }

  public func trivialLoss(term: Int) -> Double? { naturalLogarithm(ofCount: encoder.configuration.vocabSize) }
  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample { masks.corrupt(clean, context) }
}
