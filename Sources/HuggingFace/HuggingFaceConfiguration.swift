import Core
import Safetensors
import Storage

/// `config.json` and `generation_config.json` for the classes that fit.
public enum HuggingFaceConfiguration {
  /// `config.json` of a model, for its class or another that computes it too. Where no Hugging Face class fits, the
  /// shape of the model under `"model_type": "lockstep"`, which `transformers` refuses by name instead of guessing.
  public static func json(
    for model: ModelConfiguration, vocabulary: Vocabulary?, format: FloatFormat = .float32,
    as wanted: (any ModelFamily.Type)? = nil
  ) -> [UInt8] {
    let family = wanted ?? model.huggingFaceFamily
    let special: (Int32?) -> JSONValue = { $0.map { .integer($0) } ?? .null }
    var members = family?.settings(model) ?? other(model)
    if let family {
      members += [
        .init("architectures", .array([.string(family.architecture)])), .init("model_type", .string(family.modelType)),
        .init("dtype", .string(format.torchName)), .init("torch_dtype", .string(format.torchName)),
      ]
    }
    if let family, family.readsTokens {
      members += [
        .init("vocab_size", .integer(model.vocabSize)), .init("tie_word_embeddings", .bool(model.tieWordEmbeddings)),
        .init("bos_token_id", special(vocabulary?.bos)), .init("eos_token_id", special(vocabulary?.endOfText(family))),
        .init("pad_token_id", special(vocabulary?.pad)), .init("use_cache", .bool(true)),
      ]
    }
    return Array(JSONValue.object(members.sorted { $0.name < $1.name }).pretty.utf8)
  }

  /// `generation_config.json`, for a model that generates; nil for others.
  public static func generationJSON(for model: ModelConfiguration, vocabulary: Vocabulary?) -> [UInt8]? {
    guard let family = model.huggingFaceFamily, family.generates else { return nil }
    let ids: [(String, Int32?)] = [
      ("bos_token_id", vocabulary?.bos), ("eos_token_id", vocabulary?.endOfText(family)),
      ("pad_token_id", vocabulary?.pad),
    ]
    var members = [JSONValue.Member("_from_model_config", .bool(true))]
    for case (let name, let id?) in ids { members.append(.init(name, .integer(id))) }
    return Array(JSONValue.object(members).pretty.utf8)
  }

  /// The names are those of `[model]` in a configuration, so that a person can read them.
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
      .init("position_embedding", .string(model.positionEmbedding.rawValue)),
      .init("rope_theta", .float(model.ropeTheta)),
      .init("tie_word_embeddings", .bool(model.tieWordEmbeddings)),
      .init("type_vocab_size", .integer(model.typeVocabSize)),
      .init("attention_mask", .string(model.attentionMask.rawValue)),
      .init("prediction", .string(model.prediction.rawValue)), .init("vocab_size", .integer(model.vocabSize)),
      .init("hidden_size", .integer(model.hiddenSize)), .init("leading_rows", .integer(model.leadingRows)),
      .init("learned_rows", .integer(model.learnedRows)),
      .init("position_grid", .array(model.positionGrid.map { .integer($0) })),
      .init("patch", .array(model.patch.map { .integer($0) })),
    ] + (model.decoder.map(Self.decoder) ?? [])
  }
}

extension HuggingFaceConfiguration {
  private static func decoder(_ decoder: DecoderShape) -> [JSONValue.Member] {
    [
      .init(
        "decoder",
        .object([
          .init("hidden_size", .integer(decoder.hiddenSize)),
          .init("intermediate_size", .integer(decoder.intermediateSize)),
          .init("mask_ratio", .number("\(decoder.maskRatio)")), .init("norm_pix_loss", .bool(decoder.normPixLoss)),
          .init("num_heads", .integer(decoder.numHeads)), .init("num_layers", .integer(decoder.numLayers)),
        ]))
    ]
  }
}

extension Vocabulary {
  /// An encoder has no end of text: its [SEP] ends a sentence and must not stop anything.
  fileprivate func endOfText(_ family: any ModelFamily.Type) -> Int32? { family.generates ? endOfDocument : eos }
}
