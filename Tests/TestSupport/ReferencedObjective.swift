import Core
import Glibc
import Layers
import Models
import Objectives
import Tensors

/// What `checkObjective` must know of an objective besides its protocol. Every objective in the registry conforms,
/// below.
public protocol ReferencedObjective: Objective {
  /// A small model that the objective can be checked on.
  static func checkModel() -> ModelConfiguration
  /// What the samples are.
  static func checkData(_ model: ModelConfiguration) -> DataShape
  /// Samples for `model`: a function of position alone.
  static func checkSource(_ model: ModelConfiguration) -> any SampleSource

  /// The unscaled loss sum of each term, as plain formulas.
  /// - Parameter auxiliaries: scopes of the auxiliary networks by name; no gradient flows through them.
  func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value]

  /// (sample, position) of every clean value that the main network must not see.
  func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)]

  /// Whether the main network reads a position that is not hidden; false where another network of the objective reads
  /// it instead, such as a second channel.
  func isRead(_ position: Int) -> Bool

  /// What the main network reads in place of its input's values, [rows without learned ones, input size]: made by
  /// trained layers in front of it. Nil where there are none.
  func encoderRows(_ input: SequenceInput, _ parameters: ParameterStore) -> [Float]?

  /// What a term is divided by; Σ w unless the objective says otherwise.
  func wantedCount(term: Int, _ targets: TermTargets, _ clean: SampleBatch) -> Double

  /// Rate of the plain gradient descent that overfits one batch.
  static var overfitRate: Float { get }

  /// Whether gradient descent on one batch must bring a term near its least loss: not where its targets move with the
  /// networks that are trained. True unless the objective says otherwise.
  func canOverfit(term: Int) -> Bool

  /// The loss that no predictor can go below on an example, as a mean over its targets: 0 where every target has one
  /// value.
  func leastLoss(_ example: TrainingExample) -> Double
}

extension ReferencedObjective {
  public static func checkModel() -> ModelConfiguration {
    var c =
      requirements(Options()).attentionMask == .causal
      ? ModelConfiguration.gpt2(
        vocabSize: ToyTokens.vocabulary.size, maxPosition: 11, hiddenSize: 6, numLayers: 2, numHeads: 3)
      : ModelConfiguration.bert(
        vocabSize: ToyTokens.vocabulary.size, maxPosition: 11, hiddenSize: 6, numLayers: 2, numHeads: 3)
    c.intermediateSize = 7
    return c
  }

  public static func checkData(_ model: ModelConfiguration) -> DataShape { DataShape(ToyTokens.vocabulary) }

  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource {
    ToyTokens(length: model.maxPosition)
  }

  public static var overfitRate: Float { 0.5 }

  /// Σ w; of numbers with weights of their own, the share of each row that has one.
  public func wantedCount(term: Int, _ targets: TermTargets, _ clean: SampleBatch) -> Double {
    guard !targets.elementWeights.isEmpty else { return targets.weights.reduce(0) { $0 + Double($1) } }
    let k = targets.elementWeights.count / targets.rows.count
    return targets.rows.indices.reduce(0) { sum, row in
      sum + Double(Float(targets.elementWeights[row * k..<(row + 1) * k].count { $0 > 0 }) / Float(k))
    }
  }

  public func isRead(_ position: Int) -> Bool { true }

  public func encoderRows(_ input: SequenceInput, _ parameters: ParameterStore) -> [Float]? { nil }

  public func leastLoss(_ example: TrainingExample) -> Double { 0 }

  public func canOverfit(term: Int) -> Bool { true }

  /// Positions shown as [MASK]; of numbers those that the first term predicts.
  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let input = example.inputs[0]
    guard !input.tokens.isEmpty else {
      return example.targets[0].rows.map { ($0 / input.length, $0 % input.length) }
    }
    return input.tokens.indices.filter { input.tokens[$0] == vocabulary.mask }.map {
      ($0 / input.length, $0 % input.length)
    }
  }
}

