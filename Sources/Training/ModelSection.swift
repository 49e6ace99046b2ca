import Core

/// Section `[model]`: what it says, else what `init.from` has, else the defaults of the architecture.
struct ModelSection {
  private(set) var model: ModelConfiguration
  /// Keys that were left out and have another value from `init.from` than they would have without it, as `key = value`.
  private(set) var taken: [String] = []
  private let initial: InitialModel?

  /// Every key of the section.
  static let keys = [
    "architecture", "context", "width", "layers", "heads", "feedForward", "norm", "normPlacement", "normEpsilon", "initializerRange", "activation",
    "positions", "rotaryBase", "tiedHead", "bias", "tokenTypes", "headTransform", "embeddingWidth", "dropout", "attentionDropout",
  ]

  init(_ visibility: ModelConfiguration.Visibility, from initial: InitialModel?, _ reader: ConfigurationReader) {
    self.initial = initial
    let source = initial?.shape
    let usual = visibility == .causal ? "gpt2" : "bert"
    let architecture = reader.string(
      "model.architecture", default: initial?.architecture ?? usual,
      "gpt2, bert or llama, whose defaults the other keys then change; by default gpt2 for causal objectives and bert for bidirectional ones.")
    let context = reader.integer("model.context", default: source?.context ?? 128, in: 1...1_048_576, "Positions of a sample, the longest text the model reads.")
    let width = reader.integer("model.width", default: source?.width ?? 128, in: 1...65_536, "Hidden size.")
    let layers = reader.integer("model.layers", default: source?.layers ?? 4, in: 1...1000, "Transformer blocks.")
    let heads = reader.integer(
      "model.heads", default: source?.heads ?? max(1, width / 32), in: 1...65_536, "Attention heads, which must divide the width; by default width / 32.")
    var preset: ModelConfiguration
    switch architecture {
    case "gpt2": preset = .gpt2(vocabulary: 0, context: context, width: width, layers: layers, heads: heads)
    case "bert": preset = .bert(vocabulary: 0, context: context, width: width, layers: layers, heads: heads)
    case "llama":
      // 8/3 of the width, rounded to whole vectors: three matrices then cost what GPT-2's two do.
      let inner = (width * 8 / 3 + 31) / 32 * 32
      preset = .llama(vocabulary: 0, context: context, width: width, layers: layers, heads: heads, feedForward: inner)
    default:
      reader.note("model.architecture", "is \"\(architecture)\"; it must be one of gpt2, bert, llama, whose settings the other keys then change.")
      preset = .gpt2(vocabulary: 0, context: context, width: width, layers: layers, heads: heads)
    }
    preset.visibility = visibility
    model = preset
    if let source {
      model = source
      (model.vocabulary, model.inputWidth, model.head, model.visibility) = (0, 0, .vocabulary, visibility)
      (model.context, model.width, model.layers, model.heads) = (context, width, layers, heads)
    }
    switches(reader)
    if let initial { compare(with: initial, preset, reader) }
    for problem in model.problems(prefix: "model") { reader.note(problem.key, problem.sentence) }
  }

  private mutating func switches(_ reader: ConfigurationReader) {
    model.feedForward = reader.integer(
      "model.feedForward", default: model.feedForward, in: 1...1_048_576,
      "Inner size of the feed-forward layer; by default 4 times the width, for llama 8/3 of it rounded up to a multiple of 32.")
    model.norm = reader.choice("model.norm", default: model.norm, "LayerNorm or RMSNorm.")
    model.normPlacement = reader.choice("model.normPlacement", default: model.normPlacement, "Norms before each branch, as GPT-2 has them, or after it, as BERT has them.")
    model.normEpsilon = Float(
      reader.number("model.normEpsilon", default: shortest(model.normEpsilon), rule: "between 0 and 1", "Added to the variance in a norm."))
    model.initializerRange = Float(
      reader.number(
        "model.initializerRange", default: shortest(model.initializerRange), rule: "above 0, at most 1",
        "Standard deviation of initial weights; 0.02 suits widths of some hundreds, about 1/√width suits small models."))
    model.activation = reader.choice("model.activation", default: model.activation, "Activation of the feed-forward layer: GPT-2's, BERT's or Llama's.")
    model.positions = reader.choice("model.positions", default: model.positions, "How positions are told: a learned table, rotated queries and keys, or not at all.")
    model.rotaryBase = Float(reader.number("model.rotaryBase", default: shortest(model.rotaryBase), rule: "above 1", "Base of the rotary frequencies."))
    model.tiedHead = reader.boolean("model.tiedHead", default: model.tiedHead, "The output projection is the token embedding.")
    model.bias = reader.boolean("model.bias", default: model.bias, "Linear layers and norms have biases.")
    model.tokenTypes = reader.integer("model.tokenTypes", default: model.tokenTypes, in: 0...16, "Rows of the token-type embedding; 0 for none.")
    model.headTransform = reader.boolean("model.headTransform", default: model.headTransform, "BERT's masked-LM head: dense, activation and norm before the output projection.")
    model.embeddingWidth = reader.integer(
      "model.embeddingWidth", default: model.embeddingWidth, in: 0...65_536, "Width of the embedding tables, as ELECTRA has it; 0 for the hidden size.")
    model.dropout = Float(
      reader.number(
        "model.dropout", default: shortest(model.dropout), rule: "from 0, below 1", "Probability of zeroing an activation after the embedding and each branch."))
    let attention = initial == nil ? model.dropout : model.attentionDropout
    model.attentionDropout = Float(
      reader.number(
        "model.attentionDropout", default: shortest(attention), rule: "from 0, below 1", "Probability of zeroing an attention weight; by default that of model.dropout."))
  }

