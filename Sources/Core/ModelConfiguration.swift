/// The shape of a transformer: everything that decides its arithmetic and its parameters.
public struct ModelConfiguration: Codable, Sendable, Equatable {
  public enum AttentionMask: String, Codable, Sendable, CaseIterable { case causal, bidirectional }
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
  public enum PositionEmbedding: String, Codable, Sendable, CaseIterable {
    case learned
    /// Sines and cosines of a position's place in `positionGrid`, a table that is not trained (MAE).
    case sinCos = "sin-cos"
    case rotary, none
  }
  /// Which token a row of the vocabulary head predicts.
  public enum Prediction: String, Codable, Sendable, CaseIterable {
    /// The token behind the row's own (GPT-2).
    case next
    /// The row's own token, which the input hides (BERT).
    case same
  }
  /// What the head scores.
  public enum Head: String, Codable, Sendable, CaseIterable {
    /// A score for every id of the vocabulary.
    case vocabulary
    /// One score per position: whether its token was replaced (ELECTRA's discriminator).
    case replaced
    /// Nothing: heads are the objective's own.
    case none
    /// The numbers of a position, by a linear layer of the objective's that is named `output` (SimMIM).
    case values
  }

  public var attentionMask: AttentionMask
  /// Which token a row of the vocabulary head predicts.
  public var prediction: Prediction
  /// Rows of the token embedding; 0 for a model of continuous inputs.
  public var vocabSize: Int
  /// Longest sequence.
  public var maxPosition: Int
  /// Hidden size.
  public var hiddenSize: Int
  public var numLayers: Int
  public var numHeads: Int
  /// Inner size of the feed-forward layer.
  public var intermediateSize: Int
  public var norm: Norm
  public var normPlacement: NormPlacement
  public var normEps: Float
  public var activation: Activation
  public var positionEmbedding: PositionEmbedding
  /// Base of the rotary frequencies.
  public var ropeTheta: Float
  /// The output projection is the token embedding.
  public var tieWordEmbeddings: Bool
  /// Linear layers have biases.
  public var bias: Bool
  /// Rows of the token-type embedding; 0 for none. Every position has type 0 in pretraining.
  public var typeVocabSize: Int
  /// BERT's masked-LM head: dense, activation and norm before the output projection, which has a bias.
  public var headTransform: Bool
  /// Probability of zeroing an activation after the embedding and each residual branch.
  public var dropout: Float
  /// Probability of zeroing an attention weight.
  public var attentionDropout: Float
  /// Numbers per position of continuous inputs; 0 for token inputs.
  public var inputSize: Int
  /// How many positions there are along each axis of a record of numbers, for `sinCos`; empty for one axis of
  /// `maxPosition`.
  public var positionGrid: [Int]
  /// Sizes of a patch of a record of numbers, one per axis; empty for other inputs.
  public var patch: [Int]
  /// The light decoder of a masked autoencoder that is kept beside the encoder; nil for none.
  public var decoder: DecoderShape?
  /// Rows that stand before the positions of each sample of numbers: 1 with [CLS], else 0.
  public var leadingRows: Int
  /// Rows of the table of vectors that stand in place of rows of numbers: [CLS], hidden positions.
  public var learnedRows: Int
  /// Width of the embedding's tables and norm, 0 for `hiddenSize`. Where they differ, a linear map leads from the one
  /// to the other (ELECTRA).
  public var embeddingSize: Int
  public var head: Head
  /// Standard deviation of initial weights; in pre-norm models those that end a residual branch have it divided by
  /// √(2·layers). 0.02 suits widths of some hundreds; about 1/√width suits small models, which otherwise see next to
  /// nothing of their input for long.
  public var initializerRange: Float

  public var headDim: Int { hiddenSize / numHeads }
  /// The width that `embeddingSize` stands for.
  public var resolvedEmbeddingSize: Int { embeddingSize > 0 ? embeddingSize : hiddenSize }

