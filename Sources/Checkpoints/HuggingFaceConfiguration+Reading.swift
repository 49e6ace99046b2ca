import Core
import Foundation
import Storage

extension ModelConfiguration {
  /// Reads `config.json` of a Hugging Face folder: GPT-2, BERT, ELECTRA and Llama in the shapes this project computes exactly.
  ///
  /// - Throws: `CheckpointError` that names the setting, its value and what is supported.
  public init(huggingFace folder: String) throws(CheckpointError) {
    let path = folder + "/" + CheckpointFile.configuration
    guard Folders.isFile(path) else {
      throw CheckpointError("import", folder, "it has no config.json", remedy: "Give a folder that AutoModel.from_pretrained would accept.")
    }
    try self.init(huggingFaceJSON: Folders.read(path), path: path)
  }

  /// The same from the bytes of a `config.json`; `path` is for errors.
  public init(huggingFaceJSON bytes: [UInt8], path: String) throws(CheckpointError) {
    let document: JSONValue
    do { document = try JSONValue.parse(bytes) } catch { throw CheckpointError("import", path, "it is not valid JSON: \(error)") }
    let settings = HuggingFaceSettings(document: document, path: path)
    if let head = document["architectures"]?.array?.first?.string, head.hasSuffix("ForSequenceClassification") {
      throw CheckpointError(
        "import", path, "it is a classifier, \(head)", remedy: "transformers opens it; name the pretrained model it was made from here.")
    }
    switch document["model_type"]?.string {
    case "gpt2": self = try settings.gpt2()
    case "bert": self = try settings.bert()
    case "electra": self = try settings.electra()
    case "llama": self = try settings.llama()
    case "lockstep": self = try settings.lockstep()
    case let other:
      throw CheckpointError(
        "import", path, "model_type is \(other ?? "missing")", remedy: "gpt2, bert, electra and llama can be imported.")
    }
    try settings.check(self)
  }
}

/// The settings of a `config.json`, read strictly: a value that would change the arithmetic is refused.
private struct HuggingFaceSettings {
  let document: JSONValue
  let path: String

  func refuse(_ key: String, _ value: JSONValue?, _ rule: String) -> CheckpointError {
    CheckpointError("import", path, "\(key) is \(value?.compact ?? "missing"); \(rule)")
  }

  /// A number the model cannot do without.
  func count(_ keys: String..., default fallback: Int? = nil) throws(CheckpointError) -> Int {
    guard let key = keys.first(where: { present($0) != nil }) else {
      if let fallback { return fallback }
      throw refuse(keys[0], nil, "it must be a whole number")
    }
    guard let value = document[key]?.integer, (0...1 << 40).contains(value) else {
      throw refuse(key, document[key], "it must be a whole number")
    }
    return value
  }

  func float(_ key: String, default fallback: Float) throws(CheckpointError) -> Float {
    guard let value = present(key) else { return fallback }
    guard case .number(let text) = value, let number = Float(text) else { throw refuse(key, value, "it must be a number") }
    return number
  }

  func flag(_ key: String, default fallback: Bool) throws(CheckpointError) -> Bool {
    guard let value = present(key) else { return fallback }
    guard let flag = value.bool else { throw refuse(key, value, "it must be true or false") }
    return flag
  }

  /// The member, unless it is missing or null.
  func present(_ key: String) -> JSONValue? { document[key].flatMap { $0 == .null ? nil : $0 } }

  /// Refuses a key whose value is there and is not one of these.
  func require(_ key: String, _ allowed: JSONValue..., because rule: String) throws(CheckpointError) {
    guard let value = present(key), !allowed.contains(value) else { return }
    throw refuse(key, value, rule)
  }

  func activation(_ key: String, default fallback: String) throws(CheckpointError) -> ModelConfiguration.Activation {
    switch present(key)?.string ?? fallback {
    case "gelu": return .gelu
    case "gelu_new", "gelu_pytorch_tanh": return .geluTanh
    default: throw refuse(key, document[key], "gelu, gelu_new and gelu_pytorch_tanh are supported")
    }
  }

  /// The rules every shape obeys, told in the terms of this project.
  func check(_ model: ModelConfiguration) throws(CheckpointError) {
    guard let problem = model.problems(prefix: "model").first else { return }
    throw CheckpointError("import", path, "\(problem.key) \(problem.sentence)")
  }

  func gpt2() throws(CheckpointError) -> ModelConfiguration {
    try require("scale_attn_weights", .bool(true), because: "attention is always scaled by the square root of the head's width")
    try require("scale_attn_by_inverse_layer_idx", .bool(false), because: "attention is not scaled by the layer's index here")
    try require("reorder_and_upcast_attn", .bool(false), because: "attention is not reordered here")
    try require("add_cross_attention", .bool(false), because: "there is no cross-attention here")
    let width = try count("n_embd", "hidden_size", default: 768)
    return ModelConfiguration(
      attentionMask: .causal, vocabSize: try count("vocab_size"), maxPosition: try count("n_positions", "n_ctx", "max_position_embeddings"),
      hiddenSize: width, numLayers: try count("n_layer", "num_hidden_layers"), numHeads: try count("n_head", "num_attention_heads"),
      intermediateSize: try count("n_inner", default: 4 * width), normEps: try float("layer_norm_epsilon", default: 1e-5),
      activation: try activation("activation_function", default: "gelu_new"), tieWordEmbeddings: try flag("tie_word_embeddings", default: true),
      dropout: try float("resid_pdrop", default: 0.1), attentionDropout: try float("attn_pdrop", default: 0.1),
      initializerRange: try float("initializer_range", default: 0.02))
  }

