import Core

/// The options that objectives with a generator share, and the generator's shape.
protocol GeneratorOptions: ObjectiveOptions {
  var maskRatio: Double { get }
  var generatorFraction: Double { get }
  var generatorHiddenSize: Int { get }
  var generatorNumHeads: Int { get }
  var generatorIntermediateSize: Int { get }
  var generatorNumLayers: Int { get }
  var temperature: Double { get }
  var generatorWeight: Double { get }
  var discriminatorWeight: Double { get }
}

extension GeneratorOptions {
  /// The generator for a main model: a fraction of its width, heads and feed-forward layer, or the sizes given.
  ///
  /// - Throws: `ConfigurationError` naming every option that breaks its rule.
  func generatorShape(_ model: ModelConfiguration, more: [ConfigurationError.Problem]) throws(ConfigurationError) -> ModelConfiguration {
    var problems = more
    func require(_ holds: Bool, _ key: String, _ value: some CustomStringConvertible, _ rule: String) {
      if !holds { problems.append(.init(key: "objective.\(key)", sentence: "is \(value); it must \(rule).")) }
    }
    require((0.01...0.9).contains(maskRatio), "mask_ratio", maskRatio, "lie in 0.01...0.9")
    require((0.01...1).contains(generatorFraction), "generator_fraction", generatorFraction, "lie in 0.01...1")
    require((0...65_536).contains(generatorHiddenSize), "generator_hidden_size", generatorHiddenSize, "lie in 0...65536")
    require((0...65_536).contains(generatorNumHeads), "generator_num_heads", generatorNumHeads, "lie in 0...65536")
    require((0...1_048_576).contains(generatorIntermediateSize), "generator_intermediate_size", generatorIntermediateSize, "lie in 0...1048576")
    require((0...1000).contains(generatorNumLayers), "generator_num_layers", generatorNumLayers, "lie in 0...1000")
    require((0.01...100).contains(temperature), "temperature", temperature, "lie in 0.01...100")
    require((0...10_000).contains(generatorWeight), "generator_weight", generatorWeight, "lie in 0...10000")
    require((0...10_000).contains(discriminatorWeight), "discriminator_weight", discriminatorWeight, "lie in 0...10000")
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let shape = sized(model)
    require(
      shape.hiddenSize % shape.numHeads == 0, "generator_hidden_size", shape.hiddenSize, "be a whole number of times objective.generator_num_heads = \(shape.numHeads)")
    if shape.positionEmbedding == .rotary, shape.hiddenSize % shape.numHeads == 0 {
      require(shape.headDim % 2 == 0, "generator_hidden_size", shape.hiddenSize, "be even for each of \(shape.numHeads) heads, as rotary positions need it")
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
    shape.hiddenSize = generatorHiddenSize > 0 ? generatorHiddenSize : step * max(1, Int((share(model.hiddenSize) / Double(step)).rounded()))
    shape.intermediateSize = generatorIntermediateSize > 0 ? generatorIntermediateSize : max(1, Int(share(model.intermediateSize).rounded()))
    shape.numLayers = generatorNumLayers > 0 ? generatorNumLayers : model.numLayers
    shape.embeddingSize = model.resolvedEmbeddingSize == shape.hiddenSize ? 0 : model.resolvedEmbeddingSize
    (shape.head, shape.tieWordEmbeddings, shape.headTransform) = (.vocabulary, true, true)
    return shape
  }
}

extension ModelConfiguration {
  /// This model with a head that detects replaced tokens. What the head does not have is as `ElectraForPreTraining` says it.
  var discriminator: ModelConfiguration {
    var shape = self
    (shape.head, shape.tieWordEmbeddings, shape.headTransform) = (.replaced, true, true)
    shape.embeddingSize = resolvedEmbeddingSize == hiddenSize ? 0 : resolvedEmbeddingSize
    return shape
  }
}
