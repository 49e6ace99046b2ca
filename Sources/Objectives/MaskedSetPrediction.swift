import Core
import Kernels
import Layers
import Tensors

/// `mpp`: masked prediction for sets of entities without order, after masked player prediction.
///
/// *Concretely:* a document is a set, one token an entity. Of its n eligible entities max(1, round(maskRatio · n)) are
/// chosen at random without replacement and shown as [MASK]; a bidirectional encoder without positions predicts their
/// ids. Loss = Σ w·CE / Σ w over the batch. With `roles` a document is pairs `role entity`: a row of the network is an
/// entity whose embedding has its role's added, and a hidden entity keeps its role.
///
/// Reference: "RisingBALLER: a player is a token, a match is a sentence", 2024, arXiv 2410.00943.
public struct MaskedSetPrediction: TokenObjective {
  public struct Options: ObjectiveOptions {
    /// Share of eligible entities that are hidden.
    public var maskRatio = 0.25
    /// How the share becomes a number: rounded to nearest, or floored; at least 1.
    public var maskCount = MaskCount.rounded
    /// Documents are pairs of a role, which is always shown, and an entity.
    public var roles = false

    public static let sentences = [
      "mask_ratio": "Share of members that are hidden, 0.01 … 0.9.",
      "mask_count": "How the share becomes a number, at least 1.",
      "roles": "Documents are pairs of a role, which is always shown, and a member.",
    ]

    public init() {}
  }

  public enum MaskCount: String, Codable, Sendable, CaseIterable { case rounded, floored }

  public static let name = "mpp"
  public static let summary = "Masked prediction of the members of sets without order, each with an optional role."
  public static let paper = "RisingBALLER: a player is a token, a match is a sentence, 2024, arXiv 2410.00943"

  public static func requirements(_ options: Options) -> ObjectiveRequirements {
    var requirements = ObjectiveRequirements.bidirectional(samples: .documents(unit: options.roles ? 2 : 1))
    // A set has no order.
    requirements.positionEmbedding = ModelConfiguration.PositionEmbedding.none
    return requirements
  }

  public let options: Options
  public let prediction: TokenPrediction
  private let tokens: MaskableTokens

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    guard (0.01...0.9).contains(options.maskRatio) else {
      throw ConfigurationError("objective.mask_ratio", is: options.maskRatio, rule: "it must lie in 0.01...0.9.")
    }
    guard model.positionEmbedding == .none else {
      throw ConfigurationError(
        "model.position_embedding",
        "is \(model.positionEmbedding.rawValue), but \(Self.name) reads sets, whose members have no order; set it to \"none\"."
      )
    }
    guard !options.roles || model.maxPosition >= 2 else {
      throw ConfigurationError(
        "model.max_position", is: model.maxPosition,
        rule: "with objective.roles it must be at least 2: a role and an entity.")
    }
    tokens = try MaskableTokens(data.vocabulary, objective: Self.name)
    prediction = TokenPrediction(model, roleIDs: options.roles)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedBatch(
      options.roles ? paired(clean) : clean.input(attentionMask: .bidirectional, documentMasking: false))
    // Where an entity stands in the sample: behind its role.
    let unit = options.roles ? 2 : 1
    for sample in 0..<clean.count {
      let eligible = tokens.eligible(clean, sample).filter { $0 % unit == unit - 1 }.map { $0 / unit }
      let hidden = randomSubset(eligible, count: count(of: eligible), context.random(clean.sampleIDs[sample]))
      masked.hide(hidden, of: sample) { _, _ in tokens.mask }
    }
    return masked.example()
  }

  private func count(of eligible: [Int]) -> Int {
    let share = options.maskRatio * Double(eligible.count)
    // 0.3 · 10 is a little below 3 in binary; what is meant is 3.
    return max(1, Int(options.maskCount == .rounded ? share.rounded() : (share + 1e-9).rounded(.down)))
  }

  /// Entities as rows of half the length, their roles as roleIDs.
  private func paired(_ clean: SampleBatch) -> SequenceInput {
    let length = clean.length / 2
    var (entities, roles, documentIDs) = ([Int32](), [Int32](), [Int32]())
    for sample in 0..<clean.count {
      for i in 0..<length {
        let place = sample * clean.stride + 2 * i
        roles.append(clean.tokens[place])
        entities.append(clean.tokens[place + 1])
        documentIDs.append(clean.documentIDs[place + 1])
      }
    }
    return SequenceInput(
      sampleIDs: clean.sampleIDs, length: length, tokens: entities,
      ranges: AttentionRanges(
        samples: clean.count, length: length, documentIDs: documentIDs, causal: false, documentMasking: false),
      roleIDs: roles)
  }
}