  func bert() throws(CheckpointError) -> ModelConfiguration {
    try require("position_embedding_type", .string("absolute"), because: "only absolute positions are supported")
    try require("is_decoder", .bool(false), because: "only an encoder is supported")
    try require("add_cross_attention", .bool(false), because: "there is no cross-attention here")
    try require("embedding_size", document["hidden_size"] ?? .null, because: "it must equal hidden_size")
    return try encoder()
  }

  /// The discriminator, unless `architectures` says that it is the generator.
  func electra() throws(CheckpointError) -> ModelConfiguration {
    try require("position_embedding_type", .string("absolute"), because: "only absolute positions are supported")
    try require("is_decoder", .bool(false), because: "only an encoder is supported")
    try require("add_cross_attention", .bool(false), because: "there is no cross-attention here")
    var model = try encoder()
    let table = try count("embedding_size", default: 128)
    model.embeddingSize = table == model.hiddenSize ? 0 : table
    let classes = document["architectures"]?.array ?? []
    model.head = classes.contains(.string(HuggingFaceClass.electraGenerator.architecture)) ? .vocabulary : .replaced
    if model.head == .replaced { model.tieWordEmbeddings = true }
    return model
  }

  private func encoder() throws(CheckpointError) -> ModelConfiguration {
    ModelConfiguration(
      attentionMask: .bidirectional, vocabSize: try count("vocab_size"), maxPosition: try count("max_position_embeddings"),
      hiddenSize: try count("hidden_size"), numLayers: try count("num_hidden_layers"), numHeads: try count("num_attention_heads"),
      intermediateSize: try count("intermediate_size"), normPlacement: .post, normEps: try float("layer_norm_eps", default: 1e-12),
      activation: try activation("hidden_act", default: "gelu"), tieWordEmbeddings: try flag("tie_word_embeddings", default: true),
      typeVocabSize: try count("type_vocab_size", default: 2), headTransform: true,
      dropout: try float("hidden_dropout_prob", default: 0.1),
      attentionDropout: try float("attention_probs_dropout_prob", default: 0.1),
      initializerRange: try float("initializer_range", default: 0.02))
  }

  func llama() throws(CheckpointError) -> ModelConfiguration {
    let (width, heads) = (try count("hidden_size"), try count("num_attention_heads"))
    try require(
      "num_key_value_heads", .integer(heads),
      because: "grouped-query attention is not supported; it must equal num_attention_heads = \(heads)")
    try require("head_dim", .integer(heads > 0 ? width / heads : 0), because: "it must be hidden_size / num_attention_heads")
    try require("attention_bias", .bool(false), because: "Llama's linear layers have no biases here")
    try require("mlp_bias", .bool(false), because: "Llama's linear layers have no biases here")
    try require("hidden_act", .string("silu"), because: "only silu is supported")
    try require("partial_rotary_factor", .number("1.0"), .number("1"), because: "all of a head's width must be rotated")
    return ModelConfiguration(
      attentionMask: .causal, vocabSize: try count("vocab_size"), maxPosition: try count("max_position_embeddings", default: 2048),
      hiddenSize: width, numLayers: try count("num_hidden_layers"), numHeads: heads, intermediateSize: try count("intermediate_size"), norm: .rms,
      normEps: try float("rms_norm_eps", default: 1e-6), activation: .swiglu, positionEmbedding: .rotary, ropeTheta: try ropeTheta(),
      tieWordEmbeddings: try flag("tie_word_embeddings", default: false), bias: false,
      attentionDropout: try float("attention_dropout", default: 0), initializerRange: try float("initializer_range", default: 0.02))
  }

  /// The base stands at the top, or in `rope_parameters` in files of newer versions of the library.
  func ropeTheta() throws(CheckpointError) -> Float {
    for key in ["rope_scaling", "rope_parameters"] {
      guard let rope = present(key) else { continue }
      let kind = rope["rope_type"]?.string ?? rope["type"]?.string ?? "default"
      guard kind == "default" else { throw refuse(key, rope, "scaled rotary positions are not supported") }
    }
    guard let nested = present("rope_parameters"), nested["rope_theta"] != nil else { return try float("rope_theta", default: 10_000) }
    return try HuggingFaceSettings(document: nested, path: path).float("rope_theta", default: 10_000)
  }

  /// What `HuggingFaceConfiguration` writes where no class fits.
  func lockstep() throws(CheckpointError) -> ModelConfiguration {
    do {
      // What files of earlier versions do not say.
      let later: [JSONValue.Member] = [
        .init("embedding_size", .integer(0)), .init("head", .string(ModelConfiguration.Head.vocabulary.rawValue)),
        .init("initializer_range", .number("0.02")),
      ]
      let members = (document.members ?? []).filter { $0.name != "model_type" } + later.filter { document[$0.name] == nil }
      return try JSONDecoder.snakeCase().decode(ModelConfiguration.self, from: Data(JSONValue.object(members).compact.utf8))
    } catch {
      throw CheckpointError("import", path, "it does not describe a model: \(error)")
    }
  }
}
