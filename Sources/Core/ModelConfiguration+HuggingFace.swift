/// The classes of the `transformers` library that compute exactly what a configuration describes.
public enum HuggingFaceClass: String, Codable, Sendable, CaseIterable {
  case gpt2
  case bert
  case llama
  case electra
  case electraGenerator

  /// The class in `architectures` of `config.json`.
  public var architecture: String {
    switch self {
    case .gpt2: "GPT2LMHeadModel"
    case .bert: "BertForMaskedLM"
    case .llama: "LlamaForCausalLM"
    case .electra: "ElectraForPreTraining"
    case .electraGenerator: "ElectraForMaskedLM"
    }
  }

  /// `model_type` of `config.json`.
  public var modelType: String { self == .electraGenerator ? "electra" : rawValue }

  /// What the class is for, as the Hub names it.
  public var pipeline: String {
    switch self {
    case .gpt2, .llama: "text-generation"
    case .bert, .electraGenerator: "fill-mask"
    case .electra: "feature-extraction"
    }
  }

  /// The class of the library that finds this one by `config.json`.
  public var autoClass: String {
    switch self {
    case .gpt2, .llama: "AutoModelForCausalLM"
    case .bert, .electraGenerator: "AutoModelForMaskedLM"
    case .electra: "AutoModelForPreTraining"
    }
  }

  /// It continues a text.
  public var generates: Bool { self == .gpt2 || self == .llama }
}

extension ModelConfiguration {
  /// Weights of linear layers are stored [in, out], as GPT-2's files have them, and not [out, in].
  ///
  /// Then a checkpoint is the parameters as they lie in memory, without a transposition.
  public var inputMajorWeights: Bool {
    attentionMask == .causal && norm == .layer && normPlacement == .pre && positionEmbedding == .learned && activation != .swiglu
  }

  /// The Hugging Face class of this configuration, if there is one.
  public var huggingFaceClass: HuggingFaceClass? {
    HuggingFaceClass.allCases.first { obstacles(to: $0).isEmpty }
  }

  /// Why there is no Hugging Face class, in one sentence that names the nearest class and what stands
  /// in its way; nil when there is one.
  public var huggingFaceObstacle: String? {
    let candidates = HuggingFaceClass.allCases.map { (candidate: $0, obstacles: obstacles(to: $0)) }
    guard let nearest = candidates.min(by: { $0.obstacles.count < $1.obstacles.count }), !nearest.obstacles.isEmpty else { return nil }
    return """
      No Hugging Face class computes this model, so AutoModel cannot load its checkpoints; the nearest is \
      \(nearest.candidate.architecture), which needs \(nearest.obstacles.joined(separator: ", ")).
      """
  }

  /// Whether the class computes exactly this; several may.
  public func isComputed(by candidate: HuggingFaceClass) -> Bool { obstacles(to: candidate).isEmpty }

  /// The settings `candidate` would need and this configuration does not have.
  private func obstacles(to candidate: HuggingFaceClass) -> [String] {
    var missing: [String] = []
    func need(_ holds: Bool, _ setting: String) {
      if !holds { missing.append(setting) }
    }
    need(inputSize == 0, "token inputs")
    if candidate == .electra { need(head == .replaced, "a head for replaced tokens") } else { need(head == .vocabulary, "a head over the vocabulary") }
    if candidate.modelType != "electra" { need(resolvedEmbeddingSize == hiddenSize, "embedding_size = hidden_size") }
    switch candidate {
    case .gpt2:
      need(attentionMask == .causal, "attention_mask = causal")
      need(norm == .layer, "norm = layer")
      need(normPlacement == .pre, "norm_placement = pre")
      need(positionEmbedding == .learned, "position_embedding = learned")
      need(activation != .swiglu, "activation = gelu-tanh or gelu")
      need(bias, "bias = true")
      need(typeVocabSize == 0, "type_vocab_size = 0")
      need(!headTransform, "head_transform = false")
    case .bert, .electra, .electraGenerator:
      need(attentionMask == .bidirectional, "attention_mask = bidirectional")
      need(norm == .layer, "norm = layer")
      need(normPlacement == .post, "norm_placement = post")
      need(positionEmbedding == .learned, "position_embedding = learned")
      need(activation != .swiglu, "activation = gelu or gelu-tanh")
      need(bias, "bias = true")
      need(typeVocabSize >= 1, "type_vocab_size of at least 1")
      if candidate != .electra { need(headTransform, "head_transform = true") }
      if candidate == .electraGenerator { need(activation == .gelu, "activation = gelu") }
    case .llama:
      need(attentionMask == .causal, "attention_mask = causal")
      need(norm == .rms, "norm = rms")
      need(normPlacement == .pre, "norm_placement = pre")
      need(positionEmbedding == .rotary, "position_embedding = rotary")
      need(activation == .swiglu, "activation = swiglu")
      need(!bias, "bias = false")
      need(typeVocabSize == 0, "type_vocab_size = 0")
      need(!headTransform, "head_transform = false")
      need(dropout == 0, "dropout = 0")
    }
    return missing
  }
}