  public init(
    attentionMask: AttentionMask, vocabSize: Int, maxPosition: Int, hiddenSize: Int, numLayers: Int, numHeads: Int,
    intermediateSize: Int? = nil,
    norm: Norm = .layer, normPlacement: NormPlacement = .pre, normEps: Float = 1e-5, activation: Activation = .geluTanh,
    positionEmbedding: PositionEmbedding = .learned, ropeTheta: Float = 10_000, tieWordEmbeddings: Bool = true,
    bias: Bool = true, typeVocabSize: Int = 0,
    headTransform: Bool = false, dropout: Float = 0, attentionDropout: Float = 0, inputSize: Int = 0,
    embeddingSize: Int = 0, head: Head = .vocabulary, initializerRange: Float = 0.02, prediction: Prediction? = nil,
    positionGrid: [Int] = [], leadingRows: Int = 0, learnedRows: Int = 0
  ) {
    self.attentionMask = attentionMask
    // A row that sees its own token has nothing to predict of it.
    self.prediction = prediction ?? (attentionMask == .causal ? .next : .same)
    self.vocabSize = vocabSize
    self.maxPosition = maxPosition
    self.hiddenSize = hiddenSize
    self.numLayers = numLayers
    self.numHeads = numHeads
    // A width beyond all sense is refused by `problems`, not by an overflow here.
    self.intermediateSize = intermediateSize ?? 4 &* hiddenSize
    self.norm = norm
    self.normPlacement = normPlacement
    self.normEps = normEps
    self.activation = activation
    self.positionEmbedding = positionEmbedding
    self.ropeTheta = ropeTheta
    self.tieWordEmbeddings = tieWordEmbeddings
    self.bias = bias
    self.typeVocabSize = typeVocabSize
    self.headTransform = headTransform
    self.dropout = dropout
    self.attentionDropout = attentionDropout
    self.inputSize = inputSize
    self.embeddingSize = embeddingSize
    self.head = head
    self.initializerRange = initializerRange
    (self.positionGrid, self.leadingRows, self.learnedRows) = (positionGrid, leadingRows, learnedRows)
    (patch, decoder) = ([], nil)
  }

  /// Exactly GPT-2 (`GPT2LMHeadModel`).
  public static func gpt2(
    vocabSize: Int, maxPosition: Int, hiddenSize: Int, numLayers: Int, numHeads: Int, dropout: Float = 0
  ) -> Self {
    Self(
      attentionMask: .causal, vocabSize: vocabSize, maxPosition: maxPosition, hiddenSize: hiddenSize,
      numLayers: numLayers, numHeads: numHeads, dropout: dropout,
      attentionDropout: dropout)
  }

  /// Exactly BERT with its masked-LM head (`BertForMaskedLM`).
  public static func bert(
    vocabSize: Int, maxPosition: Int, hiddenSize: Int, numLayers: Int, numHeads: Int, dropout: Float = 0
  ) -> Self {
    Self(
      attentionMask: .bidirectional, vocabSize: vocabSize, maxPosition: maxPosition, hiddenSize: hiddenSize,
      numLayers: numLayers, numHeads: numHeads,
      normPlacement: .post, normEps: 1e-12, activation: .gelu, typeVocabSize: 2, headTransform: true, dropout: dropout,
      attentionDropout: dropout)
  }

  /// Exactly Llama (`LlamaForCausalLM`) with as many key/value heads as query heads.
  public static func llama(
    vocabSize: Int, maxPosition: Int, hiddenSize: Int, numLayers: Int, numHeads: Int, intermediateSize: Int,
    tieWordEmbeddings: Bool = false
  ) -> Self {
    Self(
      attentionMask: .causal, vocabSize: vocabSize, maxPosition: maxPosition, hiddenSize: hiddenSize,
      numLayers: numLayers, numHeads: numHeads,
      intermediateSize: intermediateSize, norm: .rms, activation: .swiglu, positionEmbedding: .rotary,
      tieWordEmbeddings: tieWordEmbeddings, bias: false)
  }

  /// Weights of the matrices every such model has: a lower bound of its parameters, which cannot overflow.
  public var leastParameters: Double {
    let (vocabSize, hiddenSize, inner) = (Double(vocabSize), Double(hiddenSize), Double(intermediateSize))
    let block = 4 * hiddenSize * hiddenSize + (activation == .swiglu ? 3 : 2) * hiddenSize * inner
    let table = Double(resolvedEmbeddingSize)
    return vocabSize * table * (tieWordEmbeddings || head == .none ? 1 : 2) + Double(numLayers) * block
      + (positionEmbedding == .learned ? Double(maxPosition) * table : 0)
  }

  /// Weights of linear layers are stored [in, out], as GPT-2's files have them, and not [out, in].
  ///
  /// Then a checkpoint is the parameters as they lie in memory, without a transposition.
  public var inputMajorWeights: Bool {
    attentionMask == .causal && norm == .layer && normPlacement == .pre && positionEmbedding == .learned
      && activation != .swiglu
  }

