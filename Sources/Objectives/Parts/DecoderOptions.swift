import Core

/// The light decoder of a masked autoencoder. A size of 0 follows the encoder.
public struct DecoderOptions: ObjectiveOptions {
  /// Transformer blocks of the decoder.
  public var decoderNumLayers = 1
  /// Its hidden size …
  public var decoderHiddenSize = 0
  /// … its attention heads …
  public var decoderNumHeads = 0
  /// … and the inner size of its feed-forward layers.
  public var decoderIntermediateSize = 0

  public static let sentences = [
    "decoder_num_layers": "Transformer blocks of the decoder, 1 … 100.",
    "decoder_hidden_size": "Hidden size of the decoder; 0 for half of model.hidden_size.",
    "decoder_num_heads": "Attention heads of the decoder; 0 for as many as fit the encoder's head size, at least one.",
    "decoder_intermediate_size": "Inner size of the decoder's feed-forward layers; 0 for 4 times its hidden size.",
  ]

  public init() {}

  /// The decoder's shape.
  /// - Throws: `ConfigurationError` under the options' keys.
  func shape(_ model: ModelConfiguration) throws(ConfigurationError) -> ModelConfiguration {
    var problems = OptionProblems()
    problems.require("decoder_num_layers", decoderNumLayers, in: 1...100)
    problems.require("decoder_hidden_size", decoderHiddenSize, in: 0...65_536)
    problems.require("decoder_num_heads", decoderNumHeads, in: 0...65_536)
    problems.require("decoder_intermediate_size", decoderIntermediateSize, in: 0...1_048_576)
    try problems.throwIfAny()
    var shape = model
    shape.numLayers = decoderNumLayers
    shape.hiddenSize = decoderHiddenSize > 0 ? decoderHiddenSize : max(1, model.hiddenSize / 2)
    shape.numHeads = decoderNumHeads > 0 ? decoderNumHeads : max(1, shape.hiddenSize / model.headDim)
    shape.intermediateSize = decoderIntermediateSize > 0 ? decoderIntermediateSize : 4 &* shape.hiddenSize
    shape.embeddingSize = 0
    let wrong = shape.problems(prefix: "objective.decoder").map { problem in
      ConfigurationError.Problem(
        key: problem.key.replacing("decoder.", with: "decoder_"),
        sentence: problem.sentence.replacing("model.", with: "objective.decoder_"))
    }
    guard wrong.isEmpty else { throw ConfigurationError(problems: wrong) }
    return shape
  }
}
