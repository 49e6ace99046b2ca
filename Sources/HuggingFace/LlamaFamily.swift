import Core
import Safetensors
import Storage

/// `LlamaForCausalLM` with as many key and value heads as query heads.
public enum LlamaFamily: ModelFamily {
  public static let name = "llama"
  public static let architecture = "LlamaForCausalLM"
  public static let modelType = "llama"
  public static let pipeline = "text-generation"
  public static let autoClass = "AutoModelForCausalLM"
  public static let generates = true
  public static let preset = "llama"
  public static let usage = textGenerationUsage
  public static let classifier = ClassifierLayout(
    architecture: "LlamaForSequenceClassification", form: .score, encoder: "model.",
    layers: [("score", "classifier", true, false)])

  public static func unsupported(_ model: ModelConfiguration) -> [String] {
    var needs = Requirements(model, head: .vocabulary, "a head over the vocabulary")
    needs.need(model.resolvedEmbeddingSize == model.hiddenSize, "embedding_size = hidden_size")
    needs.need(model.attentionMask == .causal, "attention_mask = causal")
    needs.need(model.norm == .rms, "norm = rms")
    needs.need(model.normPlacement == .pre, "norm_placement = pre")
    needs.need(model.positionEmbedding == .rotary, "position_embedding = rotary")
    needs.need(model.activation == .swiglu, "activation = swiglu")
    needs.need(!model.bias, "bias = false")
    needs.need(model.typeVocabSize == 0, "type_vocab_size = 0")
    needs.need(!model.headTransform, "head_transform = false")
    needs.need(model.dropout == 0, "dropout = 0")
    return needs.missing
  }

  public static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor] {
    var list = TensorList(model)
    let (width, inner) = (model.hiddenSize, model.intermediateSize)
    list.add("model.embed_tokens.weight", "embedding.token", [model.vocabSize, width])
    for i in 0..<model.numLayers {
      let (there, here) = ("model.layers.\(i)", "block.\(i)")
      for (part, name) in ["q_proj", "k_proj", "v_proj"].enumerated() {
        list.addLinear(
          "\(there).self_attn.\(name)", "\(here).attention.qkv", inputs: width, outputs: width, first: part * width)
      }
      list.addLinear("\(there).self_attn.o_proj", "\(here).attention.out", inputs: width, outputs: width)
      list.addLinear("\(there).mlp.gate_proj", "\(here).feedForward.up", inputs: width, outputs: inner, first: 0)
      list.addLinear("\(there).mlp.up_proj", "\(here).feedForward.up", inputs: width, outputs: inner, first: inner)
      list.addLinear("\(there).mlp.down_proj", "\(here).feedForward.down", inputs: inner, outputs: width)
      list.addNorm("\(there).input_layernorm", "\(here).norm1")
      list.addNorm("\(there).post_attention_layernorm", "\(here).norm2")
    }
    list.addNorm("model.norm", "norm")
    if !model.tieWordEmbeddings { list.add("lm_head.weight", "head.weight", [model.vocabSize, width]) }
    return list.tensors
  }

  public static func settings(_ model: ModelConfiguration) -> [JSONValue.Member] {
    [
      .init("attention_bias", .bool(false)), .init("attention_dropout", .float(model.attentionDropout)),
      .init("head_dim", .integer(model.headDim)), .init("hidden_act", .string("silu")),
      .init("hidden_size", .integer(model.hiddenSize)),
      .init("initializer_range", .float(model.initializerRange)),
      .init("intermediate_size", .integer(model.intermediateSize)),
      .init("max_position_embeddings", .integer(model.maxPosition)), .init("mlp_bias", .bool(false)),
      .init("num_attention_heads", .integer(model.numHeads)), .init("num_hidden_layers", .integer(model.numLayers)),
      .init("num_key_value_heads", .integer(model.numHeads)), .init("pretraining_tp", .integer(1)),
      .init("rms_norm_eps", .float(model.normEps)), .init("rope_theta", .float(model.ropeTheta)),
    ]
  }

  public static func read(_ s: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration {
    let (width, heads) = (try s.count("hidden_size"), try s.count("num_attention_heads"))
    try s.require(
      "num_key_value_heads", .integer(heads),
      because: "grouped-query attention is not supported; it must equal num_attention_heads = \(heads)")
    try s.require(
      "head_dim", .integer(heads > 0 ? width / heads : 0), because: "it must be hidden_size / num_attention_heads")
    try s.require("attention_bias", .bool(false), because: "Llama's linear layers have no biases here")
    try s.require("mlp_bias", .bool(false), because: "Llama's linear layers have no biases here")
    try s.require("hidden_act", .string("silu"), because: "only silu is supported")
    try s.require(
      "partial_rotary_factor", .number("1.0"), .number("1"), because: "all of a head's width must be rotated")
    return ModelConfiguration(
      attentionMask: .causal, vocabSize: try s.count("vocab_size"),
      maxPosition: try s.count("max_position_embeddings", default: 2048),
      hiddenSize: width, numLayers: try s.count("num_hidden_layers"), numHeads: heads,
      intermediateSize: try s.count("intermediate_size"),
      norm: .rms, normEps: try s.float("rms_norm_eps", default: 1e-6), activation: .swiglu, positionEmbedding: .rotary,
      ropeTheta: try ropeTheta(s), tieWordEmbeddings: try s.flag("tie_word_embeddings", default: false), bias: false,
      attentionDropout: try s.float("attention_dropout", default: 0),
      initializerRange: try s.float("initializer_range", default: 0.02))
  }

  /// The base stands at the top, or in `rope_parameters` in files of newer versions of the library.
  private static func ropeTheta(_ s: HuggingFaceSettings) throws(CheckpointError) -> Float {
    for key in ["rope_scaling", "rope_parameters"] {
      guard let rope = s.present(key) else { continue }
      let kind = rope["rope_type"]?.string ?? rope["type"]?.string ?? "default"
      guard kind == "default" else { throw s.refuse(key, rope, "scaled rotary positions are not supported") }
    }
    guard let nested = s.present("rope_parameters"), nested["rope_theta"] != nil else {
      return try s.float("rope_theta", default: 10_000)
    }
    return try HuggingFaceSettings(document: nested, path: s.path).float("rope_theta", default: 10_000)
  }
}