  /// All rules this shape breaks, under `prefix` such as `model`.
  public func problems(prefix: String) -> [ConfigurationError.Problem] {
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ value: some CustomStringConvertible, _ rule: String) {
      if !holds { problems.append(.init(key: "\(prefix).\(key)", sentence: "is \(value); \(rule)")) }
    }
    require((0...Int(Int32.max)).contains(vocabSize), "vocab_size", vocabSize, "it must lie in 0...\(Int32.max).")
    require((0...65_536).contains(inputSize), "input_size", inputSize, "it must lie in 0...65536.")
    require((1...1_048_576).contains(maxPosition), "max_position", maxPosition, "it must lie in 1...1048576.")
    require((1...65_536).contains(hiddenSize), "hidden_size", hiddenSize, "it must lie in 1...65536.")
    require((1...1_000).contains(numLayers), "num_layers", numLayers, "it must lie in 1...1000.")
    require(
      numHeads >= 1 && hiddenSize % max(numHeads, 1) == 0, "num_heads", numHeads,
      "it must divide model.hidden_size = \(hiddenSize).")
    require(
      (1...1_048_576).contains(intermediateSize), "intermediate_size", intermediateSize, "it must lie in 1...1048576.")
    require(normEps > 0 && normEps < 1, "norm_eps", normEps, "it must lie between 0 and 1.")
    require(ropeTheta > 1 && ropeTheta.isFinite, "rope_theta", ropeTheta, "it must be above 1 and finite.")
    require(
      initializerRange > 0 && initializerRange <= 1, "initializer_range", initializerRange,
      "it must be above 0 and at most 1.")
    require((0..<1).contains(dropout), "dropout", dropout, "it must be at least 0 and below 1.")
    require(
      (0..<1).contains(attentionDropout), "attention_dropout", attentionDropout, "it must be at least 0 and below 1.")
    require((0...16).contains(typeVocabSize), "type_vocab_size", typeVocabSize, "it must lie in 0...16.")
    require((0...65_536).contains(embeddingSize), "embedding_size", embeddingSize, "it must lie in 0...65536.")
    if resolvedEmbeddingSize != hiddenSize, head == .vocabulary {
      require(
        headTransform, "embedding_size", embeddingSize,
        "without model.head_transform it must be 0 or model.hidden_size = \(hiddenSize).")
    }
    require((0...1).contains(leadingRows), "leading_rows", leadingRows, "it must be 0 or 1.")
    require((0...16).contains(learnedRows), "learned_rows", learnedRows, "it must lie in 0...16.")
    let axes = max(positionGrid.count, 1)
    require(
      positionEmbedding != .sinCos || hiddenSize % (2 * axes) == 0, "hidden_size", hiddenSize,
      "sines and cosines of \(axes == 1 ? "1 axis" : "\(axes) axes") need a multiple of \(2 * axes).")
    require(
      positionGrid.isEmpty || positionGrid.allSatisfy { $0 > 0 } && positionGrid.reduce(1, *) == maxPosition,
      "max_position", maxPosition, "it must be the number of cells of the grid \(positionGrid).")
    if numHeads >= 1, hiddenSize % numHeads == 0, positionEmbedding == .rotary {
      require(
        headDim % 2 == 0, "position_embedding", "rotary", "hidden_size / num_heads = \(headDim) must then be even.")
    }
    return problems
  }
}

/// The decoder of a masked autoencoder, and what its loss is computed with.
public struct DecoderShape: Codable, Sendable, Equatable {
  public var hiddenSize: Int
  public var numLayers: Int
  public var numHeads: Int
  /// Inner size of the feed-forward layers.
  public var intermediateSize: Int
  /// Share of the positions that the encoder does not see.
  public var maskRatio: Double
  /// Targets are normalised within each position.
  public var normPixLoss: Bool

  public init(
    hiddenSize: Int, numLayers: Int, numHeads: Int, intermediateSize: Int, maskRatio: Double, normPixLoss: Bool
  ) {
    (self.hiddenSize, self.numLayers, self.numHeads) = (hiddenSize, numLayers, numHeads)
    (self.intermediateSize, self.maskRatio, self.normPixLoss) = (intermediateSize, maskRatio, normPixLoss)
  }

  /// The decoder on top of an encoder.
  public func shape(of encoder: ModelConfiguration) -> ModelConfiguration {
    var shape = encoder
    (shape.hiddenSize, shape.numLayers, shape.numHeads) = (hiddenSize, numLayers, numHeads)
    (shape.intermediateSize, shape.embeddingSize, shape.decoder) = (intermediateSize, 0, nil)
    return shape
  }
}
