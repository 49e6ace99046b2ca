/// The shape of a transformer: everything that decides its arithmetic and its parameters.
public struct ModelConfiguration: Codable, Sendable, Equatable {
  public enum Visibility: String, Codable, Sendable, CaseIterable { case causal, bidirectional }
  public enum Norm: String, Codable, Sendable, CaseIterable { case layer, rms }
  public enum NormPlacement: String, Codable, Sendable, CaseIterable { case pre, post }
  public enum Activation: String, Codable, Sendable, CaseIterable {
    /// x · Φ(x) with the tanh approximation (GPT-2's `gelu_new`).
    case geluTanh = "gelu-tanh"
    /// x · Φ(x) with erf (BERT's `gelu`).
    case gelu
    /// silu(x·W_gate) ⊙ (x·W_up) (Llama).
    case swiglu
  }
  public enum Positions: String, Codable, Sendable, CaseIterable { case learned, rotary, none }
  /// What the last layer is asked for.
  public enum Head: String, Codable, Sendable, CaseIterable {
    /// A score for every id of the vocabulary.
    case vocabulary
    /// One score a position: whether its token was replaced (ELECTRA's discriminator).
    case replaced
  }

  public var visibility: Visibility
  /// Rows of the token embedding; 0 for a model of continuous inputs.
  public var vocabulary: Int
  /// Longest sequence.
  public var context: Int
  /// Hidden size.
  public var width: Int
  public var layers: Int
  public var heads: Int
  /// Inner size of the feed-forward layer.
  public var feedForward: Int
  public var norm: Norm
  public var normPlacement: NormPlacement
  public var normEpsilon: Float
  public var activation: Activation
  public var positions: Positions
  /// Base of the rotary frequencies.
  public var rotaryBase: Float
  /// The output projection is the token embedding.
  public var tiedHead: Bool
  /// Linear layers have biases.
  public var bias: Bool
  /// Rows of the token-type embedding; 0 for none. Every position has type 0 in pretraining.
  public var tokenTypes: Int
  /// BERT's masked-LM head: dense, activation and norm before the output projection, which has a bias.
  public var headTransform: Bool
  /// Probability of zeroing an activation after the embedding and each residual branch.
  public var dropout: Float
  /// Probability of zeroing an attention weight.
  public var attentionDropout: Float
  /// Numbers a position of continuous inputs has; 0 for token inputs.
  public var inputWidth: Int
  /// Width of the embedding's tables and norm, 0 for `width`. Where they differ, a linear map leads from the one to the other (ELECTRA).
  public var embeddingWidth: Int
  public var head: Head
  /// Standard deviation of initial weights; in pre-norm models those that end a residual branch have it divided by √(2·layers). 0.02 suits
  /// widths of some hundreds; about 1/√width suits small models, which otherwise see next to nothing of their input for long.
  public var initializerRange: Float

  public var headWidth: Int { width / heads }
  /// The width that `embeddingWidth` stands for.
  public var tableWidth: Int { embeddingWidth > 0 ? embeddingWidth : width }

  public init(
    visibility: Visibility, vocabulary: Int, context: Int, width: Int, layers: Int, heads: Int, feedForward: Int? = nil,
    norm: Norm = .layer, normPlacement: NormPlacement = .pre, normEpsilon: Float = 1e-5, activation: Activation = .geluTanh,
    positions: Positions = .learned, rotaryBase: Float = 10_000, tiedHead: Bool = true, bias: Bool = true, tokenTypes: Int = 0,
    headTransform: Bool = false, dropout: Float = 0, attentionDropout: Float = 0, inputWidth: Int = 0,
    embeddingWidth: Int = 0, head: Head = .vocabulary, initializerRange: Float = 0.02
  ) {
    self.visibility = visibility
    self.vocabulary = vocabulary
    self.context = context
    self.width = width
    self.layers = layers
    self.heads = heads
    // A width beyond all sense is refused by `problems`, not by an overflow here.
    self.feedForward = feedForward ?? 4 &* width
    self.norm = norm
    self.normPlacement = normPlacement
    self.normEpsilon = normEpsilon
    self.activation = activation
    self.positions = positions
    self.rotaryBase = rotaryBase
    self.tiedHead = tiedHead
    self.bias = bias
    self.tokenTypes = tokenTypes
    self.headTransform = headTransform
    self.dropout = dropout
    self.attentionDropout = attentionDropout
    self.inputWidth = inputWidth
    self.embeddingWidth = embeddingWidth
    self.head = head
    self.initializerRange = initializerRange
  }

