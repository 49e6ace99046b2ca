import Core
import Objectives

/// Section `[model]`: what it says, else what `init.from` has, else the defaults of the architecture.
struct ModelSection {
  private(set) var model: ModelConfiguration
  /// Keys that were left out and have another value from `init.from` than they would have without it, as `key = value`.
  private(set) var taken: [String] = []
  private let initial: InitialModel?

  /// Every key of the section.
  static let keys = [
    "architecture", "max_position", "hidden_size", "num_layers", "num_heads", "intermediate_size", "norm",
    "norm_placement", "norm_eps", "initializer_range", "activation",
    "position_embedding", "rope_theta", "tie_word_embeddings", "bias", "type_vocab_size", "head_transform",
    "embedding_size", "cls_token", "dropout", "attention_dropout",
  ]

  init(_ requirements: ObjectiveRequirements, from initial: InitialModel?, _ reader: ConfigurationReader) {
    self.initial = initial
    let source = initial?.shape
    let architecture = reader.choice(
      "model.architecture",
      default: initial?.architecture.flatMap(Architecture.init(rawValue:)) ?? requirements.architecture,
      "gpt2, bert, llama or vit (for numbers), whose defaults the other keys then change; by default gpt2 for causal objectives, bert for bidirectional ones and vit for numbers."
    )
    let context = reader.integer(
      "model.max_position", default: source?.maxPosition ?? (requirements.input == .values ? 0 : 128),
      in: 0...1_048_576,
      "Positions of a sample, the longest text the model reads; 0 for as many as a record of a corpus of numbers has.")
    let width = reader.integer("model.hidden_size", default: source?.hiddenSize ?? 128, in: 1...65_536, "Hidden size.")
    let layers = reader.integer(
      "model.num_layers", default: source?.numLayers ?? 4, in: 1...1000, "Transformer blocks.")
    let heads = reader.integer(
      "model.num_heads", default: source?.numHeads ?? max(1, width / 32), in: 1...65_536,
      "Attention heads, which must divide hidden_size; by default hidden_size / 32.")
    var preset = architecture.model(maxPosition: context, hiddenSize: width, numLayers: layers, numHeads: heads)
    requirements.apply(to: &preset)
    model = preset
    if let source {
      model = source
      (model.vocabSize, model.inputSize, model.head) = (0, 0, requirements.head == .none ? .none : .vocabulary)
      (model.attentionMask, model.prediction) = (requirements.attentionMask, requirements.prediction)
      (model.maxPosition, model.hiddenSize, model.numLayers, model.numHeads) = (context, width, layers, heads)
    }
    switches(requirements, reader)
    if let initial { compare(with: initial, preset, reader) }
    // The data says how many positions there are.
    var checked = model
    if requirements.input == .values { checked.maxPosition = max(1, model.maxPosition) }
    for problem in checked.problems(prefix: "model") { reader.note(problem.key, problem.sentence) }
  }

  private mutating func switches(_ requirements: ObjectiveRequirements, _ reader: ConfigurationReader) {
    model.intermediateSize = reader.integer(
      "model.intermediate_size", default: model.intermediateSize, in: 1...1_048_576,
      "Inner size of the feed-forward layer; by default 4 times hidden_size, for llama 8/3 of it rounded up to a multiple of 32."
    )
    model.norm = reader.choice("model.norm", default: model.norm, "LayerNorm or RMSNorm.")
    model.normPlacement = reader.choice(
      "model.norm_placement", default: model.normPlacement,
      "Norms before each branch, as GPT-2 has them, or after it, as BERT has them.")
    model.normEps = Float(
      reader.number(
        "model.norm_eps", default: shortest(model.normEps), rule: "between 0 and 1", "Added to the variance in a norm.")
    )
    model.initializerRange = Float(
      reader.number(
        "model.initializer_range", default: shortest(model.initializerRange), rule: "above 0, at most 1",
        "Standard deviation of initial weights; 0.02 suits widths of some hundreds, about 1/√width suits small models.")
    )
    model.activation = reader.choice(
      "model.activation", default: model.activation, "Activation of the feed-forward layer: GPT-2's, BERT's or Llama's."
    )
    model.positionEmbedding = reader.choice(
      "model.position_embedding", default: model.positionEmbedding,
      "Position embedding: a learned table, a fixed one of sines and cosines, rotated queries and keys, or none.")
    model.ropeTheta = Float(
      reader.number(
        "model.rope_theta", default: shortest(model.ropeTheta), rule: "above 1", "Base of the rotary frequencies."))
    model.tieWordEmbeddings = reader.boolean(
      "model.tie_word_embeddings", default: model.tieWordEmbeddings, "The output projection is the token embedding.")
    model.bias = reader.boolean("model.bias", default: model.bias, "Linear layers and norms have biases.")
    model.typeVocabSize = reader.integer(
      "model.type_vocab_size", default: model.typeVocabSize, in: 0...16, "Rows of the token-type embedding; 0 for none."
    )
    model.headTransform = reader.boolean(
      "model.head_transform", default: model.headTransform,
      "BERT's masked-LM head: dense, activation and norm before the output projection.")
    model.embeddingSize = reader.integer(
      "model.embedding_size", default: model.embeddingSize, in: 0...65_536,
      "Width of the embedding tables, as ELECTRA has it; 0 for the hidden size.")
    clsToken(requirements, reader)
    model.dropout = Float(
      reader.number(
        "model.dropout", default: shortest(model.dropout), rule: "from 0, below 1",
        "Probability of zeroing an activation after the embedding and each branch."))
    let attention = initial == nil ? model.dropout : model.attentionDropout
    model.attentionDropout = Float(
      reader.number(
        "model.attention_dropout", default: shortest(attention), rule: "from 0, below 1",
        "Probability of zeroing an attention weight; by default that of model.dropout."))
  }