  /// A float as the double with its shortest decimals: 1e-5 stays 1e-05 in the resolved file.
  private func shortest(_ value: Float) -> Double { Double("\(value)") ?? Double(value) }

  // MARK: - init.from

  /// Notes every key that is given and is not what the weights are of, and collects what was taken.
  private mutating func compare(with initial: InitialModel, _ preset: ModelConfiguration, _ reader: ConfigurationReader) {
    let source = initial.shape
    func refuse(_ key: String, _ value: some CustomStringConvertible, _ other: some CustomStringConvertible) {
      reader.note("model.\(key)", "is \(value), but the model of init.from (\(initial.path)) has \(other); leave the key out, or set it to \(other).")
    }
    func given(_ key: String) -> Bool { reader.find("model.\(key)") != nil }
    func check<Value: Equatable & CustomStringConvertible>(
      _ key: String, _ path: KeyPath<ModelConfiguration, Value>, fits: ((Value, Value) -> Bool)? = nil
    ) {
      let (wanted, has) = (model[keyPath: path], source[keyPath: path])
      if given(key), !(fits?(wanted, has) ?? (wanted == has)) { refuse(key, wanted, has) }
      if !given(key), has != preset[keyPath: path] || ["width", "layers", "heads"].contains(key) { taken.append("\(key) = \(has)") }
    }
    if given("architecture"), let own = initial.architecture, case .string(let named)? = reader.find("model.architecture"), named != own {
      refuse("architecture", named, own)
    }
    if source.visibility != model.visibility {
      let (looks, other) = model.visibility == .causal ? ("ahead", "around") : ("around", "ahead")
      reader.note("objective.name", "is an objective that looks \(looks), and the model of init.from (\(initial.path)) looks \(other); use one that looks \(other).")
    }
    if source.positions == .learned, model.context > source.context {
      reader.note(
        "model.context",
        "is \(model.context), longer than the positions of init.from (\(source.context) in \(initial.path)); it must be at most \(source.context).")
    }
    if !given("context") { taken.append("context = \(source.context)") }
    check("width", \.width)
    check("layers", \.layers)
    check("heads", \.heads)
    check("feedForward", \.feedForward)
    check("norm", \.norm.rawValue)
    check("normPlacement", \.normPlacement.rawValue)
    check("normEpsilon", \.normEpsilon)
    check("initializerRange", \.initializerRange) { _, _ in true }
    check("activation", \.activation.rawValue)
    check("positions", \.positions.rawValue)
    if source.positions == .rotary { check("rotaryBase", \.rotaryBase) }
    check("tiedHead", \.tiedHead)
    check("bias", \.bias)
    check("tokenTypes", \.tokenTypes) { $0 > 0 && $0 <= $1 || $0 == $1 }
    check("headTransform", \.headTransform)
    check("embeddingWidth", \.embeddingWidth) { [width = model.width] in ($0 == 0 ? width : $0) == ($1 == 0 ? width : $1) }
    // How a model is trained on need not be how it was trained.
    check("dropout", \.dropout) { _, _ in true }
    check("attentionDropout", \.attentionDropout) { _, _ in true }
  }
}