  /// Exactly GPT-2 (`GPT2LMHeadModel`).
  public static func gpt2(vocabulary: Int, context: Int, width: Int, layers: Int, heads: Int, dropout: Float = 0) -> Self {
    Self(
      visibility: .causal, vocabulary: vocabulary, context: context, width: width, layers: layers, heads: heads, dropout: dropout,
      attentionDropout: dropout)
  }

  /// Exactly BERT with its masked-LM head (`BertForMaskedLM`).
  public static func bert(vocabulary: Int, context: Int, width: Int, layers: Int, heads: Int, dropout: Float = 0) -> Self {
    Self(
      visibility: .bidirectional, vocabulary: vocabulary, context: context, width: width, layers: layers, heads: heads,
      normPlacement: .post, normEpsilon: 1e-12, activation: .gelu, tokenTypes: 2, headTransform: true, dropout: dropout,
      attentionDropout: dropout)
  }

  /// Exactly Llama (`LlamaForCausalLM`) with as many key/value heads as query heads.
  public static func llama(
    vocabulary: Int, context: Int, width: Int, layers: Int, heads: Int, feedForward: Int, tiedHead: Bool = false
  ) -> Self {
    Self(
      visibility: .causal, vocabulary: vocabulary, context: context, width: width, layers: layers, heads: heads,
      feedForward: feedForward, norm: .rms, activation: .swiglu, positions: .rotary, tiedHead: tiedHead, bias: false)
  }

  /// Weights of the matrices every such model has: a lower bound of its parameters, which cannot overflow.
  public var leastParameters: Double {
    let (vocabulary, width, inner) = (Double(vocabulary), Double(width), Double(feedForward))
    let block = 4 * width * width + (activation == .swiglu ? 3 : 2) * width * inner
    let table = Double(tableWidth)
    return vocabulary * table * (tiedHead ? 1 : 2) + Double(layers) * block + (positions == .learned ? Double(context) * table : 0)
  }

  /// All rules this shape breaks, under `prefix` such as `model`.
  public func problems(prefix: String) -> [ConfigurationError.Problem] {
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ value: some CustomStringConvertible, _ rule: String) {
      if !holds { problems.append(.init(key: "\(prefix).\(key)", sentence: "is \(value); \(rule)")) }
    }
    require((0...Int(Int32.max)).contains(vocabulary), "vocabulary", vocabulary, "it must lie in 0...\(Int32.max).")
    require((0...65_536).contains(inputWidth), "inputWidth", inputWidth, "it must lie in 0...65536.")
    require((1...1_048_576).contains(context), "context", context, "it must lie in 1...1048576.")
    require((1...65_536).contains(width), "width", width, "it must lie in 1...65536.")
    require((1...1_000).contains(layers), "layers", layers, "it must lie in 1...1000.")
    require(heads >= 1 && width % max(heads, 1) == 0, "heads", heads, "it must divide model.width = \(width).")
    require((1...1_048_576).contains(feedForward), "feedForward", feedForward, "it must lie in 1...1048576.")
    require(normEpsilon > 0 && normEpsilon < 1, "normEpsilon", normEpsilon, "it must lie between 0 and 1.")
    require(rotaryBase > 1 && rotaryBase.isFinite, "rotaryBase", rotaryBase, "it must be above 1 and finite.")
    require(initializerRange > 0 && initializerRange <= 1, "initializerRange", initializerRange, "it must be above 0 and at most 1.")
    require((0..<1).contains(dropout), "dropout", dropout, "it must be at least 0 and below 1.")
    require((0..<1).contains(attentionDropout), "attentionDropout", attentionDropout, "it must be at least 0 and below 1.")
    require((0...16).contains(tokenTypes), "tokenTypes", tokenTypes, "it must lie in 0...16.")
    require((0...65_536).contains(embeddingWidth), "embeddingWidth", embeddingWidth, "it must lie in 0...65536.")
    if tableWidth != width, head == .vocabulary {
      require(headTransform, "embeddingWidth", embeddingWidth, "without model.headTransform it must be 0 or model.width = \(width).")
    }
    if heads >= 1, width % heads == 0, positions == .rotary {
      require(headWidth % 2 == 0, "positions", "rotary", "width / heads = \(headWidth) must then be even.")
    }
    return problems
  }
}
