import Core
import Evaluation
import Tensors
import Tokenizers

/// Options of measures that read features off a frozen network.
public protocol FrozenFeatureOptions: LabelOptions {
  /// cls, mean, last, or all.
  var features: String { get }
  /// Random weights in place of the model's: the accuracy of the architecture alone.
  var untrained: Bool { get }
}

extension FrozenFeatureOptions {
  static var frozen: [String: String] {
    labelSentences.merging([
      "features": "The features of an example: cls, mean, last, or all for each of the three.",
      "untrained": "Random weights in place of the model's: the accuracy of the architecture alone.",
    ]) { $1 }
  }

  public static var sentences: [String: String] { frozen }
}

extension CombinedOptions where Shared == LabelledTextOptions, Own: FrozenFeatureOptions {
  func checkFrozen(_ measure: String, _ more: [ConfigurationError.Problem] = []) throws(ConfigurationError) {
    let problems =
      labelProblems(measure) + Pooling.problems(own.features, key: "measures.\(measure).features", several: true)
      + more
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
  }
}

/// Features of labelled examples, a matrix each: training examples first, then those for testing.
struct FrozenFeatures {
  let features: [Pooling]
  let examples: [DenseExamples]
  let notes: [String]

  init(_ features: [Pooling], _ examples: [DenseExamples], notes: [String] = []) {
    (self.features, self.examples, self.notes) = (features, examples, notes)
  }

  /// What a reader must know of the options.
  static func notes(_ options: some FrozenFeatureOptions, framed: Bool) -> [String] {
    (options.untrained ? ["The weights are random: this is the accuracy of the architecture alone."] : [])
      + (options.features == "all" && !framed
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
