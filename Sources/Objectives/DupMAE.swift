import Core
import Layers
import Models
import Tensors

/// `dupmae`: `retromae`, and the ordinary tokens' outputs together have to give the passage's bag of words.
///
/// *Concretely:* L = L_enc + L_dec + bagWeight · L_bow with u = max over positions 1 … of the encoder's logits (padding
/// left out) and L_bow = Σ over samples of -Σ_{v in the passage} w_v · log softmax(u)_v, divided by the number of
/// samples that have words. The bag holds the passage's ordinary tokens; with n of them w_v is 1/n (`assigned`: the
/// weights of a passage that repeats words add up to less than 1) or the word's count / n (`accumulated`).
///
/// Reference: Xiao et al., "RetroMAE v2: duplex masked auto-encoder for pre-training retrieval-oriented language
/// models", 2022, arXiv 2211.08769.
public struct DupMAE: PassageObjective {
  public struct OwnOptions: ObjectiveOptions {
    /// How the decoder's queries are made of the [CLS] vector: raw or embedded.
    public var query = PassageBottleneck.Query.embedded
    /// λ of the bag of words.
    public var bagWeight = 0.1
    /// What a word that comes c times among n weighs: assigned (1/n) or accumulated (c/n).
    public var bagCounts = BagCounts.assigned

    public static let sentences = [
      "query": "How the decoder's queries are made of the vector of [CLS]: as it is, or with embeddings added.",
      "bag_weight": "Weight of the bag of words, 0 … 100.",
      "bag_counts": "What a word that comes c times among n weighs: assigned 1/n, accumulated c/n.",
    ]

    public init() {}
  }

  public typealias Options = CombinedOptions<PassageMaskOptions, OwnOptions>

  public enum BagCounts: String, Codable, Sendable, CaseIterable { case assigned, accumulated }

  public static let name = "dupmae"
  public static let summary = "retromae, and the bag of words of the passage from its ordinary tokens: for retrieval."
  public static let paper = "Xiao et al. 2022, RetroMAE v2: duplex masked auto-encoder, arXiv 2211.08769"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { options.shared.requirements }

  public let options: Options
  public let terms: [LossTerm]
  public let bottleneck: PassageBottleneck
  private let masks: PassageMasks

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    masks = try PassageMasks(options.shared, data.vocabulary, objective: Self.name)
    guard (0...100).contains(options.bagWeight) else {
      throw ConfigurationError("objective.bag_weight", is: options.bagWeight, rule: "it must lie in 0...100.")
    }
    terms = [LossTerm("encoder"), LossTerm("decoder"), LossTerm("bag", weight: options.bagWeight)]
    bottleneck = try PassageBottleneck(model, query: options.query, bag: true, objective: Self.name)
  }

  /// Weights that add up to less than one make less than log V of the bag.
  public func trivialLoss(term: Int) -> Double? {
    term == 2 && options.bagCounts == .assigned ? nil : naturalLogarithm(ofCount: encoder.configuration.vocabSize)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var example = masks.corrupt(clean, context)
    example.targets.append(bags(clean))
    return example
  }

  /// The distinct ordinary tokens of each sample at their first positions, in rising order of these.
  private func bags(_ clean: SampleBatch) -> TermTargets {
    var (rows, ids, weights, samples) = ([Int](), [Int32](), [Float](), 0.0)
    for sample in 0..<clean.count {
      // What position 0 stands for is [CLS]; the maximum runs over the others.
      let words = masks.tokens.eligible(clean, sample).filter { $0 > 0 }
      if !words.isEmpty { samples += 1 }
      var place: [Int32: Int] = [:]
      for i in words {
        let id = clean.tokens[sample * clean.stride + i]
        if let known = place[id] {
          if options.bagCounts == .accumulated { weights[known] += 1 }
        } else {
          place[id] = rows.count
          rows.append(sample * clean.length + i)
          ids.append(id)
          weights.append(1)
        }
      }
      for index in place.values { weights[index] /= Float(words.count) }
    }
    return TermTargets(rows: rows, ids: ids, weights: weights, count: samples)
  }
}
