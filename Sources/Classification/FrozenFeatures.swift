import Core
import Evaluation
import Tensors
import Tokenizers

/// Options of measures that read features off a frozen network.
public protocol FrozenFeatureOptions: MeasureOptions {
  /// cls, mean, last, or all.
  var features: String { get }
  /// Random weights in place of the model's: the accuracy of the architecture alone.
  var untrained: Bool { get }
}

extension FrozenFeatureOptions {
  static var frozen: [String: String] {
    [
      "features": "The features of a text: cls, mean, last, or all for each of the three.",
      "untrained": "Random weights in place of the model's: the accuracy of the architecture alone.",
    ]
  }

  public static var sentences: [String: String] { frozen }
}

extension CombinedOptions where Shared == LabelledTextOptions, Own: FrozenFeatureOptions {
  func checkFrozen(_ measure: String, _ more: [ConfigurationError.Problem] = []) throws(ConfigurationError) {
    let problems =
      shared.problems(measure) + TextFeature.problems(own.features, key: "measures.\(measure).features", several: true)
      + more
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
  }
}

/// Features of labelled text, a matrix each: training examples first, then those for testing.
struct FrozenFeatures {
  let features: [TextFeature]
  let examples: [DenseExamples]
  let notes: [String]

  init(_ features: [TextFeature], _ examples: [DenseExamples], notes: [String] = []) {
    (self.features, self.examples, self.notes) = (features, examples, notes)
  }

  /// Collective.
  init(_ data: LabelledText, _ options: some FrozenFeatureOptions, _ measure: String, _ context: MeasureContext) throws
  {
    let tokenizer = try TokenizerLoader.load(context.model.path)
    let texts = try EncodedTexts((data.train + data.test).map(\.text), tokenizer, context.model)
    features = try TextFeature.chosen(options.features, framed: texts.framed, measure: measure)
    examples = try context.features(
      features, texts, parameters: options.untrained ? context.model.untrained(seed: context.seed) : nil)
    notes =
      texts.notes(context: context.model.configuration.maxPosition)
      + (options.untrained ? ["The weights are random: this is the accuracy of the architecture alone."] : [])
      + (options.features == "all" && !texts.framed
        ? ["The model was trained on samples without [CLS], so there is no feature cls."] : [])
  }
}

extension EncodedTexts {
  func notes(context: Int) -> [String] {
    cut == 0 ? [] : ["\(cut) of \(tokens.count) texts were longer than the context of \(context) and cut."]
  }
}

extension MeasuredModel {
  /// First values of the same parameters.
  func untrained(seed: UInt64) -> ParameterStore {
    let store = ParameterStore(parameters.layout)
    store.initialize(seed: seed)
    return store
  }
}
