import Core
import Layers
import Models

/// The options of objectives whose main network is a discriminator beside a generator, and the generator's shape.
public struct GeneratorOptions: ObjectiveOptions {
  /// Share of eligible positions that are drawn.
  public var maskRatio = 0.15
  /// Width, heads and feed-forward size of the generator as a share of the main model's.
  public var generatorFraction = 0.25
  /// The same sizes, and the number of layers, by themselves; 0 for the share, and for as many layers.
  public var generatorHiddenSize = 0
  public var generatorNumHeads = 0
  public var generatorIntermediateSize = 0
  public var generatorNumLayers = 0
  /// Of the generator's softmax when it proposes.
  public var temperature = 1.0
  /// λ of the generator's term …
  public var generatorWeight = 1.0
  /// … and of the discriminator's.
  public var discriminatorWeight = 50.0
  /// Attention stays inside documents.
  public var documentMasking = false

  public static let sentences = [
    "mask_ratio": "Share of ordinary tokens that are drawn, 0.01 … 0.9.",
    "generator_fraction":
      "Width, heads and feed-forward size of the generator as a share of the main model's, 0.01 … 1.",
    "generator_hidden_size": "Width of the generator; 0 for the share.",
    "generator_num_heads": "Heads of the generator; 0 for the share.",
    "generator_intermediate_size": "Feed-forward size of the generator; 0 for the share.",
    "generator_num_layers": "Layers of the generator, 0 … 1000; 0 for as many as the main model has.",
    "temperature": "Of the generator's softmax when it proposes, 0.01 … 100.",
    "generator_weight": "Weight of the generator's loss, 0 … 10000.",
    "discriminator_weight": "Weight of the discriminator's loss, 0 … 10000.",
    "document_masking": "Attention stays inside documents.",
  ]

  public init() {}

  var terms: [LossTerm] {
    [LossTerm("generator", weight: generatorWeight), LossTerm("discriminator", weight: discriminatorWeight)]
  }

  /// The generator for a main model: a fraction of its width, heads and feed-forward layer, or the sizes given.
  ///
  /// - Throws: `ConfigurationError` naming every option that breaks its rule.
  func generatorShape(_ model: ModelConfiguration, more: [ConfigurationError.Problem]) throws(ConfigurationError)
    -> ModelConfiguration
  {
    var problems = more
    func require(_ holds: Bool, _ key: String, _ value: some CustomStringConvertible, _ rule: String) {
      if !holds { problems.append(.init(key: "objective.\(key)", sentence: "is \(value); it must \(rule).")) }
    }
    require((0.01...0.9).contains(maskRatio), "mask_ratio", maskRatio, "lie in 0.01...0.9")
    require((0.01...1).contains(generatorFraction), "generator_fraction", generatorFraction, "lie in 0.01...1")
    require(
      (0...65_536).contains(generatorHiddenSize), "generator_hidden_size", generatorHiddenSize, "lie in 0...65536")
    require((0...65_536).contains(generatorNumHeads), "generator_num_heads", generatorNumHeads, "lie in 0...65536")
    require(
      (0...1_048_576).contains(generatorIntermediateSize), "generator_intermediate_size", generatorIntermediateSize,
      "lie in 0...1048576")
    require((0...1000).contains(generatorNumLayers), "generator_num_layers", generatorNumLayers, "lie in 0...1000")
    require((0.01...100).contains(temperature), "temperature", temperature, "lie in 0.01...100")
    require((0...10_000).contains(generatorWeight), "generator_weight", generatorWeight, "lie in 0...10000")
    require((0...10_000).contains(discriminatorWeight), "discriminator_weight", discriminatorWeight, "lie in 0...10000")
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let shape = sized(model)
    require(
      shape.hiddenSize % shape.numHeads == 0, "generator_hidden_size", shape.hiddenSize,
      "be a whole number of times objective.generator_num_heads = \(shape.numHeads)")
    if shape.positionEmbedding == .rotary, shape.hiddenSize % shape.numHeads == 0 {
      require(
        shape.headDim % 2 == 0, "generator_hidden_size", shape.hiddenSize,
        "be even for each of \(shape.numHeads) heads, as rotary positions need it")
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    return shape
  }

  private func sized(_ model: ModelConfiguration) -> ModelConfiguration {
    func share(_ size: Int) -> Double { generatorFraction * Double(size) }
    var shape = model
    shape.numHeads = generatorNumHeads > 0 ? generatorNumHeads : max(1, Int(share(model.numHeads).rounded()))
    // By the fraction, heads are as wide as the width allows; rotary positions want them even.
    let step = shape.numHeads * (model.positionEmbedding == .rotary ? 2 : 1)
    shape.hiddenSize =
      generatorHiddenSize > 0
      ? generatorHiddenSize : step * max(1, Int((share(model.hiddenSize) / Double(step)).rounded()))
    shape.intermediateSize =
      generatorIntermediateSize > 0 ? generatorIntermediateSize : max(1, Int(share(model.intermediateSize).rounded()))
    shape.numLayers = generatorNumLayers > 0 ? generatorNumLayers : model.numLayers
    shape.embeddingSize = model.resolvedEmbeddingSize == shape.hiddenSize ? 0 : model.resolvedEmbeddingSize
    (shape.head, shape.tieWordEmbeddings, shape.headTransform) = (.vocabulary, true, true)
    return shape
  }
}

extension ModelConfiguration {
  /// This model with a head that detects replaced tokens. What the head does not have is as `ElectraForPreTraining`
  /// says it.
  var discriminator: ModelConfiguration {
    var shape = self
    (shape.head, shape.tieWordEmbeddings, shape.headTransform) = (.replaced, true, true)
    shape.embeddingSize = resolvedEmbeddingSize == hiddenSize ? 0 : resolvedEmbeddingSize
    return shape
  }
}

extension Transformer {
  /// The loss of the discriminator on what the generator proposed, with its gradients: it is the pass's second network
  /// and its second term.
  func replacedTokenLoss(
    _ input: SequenceInput, _ targets: ReplacedTokenHead.Targets, _ pass: ObjectivePass, scale: Float,
    _ w: Transformer.Workspace
  ) -> Double {
    guard let head = replacedHead, let saved = w.replacedHead else {
      preconditionFailure("a discriminator needs a head for replaced tokens")
    }
    let above = pass.trained(0, term: 1)
    pass.drawn?.input = input
    let states = forward(input, above, w)
    let loss = head.loss(states, targets, scale: scale, above, saved, gradient: beginGradient(input, above, w))
    if pass.sink != nil { backward(input, above, w) }
    return loss
  }
}