extension ReferencedObjective where Self: TokenObjective {
  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (c, targets) = (prediction.transformer.configuration, example.targets[0])
    let logits = scope.logits(
      "head", scope.hidden(example.inputs[0], c), rows: targets.rows, c, tied: "embedding.token")
    return [scope.crossEntropy(logits, targets: targets.ids, weights: targets.weights)]
  }
}

extension Autoregressive: ReferencedObjective {}
extension MaskedLanguageModel: ReferencedObjective {}
extension MaskEnhancedAutoregressive: ReferencedObjective {}

extension VariableLengthMasks: ReferencedObjective {
  /// The samples with targets, or the rows.
  public func wantedCount(term: Int, _ targets: TermTargets, _ clean: SampleBatch) -> Double {
    Double(
      options.lossNormalization == .perSample ? Set(targets.rows.map { $0 / clean.length }).count : targets.rows.count)
  }
}

extension FullyExploredMasks: ReferencedObjective {
  /// The sets with targets, or the rows.
  public func wantedCount(term: Int, _ targets: TermTargets, _ clean: SampleBatch) -> Double {
    Double(options.lossNormalization == .set ? Set(targets.rows.map { $0 / clean.length }).count : targets.rows.count)
  }
}

extension MaskedSetPrediction: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration {
    var c = MaskedLanguageModel.checkModel()
    c.positionEmbedding = .none
    // So few that one member of a set is hidden: several would be offsetConditioning apart by nothing, and could not be
    // overfitted.
    c.maxPosition = 6
    return c
  }
}

extension DiverseAutoregressive: ReferencedObjective {
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource {
    ToyTokens(length: model.maxPosition, lookahead: 4)
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (c, targets) = (encoder.configuration, example.targets[0])
    let hidden = scope.hidden(example.inputs[0], c)
    let losses = (1...options.offsets).map { offset -> Value in
      let mine = targets.rows.indices.filter { targets.offsets[$0] == offset }
      let predictions = logits(offset, hidden, rows: mine.map { targets.rows[$0] }, scope, c)
      return scope.crossEntropy(
        predictions, targets: mine.map { targets.ids[$0] }, weights: mine.map { targets.weights[$0] })
    }
    return [losses.dropFirst().reduce(losses[0]) { $0 + $1 }]
  }

  /// One prediction for all offsets can at best be their mixture: the mean entropy of the targets of a row.
  public func leastLoss(_ example: TrainingExample) -> Double {
    guard options.offsetConditioning == .none else { return 0 }
    let t = example.targets[0]
    let entropies = Dictionary(grouping: t.rows.indices) { t.rows[$0] }.values.map { indices -> Double in
      let total = indices.reduce(0) { $0 + Double(t.weights[$1]) }
      let shares = Dictionary(grouping: indices) { t.ids[$0] }.values.map {
        $0.reduce(0) { $0 + Double(t.weights[$1]) } / total
      }
      return -total * shares.reduce(0) { $0 + $1 * log($1) }
    }
    return entropies.reduce(0, +) / t.count
  }

  private func logits(_ offset: Int, _ hidden: Value, rows: [Int], _ scope: Scope, _ c: ModelConfiguration) -> Value {
    switch offset == 1 ? .none : options.offsetConditioning {
    case .none: return scope.logits("head", hidden, rows: rows, c, tied: "embedding.token")
    case .heads:
      return hidden.taking(rows: rows).times(
        scope.parameter("\(OffsetPrediction.headName(offset)).weight"), transposed: true)
    case .embedding:
      let (name, shape) = (OffsetPrediction.adapterName, OffsetPrediction.adapterShape(c))
      let moved = hidden.taking(rows: rows) + scope.parameter("\(name).embedding").taking(rows: [offset - 2])
      let normed = scope.norm("\(name).norm", moved, c.norm, epsilon: c.normEps)
      let transformed = scope.feedForward(name, normed, shape, inputMajor: false)
      return scope.logits("head", transformed, rows: Array(rows.indices), c, tied: "embedding.token")
    }
  }
}
