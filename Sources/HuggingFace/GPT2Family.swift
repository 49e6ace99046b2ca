import Core
import Safetensors
import Storage

/// `GPT2LMHeadModel`. Its linear weights are stored [in, out], query, key and value as one, as
/// `ModelConfiguration.inputMajorWeights` has them here.
public enum GPT2Family: ModelFamily {
  public static let name = "gpt2"
  public static let architecture = "GPT2LMHeadModel"
  public static let modelType = "gpt2"
  public static let pipeline = "text-generation"
  public static let autoClass = "AutoModelForCausalLM"
  public static let generates = true
  public static let preset = "gpt2"
  public static let usage = textGenerationUsage
  public static let classifier = ClassifierLayout(
    architecture: "GPT2ForSequenceClassification", form: .score, encoder: "transformer.",
    layers: [("score", "classifier", true, false)])

  public static func unsupported(_ model: ModelConfiguration) -> [String] {
    var needs = Requirements(model, head: .vocabulary, "a head over the vocabulary")
    needs.need(model.resolvedEmbeddingSize == model.hiddenSize, "embedding_size = hidden_size")
    needs.need(model.attentionMask == .causal, "attention_mask = causal")
    needs.need(model.norm == .layer, "norm = layer")
    needs.need(model.normPlacement == .pre, "norm_placement = pre")
    needs.need(model.positionEmbedding == .learned, "position_embedding = learned")
    needs.need(model.activation != .swiglu, "activation = gelu-tanh or gelu")
    needs.need(model.bias, "bias = true")
    needs.need(model.typeVocabSize == 0, "type_vocab_size = 0")
    needs.need(!model.headTransform, "head_transform = false")
    return needs.missing
  }

  public static func tensors(_ model: ModelConfiguration) -> [HuggingFaceTensor] {
    var list = TensorList(model)
    let (width, inner) = (model.hiddenSize, model.intermediateSize)
    list.add("transformer.wte.weight", "embedding.token", [model.vocabSize, width])
    list.add("transformer.wpe.weight", "embedding.position", [model.maxPosition, width])
    for i in 0..<model.numLayers {
      let (there, here) = ("transformer.h.\(i)", "block.\(i)")
      list.addNorm("\(there).ln_1", "\(here).norm1")
      list.addLinear("\(there).attn.c_attn", "\(here).attention.qkv", inputs: width, outputs: 3 * width)
      list.addLinear("\(there).attn.c_proj", "\(here).attention.out", inputs: width, outputs: width)
      list.addNorm("\(there).ln_2", "\(here).norm2")
      list.addLinear("\(there).mlp.c_fc", "\(here).feedForward.up", inputs: width, outputs: inner)
      list.addLinear("\(there).mlp.c_proj", "\(here).feedForward.down", inputs: inner, outputs: width)
    }
    list.addNorm("transformer.ln_f", "norm")
    if !model.tieWordEmbeddings { list.add("lm_head.weight", "head.weight", [model.vocabSize, width]) }
    return list.tensors
  }

  public static func settings(_ model: ModelConfiguration) -> [JSONValue.Member] {
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

  public static func read(_ s: HuggingFaceSettings) throws(CheckpointError) -> ModelConfiguration {
    try s.require(
      "scale_attn_weights", .bool(true), because: "attention is always scaled by the square root of the head's width")
    try s.require(
      "scale_attn_by_inverse_layer_idx", .bool(false), because: "attention is not scaled by the layer's index here")
    try s.require("reorder_and_upcast_attn", .bool(false), because: "attention is not reordered here")
    try s.require("add_cross_attention", .bool(false), because: "there is no cross-attention here")
    let width = try s.count("n_embd", "hidden_size", default: 768)
    return ModelConfiguration(
      attentionMask: .causal, vocabSize: try s.count("vocab_size"),
      maxPosition: try s.count("n_positions", "n_ctx", "max_position_embeddings"), hiddenSize: width,
      numLayers: try s.count("n_layer", "num_hidden_layers"), numHeads: try s.count("n_head", "num_attention_heads"),
      intermediateSize: try s.count("n_inner", default: 4 * width),
      normEps: try s.float("layer_norm_epsilon", default: 1e-5),
      activation: try s.activation("activation_function", default: "gelu_new"),
      tieWordEmbeddings: try s.flag("tie_word_embeddings", default: true),
      dropout: try s.float("resid_pdrop", default: 0.1),
      attentionDropout: try s.float("attn_pdrop", default: 0.1),
      initializerRange: try s.float("initializer_range", default: 0.02))
  }
}
