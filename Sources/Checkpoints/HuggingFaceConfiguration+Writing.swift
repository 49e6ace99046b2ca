import Core
import Storage

/// `config.json` and `generation_config.json` for the classes that fit.
public enum HuggingFaceConfiguration {
  /// `config.json` of a model, for its class or another that computes it too. Where no Hugging Face class fits, the shape of the model under
  /// `"model_type": "lockstep"`, which `transformers` refuses by name instead of guessing.
  public static func json(
    for model: ModelConfiguration, vocabulary: Vocabulary?, format: FloatFormat = .float32, as wanted: HuggingFaceClass? = nil
  ) -> [UInt8] {
    let family = wanted ?? model.huggingFaceClass
    let special: (Int32?) -> JSONValue = { $0.map { .integer($0) } ?? .null }
    var members: [JSONValue.Member]
    switch family {
    case .gpt2: members = gpt2(model)
    case .bert: members = bert(model)
    case .electra, .electraGenerator: members = bert(model) + [.init("embedding_size", .integer(model.resolvedEmbeddingSize))]
    case .llama: members = llama(model)
    case nil: members = other(model)
    }
    if let family {
      members += [
        .init("architectures", .array([.string(family.architecture)])), .init("model_type", .string(family.modelType)),
        .init("vocab_size", .integer(model.vocabSize)), .init("tie_word_embeddings", .bool(model.tieWordEmbeddings)),
        .init("bos_token_id", special(vocabulary?.bos)), .init("eos_token_id", special(vocabulary?.endOfText(family))),
        .init("pad_token_id", special(vocabulary?.pad)), .init("dtype", .string(format.torchName)),
        .init("torch_dtype", .string(format.torchName)), .init("use_cache", .bool(true)),
      ]
    }
    return Array(JSONValue.object(members.sorted { $0.name < $1.name }).pretty.utf8)
  }

  /// `generation_config.json`, for a model that generates; nil for others.
  public static func generationJSON(for model: ModelConfiguration, vocabulary: Vocabulary?) -> [UInt8]? {
    guard let family = model.huggingFaceClass, family.generates else { return nil }
    let ids: [(String, Int32?)] = [
      ("bos_token_id", vocabulary?.bos), ("eos_token_id", vocabulary?.endOfText(family)), ("pad_token_id", vocabulary?.pad),
    ]
    var members = [JSONValue.Member("_from_model_config", .bool(true))]
    for case (let name, let id?) in ids { members.append(.init(name, .integer(id))) }
    return Array(JSONValue.object(members).pretty.utf8)
  }

  private static func gpt2(_ model: ModelConfiguration) -> [JSONValue.Member] {
    [
      .init("activation_function", .string(model.activation == .gelu ? "gelu" : "gelu_new")),
      .init("attn_pdrop", .float(model.attentionDropout)), .init("embd_pdrop", .float(model.dropout)),
      .init("resid_pdrop", .float(model.dropout)), .init("initializer_range", .float(model.initializerRange)),
      .init("layer_norm_epsilon", .float(model.normEps)), .init("n_embd", .integer(model.hiddenSize)),
      .init("n_head", .integer(model.numHeads)),
      .init("n_inner", model.intermediateSize == 4 * model.hiddenSize ? .null : .integer(model.intermediateSize)),
      .init("n_layer", .integer(model.numLayers)), .init("n_positions", .integer(model.maxPosition)),
      .init("reorder_and_upcast_attn", .bool(false)), .init("scale_attn_by_inverse_layer_idx", .bool(false)),
      .init("scale_attn_weights", .bool(true)),
    ]
  }

  private static func bert(_ model: ModelConfiguration) -> [JSONValue.Member] {
    [
      .init("attention_probs_dropout_prob", .float(model.attentionDropout)), .init("hidden_dropout_prob", .float(model.dropout)),
      .init("hidden_act", .string(model.activation == .gelu ? "gelu" : "gelu_new")), .init("hidden_size", .integer(model.hiddenSize)),
      .init("initializer_range", .float(model.initializerRange)), .init("intermediate_size", .integer(model.intermediateSize)),
      .init("layer_norm_eps", .float(model.normEps)), .init("max_position_embeddings", .integer(model.maxPosition)),
      .init("num_attention_heads", .integer(model.numHeads)), .init("num_hidden_layers", .integer(model.numLayers)),
      .init("position_embedding_type", .string("absolute")), .init("type_vocab_size", .integer(model.typeVocabSize)),
    ]
  }

  private static func llama(_ model: ModelConfiguration) -> [JSONValue.Member] {
    [
      .init("attention_bias", .bool(false)), .init("attention_dropout", .float(model.attentionDropout)),
      .init("head_dim", .integer(model.headDim)), .init("hidden_act", .string("silu")), .init("hidden_size", .integer(model.hiddenSize)),
      .init("initializer_range", .float(model.initializerRange)), .init("intermediate_size", .integer(model.intermediateSize)),
      .init("max_position_embeddings", .integer(model.maxPosition)), .init("mlp_bias", .bool(false)),
      .init("num_attention_heads", .integer(model.numHeads)), .init("num_hidden_layers", .integer(model.numLayers)),
      .init("num_key_value_heads", .integer(model.numHeads)), .init("pretraining_tp", .integer(1)),
      .init("rms_norm_eps", .float(model.normEps)), .init("rope_theta", .float(model.ropeTheta)),
    ]
  }

  /// The names are those of the `[experiment.model]` table, so that a person can read them.
  private static func other(_ model: ModelConfiguration) -> [JSONValue.Member] {
    [
      .init("model_type", .string("lockstep")), .init("activation", .string(model.activation.rawValue)),
      .init("attention_dropout", .float(model.attentionDropout)), .init("bias", .bool(model.bias)),
      .init("max_position", .integer(model.maxPosition)), .init("dropout", .float(model.dropout)),
      .init("embedding_size", .integer(model.embeddingSize)), .init("head", .string(model.head.rawValue)),
      .init("intermediate_size", .integer(model.intermediateSize)), .init("head_transform", .bool(model.headTransform)),
      .init("num_heads", .integer(model.numHeads)), .init("initializer_range", .float(model.initializerRange)),
      .init("input_size", .integer(model.inputSize)),
      .init("num_layers", .integer(model.numLayers)), .init("norm", .string(model.norm.rawValue)),
      .init("norm_eps", .float(model.normEps)), .init("norm_placement", .string(model.normPlacement.rawValue)),
      .init("position_embedding", .string(model.positionEmbedding.rawValue)), .init("rope_theta", .float(model.ropeTheta)),
      .init("tie_word_embeddings", .bool(model.tieWordEmbeddings)), .init("type_vocab_size", .integer(model.typeVocabSize)),
      .init("attention_mask", .string(model.attentionMask.rawValue)), .init("vocab_size", .integer(model.vocabSize)),
      .init("hidden_size", .integer(model.hiddenSize)),
    ]
  }
}

extension Vocabulary {
  /// An encoder has no end of text: its [SEP] ends a sentence and must not stop anything.
  fileprivate func endOfText(_ family: HuggingFaceClass) -> Int32? { family.generates ? endOfDocument : eos }
}
