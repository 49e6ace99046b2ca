/// The classes of the `transformers` library that compute exactly what a configuration describes.
public enum HuggingFaceClass: String, Codable, Sendable, CaseIterable {
  case gpt2
  case bert
  case llama

  /// The class in `architectures` of `config.json`.
  public var architecture: String {
    switch self {
    case .gpt2: "GPT2LMHeadModel"
    case .bert: "BertForMaskedLM"
    case .llama: "LlamaForCausalLM"
    }
  }

  /// `model_type` of `config.json`.
  public var modelType: String { rawValue }

  /// What the class is for, as the Hub names it.
  public var pipeline: String { self == .bert ? "fill-mask" : "text-generation" }
}

extension ModelConfiguration {
  /// Weights of linear layers are stored [in, out], as GPT-2's files have them, and not [out, in].
  ///
  /// Then a checkpoint is the parameters as they lie in memory, without a transposition.
  public var inputMajorWeights: Bool {
    visibility == .causal && norm == .layer && normPlacement == .pre && positions == .learned && activation != .swiglu
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

  /// The settings `candidate` would need and this configuration does not have.
  private func obstacles(to candidate: HuggingFaceClass) -> [String] {
    var missing: [String] = []
    func need(_ holds: Bool, _ setting: String) {
      if !holds { missing.append(setting) }
    }
    need(inputWidth == 0, "token inputs")
    switch candidate {
    case .gpt2:
      need(visibility == .causal, "visibility = causal")
      need(norm == .layer, "norm = layer")
      need(normPlacement == .pre, "normPlacement = pre")
      need(positions == .learned, "positions = learned")
      need(activation != .swiglu, "activation = gelu-tanh or gelu")
      need(bias, "bias = true")
      need(tokenTypes == 0, "tokenTypes = 0")
      need(!headTransform, "headTransform = false")
    case .bert:
      need(visibility == .bidirectional, "visibility = bidirectional")
      need(norm == .layer, "norm = layer")
      need(normPlacement == .post, "normPlacement = post")
      need(positions == .learned, "positions = learned")
      need(activation != .swiglu, "activation = gelu or gelu-tanh")
      need(bias, "bias = true")
      need(tokenTypes >= 1, "tokenTypes of at least 1")
      need(headTransform, "headTransform = true")
    case .llama:
      need(visibility == .causal, "visibility = causal")
      need(norm == .rms, "norm = rms")
      need(normPlacement == .pre, "normPlacement = pre")
      need(positions == .rotary, "positions = rotary")
      need(activation == .swiglu, "activation = swiglu")
      need(!bias, "bias = false")
      need(tokenTypes == 0, "tokenTypes = 0")
      need(!headTransform, "headTransform = false")
      need(dropout == 0, "dropout = 0")
    }
    return missing
  }
}
