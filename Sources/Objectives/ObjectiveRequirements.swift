import Core

/// What an objective needs under given options, computed from the options alone: no network is built for it.
public struct ObjectiveRequirements: Sendable, Equatable {
  /// What the main network reads.
  public enum Input: String, Codable, Sendable, CaseIterable { case tokens, values }

  /// What each row of the main network sees.
  public var attentionMask: ModelConfiguration.AttentionMask
  /// Which token a row of the main network's vocabulary head predicts.
  public var prediction: ModelConfiguration.Prediction
  /// What the main network reads.
  public var input: Input
  /// What the main network's head scores: which models the objective can evaluate.
  public var head: ModelConfiguration.Head
  /// How a corpus is cut into samples.
  public var samples: SampleForm
  /// Whether samples stand between [CLS] and [SEP] where the configuration leaves it open and the tokeniser has both.
  public var framesByDefault: Bool
  /// The value of `model.architecture` where the configuration names none.
  public var architecture: Architecture
  /// The only position embedding that the objective allows, which is then the default; nil for any.
  public var positionEmbedding: ModelConfiguration.PositionEmbedding?
  /// Tokens behind a sample's last position that targets may read. A sample's digest covers them, so they are a part of
  /// what a run accounts for.
  public var lookahead: Int
  /// How often a step reads each of its samples: once, unless the objective compares several views of one.
  public var repetition: SampleRepetition
  /// Whether corruption or schedules depend on the share of planned steps that is done, so that planning other steps
  /// changes them.
  public var followsProgress: Bool
  /// Which tokens of a text the main network's predictions link; nil where that is no matter of visible and hidden
  /// tokens.
  public var contextTargetPairs: ContextTargetPairs?

  /// Whether the objective can evaluate a model of this shape.
  public func fits(_ model: ModelConfiguration) -> Bool {
    // A head of numbers is the objective's own, which the encoder does without.
    let own = model.head == .values ? .none : model.head
    return attentionMask == model.attentionMask && prediction == model.prediction && head == own
      && (input == .values) == (model.inputSize > 0)
  }

  /// A model of the default architecture for this data.
  public func model(
    _ data: DataShape, hiddenSize: Int, numLayers: Int, numHeads: Int, maxPosition: Int, dropout: Float = 0
  ) -> ModelConfiguration {
    var model = architecture.model(
      maxPosition: maxPosition, hiddenSize: hiddenSize, numLayers: numLayers, numHeads: numHeads, dropout: dropout)
    apply(to: &model)
    data.fill(&model)
    return model
  }

  /// Sets what the objective decides about the main network.
  public func apply(to model: inout ModelConfiguration) {
    (model.attentionMask, model.prediction) = (attentionMask, prediction)
    if let positionEmbedding { model.positionEmbedding = positionEmbedding }
    // Of token inputs [CLS] is a token.
    if input == .tokens { (model.leadingRows, model.learnedRows) = (0, 0) }
    if head == .none { (model.head, model.headTransform, model.tieWordEmbeddings) = (.none, false, false) }
  }

  /// Of a decoder with a causal mask that predicts tokens.
  public static func causal(
    samples: SampleForm = .any, lookahead: Int = 1, repetition: SampleRepetition = .none, followsProgress: Bool = false,
    contextTargetPairs: ContextTargetPairs? = nil
  ) -> Self {
    Self(
      attentionMask: .causal, prediction: .next, input: .tokens, head: .vocabulary, samples: samples,
      framesByDefault: false, architecture: .gpt2,
      lookahead: lookahead, repetition: repetition, followsProgress: followsProgress,
      contextTargetPairs: contextTargetPairs)
  }

  /// Of an encoder without a mask that reads tokens.
  public static func bidirectional(
    head: ModelConfiguration.Head = .vocabulary, samples: SampleForm = .any, lookahead: Int = 1,
    repetition: SampleRepetition = .none,
    followsProgress: Bool = false, contextTargetPairs: ContextTargetPairs? = nil
  ) -> Self {
    Self(
      attentionMask: .bidirectional, prediction: .same, input: .tokens, head: head, samples: samples,
      framesByDefault: true, architecture: .bert,
      lookahead: lookahead, repetition: repetition, followsProgress: followsProgress,
      contextTargetPairs: contextTargetPairs)
  }

  /// Of an encoder that reads rows of numbers.
  public static func values(
    attentionMask: ModelConfiguration.AttentionMask = .bidirectional, repetition: SampleRepetition = .none,
    followsProgress: Bool = false
  ) -> Self {
    Self(
      attentionMask: attentionMask, prediction: attentionMask == .causal ? .next : .same, input: .values, head: .none,
      samples: .any,
      framesByDefault: false, architecture: .vit, lookahead: 0,
      repetition: repetition, followsProgress: followsProgress, contextTargetPairs: nil)
  }
}
