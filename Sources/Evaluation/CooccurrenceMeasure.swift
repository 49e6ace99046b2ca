import Collectives
import Core
import Data
import Objectives

/// `cooccurrence`: the spectrum of the context–target co-occurrence matrix of the objective that trained a model.
///
/// *Concretely:* pairs of a condition and a target are drawn from the split by the objective's `ContextTargetPairs`,
/// and A = P(c,t) / √(P(c)·P(t)) is described by its components, its leading singular values σ (σ₁ = 1), Σσ² and tails.
/// The weights of the model play no part. See `CooccurrenceReport` and docs/small-worlds.md.
/// - Complexity: pairs / ranks draws, and rank · distinct pairs for each step of the singular values.
public struct CooccurrenceMeasure: Measure {
  public struct Options: MeasureOptions {
    /// Tokens of a window, all of one document.
    public var window = 16
    /// Tokens of a condition: the last so many of a prefix, or so many visible ones on either side of a hidden token.
    public var neighbours = 1
    /// The most frequent tokens, which alone are targets.
    public var vocabulary = 256
    /// Pairs drawn: finite sampling alone makes components and singular values, so compare equal numbers only.
    public var pairs = 200_000
    /// Whether conditions and targets know their place in the window, as a network with positions does.
    public var positionAware = true
    /// Leading singular values.
    public var rank = 32
    /// Of a split with more tokens, whole documents evenly spread over it are read.
    public var maxTokens = 10_000_000

    public init() {}
  }

  public static let name = "cooccurrence"
  public static let summary =
    "Context–target co-occurrence under the objective: components, spectrum and collision rate; independent of the weights."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    self.options = options
    var problems: [ConfigurationError.Problem] = []
    // Any scheme has these rules; what an objective adds is checked when it is known.
    do throws(ConfigurationError) { try pairOptions(seed: 1).validate(.ahead(offsets: 1)) } catch {
      problems += error.problems.map { .init(key: "measures.\(Self.name).\($0.key)", sentence: $0.sentence) }
    }
    if options.maxTokens < 1 {
      problems.append(
        .init(key: "measures.\(Self.name).max_tokens", sentence: "is \(options.maxTokens); it must be at least 1."))
    }
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    contextTargetPairs(model) == nil
      ? "was trained by \(model.objective.name), which with its options defines no distribution of context–target pairs"
      : nil
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    guard let contextTargetPairs = contextTargetPairs(context.model) else {
      preconditionFailure("unsupportedReason refuses this model")
    }
    let documents = try Self.documents(try context.requireCorpus(Self.name), context.split, most: options.maxTokens)
    let report = try CooccurrenceReport.measure(
      documents, try scheme(contextTargetPairs), pairOptions(seed: context.seed), over: context.communicator)
    let tail = report.tails.last ?? 0
    var result = MeasureResult([
      MeasuredValue("cooccurrence.components", Double(report.components)),
      MeasuredValue("cooccurrence.sigma2", report.singularValues.dropFirst().first ?? 0),
      MeasuredValue("cooccurrence.squared_sum", report.squaredSum),
      MeasuredValue("cooccurrence.tail", tail, unit: "Σσ² behind \(report.singularValues.count)"),
      MeasuredValue("cooccurrence.collision_rate", report.collisionRate),
      MeasuredValue("cooccurrence.conditions", Double(report.conditions)),
    ])
    result.tables["spectrum.cooccurrence"] = MeasuredTable(
      ["i", "singular_value", "tail"],
      report.singularValues.indices.map { [Double($0 + 1), report.singularValues[$0], report.tails[$0 + 1]] })
    result.notes.append(
      "cooccurrence describes the objective on this text, not what was trained: equal for all seeds. Finite sampling adds to Σσ² and to components; compare equal numbers of pairs, and schemes with about as many conditions, only."
    )
    return result
  }

  // MARK: - Parts

  private func contextTargetPairs(_ model: MeasuredModel) -> ContextTargetPairs? {
    ObjectiveRegistry.entry(named: model.objective.name)?.requirements(model.objective.options).contextTargetPairs
  }

  private func pairOptions(seed: UInt64) -> PairOptions {
    var pairs = PairOptions()
    (pairs.window, pairs.neighbours, pairs.vocabulary) = (options.window, options.neighbours, options.vocabulary)
    (pairs.pairs, pairs.positionAware, pairs.rank, pairs.seed) = (
      options.pairs, options.positionAware, options.rank, seed
    )
    return pairs
  }

  /// A share of a window is a number of its tokens: at least one, and at least one stays visible.
  public func scheme(_ contextTargetPairs: ContextTargetPairs) throws(ConfigurationError) -> PairScheme {
    func count(_ share: Double) -> Int {
      min(max(Int((share * Double(options.window)).rounded()), 1), options.window - 1)
    }
    switch contextTargetPairs {
    case .ahead(let offsets, let distribution):
      guard offsets < options.window else {
        throw ConfigurationError(
          "measures.\(Self.name).window", is: options.window,
          rule: "for an objective that looks \(offsets) tokens ahead it must be larger.")
      }
      return .ahead(offsets: offsets, distribution: distribution)
    case .masked(let share):
      let (lowest, highest) = (count(share.lowerBound), count(share.upperBound))
      return lowest == highest ? .masked(hidden: lowest) : .maskedEvenly(lowest: lowest, highest: highest)
    }
  }

  /// The split's documents without their ends, or every so manieth of them where the split is larger than `most`
  /// tokens.
  static func documents(_ corpus: Corpus, _ split: CorpusSplit, most: Int) throws -> [[Int32]] {
    let shards = try corpus.shards(split)
    let tokens = shards.reduce(0) { $0 + $1.tokenCount }
    let step = max((tokens + most - 1) / most, 1)
    let special = Set(corpus.vocabulary.special)
    var (documents, index) = ([[Int32]](), 0)
    for shard in shards {
      for document in 0..<shard.documentCount {
        if index % step == 0 { documents.append(shard.document(document).filter { !special.contains($0) }) }
        index += 1
      }
    }
    return documents
  }
}

extension CooccurrenceMeasure.Options {
  public static var sentences: [String: String] {
    [
      "window": "Tokens of a window, all of one document.",
      "neighbours":
        "Tokens of a condition: the last so many of a prefix, or so many visible ones on either side of a hidden token.",
      "vocabulary": "The most frequent tokens, which alone are targets.",
      "pairs": "Pairs drawn; compare equal numbers only.",
      "position_aware": "Conditions and targets know their place in the window, as a network with positions does.",
      "rank": "Leading singular values.",
      "max_tokens": "Of a split with more tokens, whole documents evenly spread over it are read.",
    ]
  }
}
