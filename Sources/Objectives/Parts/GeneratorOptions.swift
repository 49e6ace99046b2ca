import Core

/// The options that objectives with a generator share, and the generator's shape.
protocol GeneratorOptions: ObjectiveOptions {
  var maskRatio: Double { get }
  var generatorFraction: Double { get }
  var generatorWidth: Int { get }
  var generatorHeads: Int { get }
  var generatorFeedForward: Int { get }
  var generatorLayers: Int { get }
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
    require((0.01...0.9).contains(maskRatio), "maskRatio", maskRatio, "lie in 0.01...0.9")
    require((0.01...1).contains(generatorFraction), "generatorFraction", generatorFraction, "lie in 0.01...1")
    require((0...65_536).contains(generatorWidth), "generatorWidth", generatorWidth, "lie in 0...65536")
    require((0...65_536).contains(generatorHeads), "generatorHeads", generatorHeads, "lie in 0...65536")
    require((0...1_048_576).contains(generatorFeedForward), "generatorFeedForward", generatorFeedForward, "lie in 0...1048576")
    require((0...1000).contains(generatorLayers), "generatorLayers", generatorLayers, "lie in 0...1000")
    require((0.01...100).contains(temperature), "temperature", temperature, "lie in 0.01...100")
    require((0...10_000).contains(generatorWeight), "generatorWeight", generatorWeight, "lie in 0...10000")
    require((0...10_000).contains(discriminatorWeight), "discriminatorWeight", discriminatorWeight, "lie in 0...10000")
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let shape = sized(model)
    require(
      shape.width % shape.heads == 0, "generatorWidth", shape.width, "be a whole number of times objective.generatorHeads = \(shape.heads)")
    if shape.positions == .rotary, shape.width % shape.heads == 0 {
      require(shape.headWidth % 2 == 0, "generatorWidth", shape.width, "be even for each of \(shape.heads) heads, as rotary positions need it")
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    return shape
  }

  private func sized(_ model: ModelConfiguration) -> ModelConfiguration {
    func share(_ size: Int) -> Double { generatorFraction * Double(size) }
    var shape = model
    shape.heads = generatorHeads > 0 ? generatorHeads : max(1, Int(share(model.heads).rounded()))
    // By the fraction, heads are as wide as the width allows; rotary positions want them even.
    let step = shape.heads * (model.positions == .rotary ? 2 : 1)
    shape.width = generatorWidth > 0 ? generatorWidth : step * max(1, Int((share(model.width) / Double(step)).rounded()))
    shape.feedForward = generatorFeedForward > 0 ? generatorFeedForward : max(1, Int(share(model.feedForward).rounded()))
    shape.layers = generatorLayers > 0 ? generatorLayers : model.layers
    shape.embeddingWidth = model.tableWidth == shape.width ? 0 : model.tableWidth
    (shape.head, shape.tiedHead, shape.headTransform) = (.vocabulary, true, true)
    return shape
  }
}

extension ModelConfiguration {
  /// This model with a head that tells replaced tokens. What the head does not have is as `ElectraForPreTraining` says it.
  var discriminator: ModelConfiguration {
    var shape = self
    (shape.head, shape.tiedHead, shape.headTransform) = (.replaced, true, true)
    shape.embeddingWidth = tableWidth == width ? 0 : tableWidth
    return shape
  }
}