  /// [CLS] before the rows of numbers; of token inputs it is a token, and data.frame puts it there.
  private mutating func clsToken(_ requirements: ObjectiveRequirements, _ reader: ConfigurationReader) {
    let has = reader.boolean(
      "model.cls_token", default: model.leadingRows > 0,
      "Of a model that reads numbers: a learned row [CLS] stands before the rows of each sample.")
    if has, requirements.input == .tokens {
      return reader.note(
        "model.cls_token", "is true, but the objective reads tokens; data.frame puts [CLS] before them.")
    }
    // What is learned besides [CLS] is the objective's business.
    (model.leadingRows, model.learnedRows) = has ? (1, 1) : (0, 0)
  }

  /// A float as the double with its shortest decimals: 1e-5 stays 1e-05 in the resolved file.
  private func shortest(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }

  // MARK: - init.from

  /// Notes every key that is given and is not what the weights are of, and collects what was taken.
  private mutating func compare(with initial: InitialModel, _ preset: ModelConfiguration, _ reader: ConfigurationReader)
  {
    let source = initial.shape
    func refuse(_ key: String, _ value: some CustomStringConvertible, _ other: some CustomStringConvertible) {
      reader.note(
        "model.\(key)",
        "is \(value), but the model of init.from (\(initial.path)) has \(other); leave the key out, or set it to \(other)."
      )
    }
    func given(_ key: String) -> Bool { reader.find("model.\(key)") != nil }
    func check<Value: Equatable & CustomStringConvertible>(
      _ key: String, _ path: KeyPath<ModelConfiguration, Value>, fits: ((Value, Value) -> Bool)? = nil
    ) {
      let (wanted, has) = (model[keyPath: path], source[keyPath: path])
      if given(key), !(fits?(wanted, has) ?? (wanted == has)) { refuse(key, wanted, has) }
      if !given(key), has != preset[keyPath: path] || ["hidden_size", "num_layers", "num_heads"].contains(key) {
        taken.append("\(key) = \(has)")
      }
    }
    if given("architecture"), let own = initial.architecture,
      case .string(let named)? = reader.find("model.architecture"), named != own
    {
      refuse("architecture", named, own)
    }
    if source.attentionMask != model.attentionMask {
      let (own, other) = (model.attentionMask.rawValue, source.attentionMask.rawValue)
      reader.note(
        "objective.name",
        "needs a \(own) attention mask, and the model of init.from (\(initial.path)) was trained with a \(other) one; use an objective with a \(other) mask."
      )
    }
    if source.positionEmbedding == .learned, model.maxPosition > source.maxPosition {
      reader.note(
        "model.max_position",
        "is \(model.maxPosition), longer than the positions of init.from (\(source.maxPosition) in \(initial.path)); it must be at most \(source.maxPosition)."
      )
    }
    if !given("max_position") { taken.append("max_position = \(source.maxPosition)") }
    check("hidden_size", \.hiddenSize)
    check("num_layers", \.numLayers)
    check("num_heads", \.numHeads)
    check("intermediate_size", \.intermediateSize)
    check("norm", \.norm.rawValue)
    check("norm_placement", \.normPlacement.rawValue)
    check("norm_eps", \.normEps)
    check("initializer_range", \.initializerRange) { _, _ in true }
    check("activation", \.activation.rawValue)
    check("position_embedding", \.positionEmbedding.rawValue)
    if source.positionEmbedding == .rotary { check("rope_theta", \.ropeTheta) }
    check("tie_word_embeddings", \.tieWordEmbeddings)
    check("bias", \.bias)
    check("type_vocab_size", \.typeVocabSize) { $0 > 0 && $0 <= $1 || $0 == $1 }
    check("head_transform", \.headTransform)
    check("cls_token", \.leadingRows) { $0 == $1 }
    check("embedding_size", \.embeddingSize) { [width = model.hiddenSize] in
      ($0 == 0 ? width : $0) == ($1 == 0 ? width : $1)
    }
    // How a model is trained on need not be how it was trained.
    check("dropout", \.dropout) { _, _ in true }
    check("attention_dropout", \.attentionDropout) { _, _ in true }
  }
}
