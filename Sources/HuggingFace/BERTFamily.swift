import Core
import Safetensors
import Storage

/// `BertForMaskedLM`. Its linear weights are stored [out, in]; query, key and value are rows of one weight here.
public enum BERTFamily: ModelFamily {
  public static let name = "bert"
  public static let architecture = "BertForMaskedLM"
  public static let modelType = "bert"
  public static let pipeline = "fill-mask"
  public static let autoClass = "AutoModelForMaskedLM"
  public static let preset = "bert"
  public static let usage = fillMaskUsage
  public static let classifier = ClassifierLayout(
    architecture: "BertForSequenceClassification", form: .pooler, encoder: "bert.",
    layers: [("bert.pooler.dense", "classifier.dense", false, true), ("classifier", "classifier", true, true)])

  public static func unsupported(_ model: ModelConfiguration) -> [String] {
    var needs = Requirements(model, head: .vocabulary, "a head over the vocabulary")
    needs.need(model.resolvedEmbeddingSize == model.hiddenSize, "embedding_size = hidden_size")
    needs.needEncoder(model)
    needs.need(model.headTransform, "head_transform = true")
    return needs.missing
  }

  public static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor] {
    var list = TensorList(model)
    let width = model.hiddenSize
    list.addEncoder("bert")
    list.addLinear("cls.predictions.transform.dense", "head.transform", inputs: width, outputs: width)
    list.addNorm("cls.predictions.transform.LayerNorm", "head.norm")
    list.add("cls.predictions.bias", "head.bias", [model.vocabSize])
    if !model.tieWordEmbeddings {
      // The class then keeps a second copy of the bias and computes with that one.
      list.add("cls.predictions.decoder.weight", "head.weight", [model.vocabSize, width])
      list.add("cls.predictions.decoder.bias", "head.bias", [model.vocabSize])
    }
    return list.tensors
  }

  public static func settings(_ model: ModelConfiguration) -> [JSONValue.Member] { encoderSettings(model) }

  public static func read(_ s: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration {
    try s.requireEncoder()
    try s.require("embedding_size", s.document["hidden_size"] ?? .null, because: "it must equal hidden_size")
    return try s.encoder()
  }
}

// MARK: - What ELECTRA's classes share

extension Requirements {
  /// The settings of BERT's encoder.
  mutating func needEncoder(_ model: ModelConfiguration) {
    need(model.attentionMask == .bidirectional, "attention_mask = bidirectional")
    need(model.norm == .layer, "norm = layer")
    need(model.normPlacement == .post, "norm_placement = post")
    need(model.positionEmbedding == .learned, "position_embedding = learned")
    need(model.activation != .swiglu, "activation = gelu or gelu-tanh")
    need(model.bias, "bias = true")
    need(model.typeVocabSize >= 1, "type_vocab_size of at least 1")
  }
}

extension TensorList {
  /// Embeddings and blocks as BERT's class and ELECTRA's name them.
  mutating func addEncoder(_ base: String) {
    let (width, inner, table) = (model.hiddenSize, model.intermediateSize, model.resolvedEmbeddingSize)
    add("\(base).embeddings.word_embeddings.weight", "embedding.token", [model.vocabSize, table])
    add("\(base).embeddings.position_embeddings.weight", "embedding.position", [model.maxPosition, table])
    add("\(base).embeddings.token_type_embeddings.weight", "embedding.type", [model.typeVocabSize, table])
    addNorm("\(base).embeddings.LayerNorm", "embedding.norm", width: table)
    if table != width { addLinear("\(base).embeddings_project", "embedding.projection", inputs: table, outputs: width) }
    for i in 0..<model.numLayers {
      let (there, here) = ("\(base).encoder.layer.\(i)", "block.\(i)")
      for (part, name) in ["query", "key", "value"].enumerated() {
        addLinear(
          "\(there).attention.self.\(name)", "\(here).attention.qkv", inputs: width, outputs: width, first: part * width
        )
      }
      addLinear("\(there).attention.output.dense", "\(here).attention.out", inputs: width, outputs: width)
      addNorm("\(there).attention.output.LayerNorm", "\(here).norm1")
      addLinear("\(there).intermediate.dense", "\(here).feedForward.up", inputs: width, outputs: inner)
      addLinear("\(there).output.dense", "\(here).feedForward.down", inputs: inner, outputs: width)
      addNorm("\(there).output.LayerNorm", "\(here).norm2")
    }
  }
}

extension ModelFamily {
  static func encoderSettings(_ model: ModelConfiguration) -> [JSONValue.Member] {
    [
      .init("attention_probs_dropout_prob", .float(model.attentionDropout)),
      .init("hidden_dropout_prob", .float(model.dropout)),
      .init("hidden_act", .string(model.activation == .gelu ? "gelu" : "gelu_new")),
      .init("hidden_size", .integer(model.hiddenSize)),
      .init("initializer_range", .float(model.initializerRange)),
      .init("intermediate_size", .integer(model.intermediateSize)),
      .init("layer_norm_eps", .float(model.normEps)), .init("max_position_embeddings", .integer(model.maxPosition)),
      .init("num_attention_heads", .integer(model.numHeads)), .init("num_hidden_layers", .integer(model.numLayers)),
      .init("position_embedding_type", .string("absolute")), .init("type_vocab_size", .integer(model.typeVocabSize)),
    ]
  }
}

extension HuggingFaceSettings {
  func requireEncoder() throws(CheckpointError) {
    try require("position_embedding_type", .string("absolute"), because: "only absolute positions are supported")
    try require("is_decoder", .bool(false), because: "only an encoder is supported")
    try require("add_cross_attention", .bool(false), because: "there is no cross-attention here")
  }

  func encoder() throws(CheckpointError) -> ModelConfiguration {
    ModelConfiguration(
      attentionMask: .bidirectional, vocabSize: try count("vocab_size"),
      maxPosition: try count("max_position_embeddings"),
      hiddenSize: try count("hidden_size"), numLayers: try count("num_hidden_layers"),
      numHeads: try count("num_attention_heads"),
      intermediateSize: try count("intermediate_size"), normPlacement: .post,
      normEps: try float("layer_norm_eps", default: 1e-12),
      activation: try activation("hidden_act", default: "gelu"),
      tieWordEmbeddings: try flag("tie_word_embeddings", default: true),
      typeVocabSize: try count("type_vocab_size", default: 2), headTransform: true,
      dropout: try float("hidden_dropout_prob", default: 0.1),
      attentionDropout: try float("attention_probs_dropout_prob", default: 0.1),
      initializerRange: try float("initializer_range", default: 0.02))
  }
}
