import Core
import Data
import Glibc
import Layers
import Models
import Objectives

public func exponential(_ x: Double) -> Double { exp(x) }
public func naturalLogarithm(_ x: Double) -> Double { log(x) }

/// Options that all measures on windows of text share.
public struct WindowOptions: MeasureOptions {
  /// At most so many windows of context − 2 tokens, evenly spread over the split; 0 for all.
  public var windows = 64

  public init() {}

  func check(_ measure: String) throws(ConfigurationError) {
    guard windows >= 0 else {
      throw ConfigurationError("measures.\(measure).windows", is: windows, rule: "it must be 0 (all) or more.")
    }
  }
}

/// `left-to-right`: perplexity of the text read from left to right, for causal and masked models alike.
///
/// *Causal:* one pass; position i predicts token i + 1. *Masked:* token t is predicted with every position ≥ t masked,
/// the length of the input unchanged, chained from left to right: Σ_t −ln p(x_t | x_{<t}, masks). Both are
/// probabilities of the text given its first token, on the same windows, and can be compared.
/// - Complexity: one forward pass of a window for causal models, one for each token for masked ones.
public struct LeftToRightMeasure: Measure {
  public static let name = "left-to-right"
  public static let summary =
    "Perplexity from left to right, for causal and masked models alike: how well it generates."

  private let options: WindowOptions

  public init(_ options: WindowOptions) throws(ConfigurationError) {
    try options.check(Self.name)
    self.options = options
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    model.predictionUnsupportedReason(needsMask: model.configuration.prediction == .same)
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let causal = context.model.configuration.prediction == .next
    let mask = context.model.vocabulary.mask ?? 0
    let frame = try context.model.framing() == .clsSep ? 1 : 0
    return try context.measureWindows(Self.name, options.windows, name: "left_to_right") {
      Self.scoredInputs($0, $1, mask: causal ? nil : mask, end: $0.count - frame)
    }
  }

  /// - Parameter mask: nil for a causal model.
  ///   - end: where the text ends: before the closing frame.
  static func scoredInputs(_ tokens: [Int32], _ scored: [Int], mask: Int32?, end: Int) -> [(ScoredInput, Double)] {
    guard let mask else {
      return [(ScoredInput(tokens: tokens, rows: scored.map { $0 - 1 }, targets: scored.map { tokens[$0] }), 1)]
    }
    return scored.map { t in
      var shown = tokens
      // Whatever the future holds is hidden, separators as well; only the closing frame stands.
      for i in t..<end { shown[i] = mask }
      return (ScoredInput(tokens: shown, rows: [t], targets: [tokens[t]]), 1)
    }
  }
}

/// `any-order`: the bound that a masked model puts on the text's log-likelihood, averaged over all orders of
/// generation.
///
/// *Concretely:* n ~ U{1 … N} of the N scored positions of a window are masked at random; with ℓ the mean cross-entropy
/// over them, N · E[ℓ] ≥ −ln p(window). Given as e to the mean per token. `draws` masks for each window.
/// Reference: Uria et al., "A deep and tractable density estimator", 2014, arXiv 1310.1757.
public struct AnyOrderMeasure: Measure {
  public struct Options: MeasureOptions {
    public var windows = 64
    /// Masks drawn for each window.
    public var draws = 16

    public init() {}
  }

  public static let name = "any-order"
  public static let summary = "Upper bound on the perplexity of a masked model over all orders of generation."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    guard options.windows >= 0 else {
      throw ConfigurationError("measures.any-order.windows", is: options.windows, rule: "it must be 0 (all) or more.")
    }
    guard (1...100_000).contains(options.draws) else {
      throw ConfigurationError("measures.any-order.draws", is: options.draws, rule: "it must lie in 1...100000.")
    }
    self.options = options
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    model.predictionUnsupportedReason(needsMask: true)
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let (mask, seed, draws) = (context.model.vocabulary.mask ?? 0, context.seed, options.draws)
    return try context.measureWindows(Self.name, options.windows, name: "any_order") {
      Self.scoredInputs($0, $1, mask: mask, draws: draws, seed: seed)
    }
  }

  /// Draws are keyed by the window's text alone: the same for every model and window count.
  static func scoredInputs(_ tokens: [Int32], _ scored: [Int], mask: Int32, draws: Int, seed: UInt64) -> [(
    ScoredInput, Double
  )] {
    let generator = CounterGenerator(seed: seed, purpose: .evaluation)
    // FNV-1a over the ids.
    let key = tokens.reduce(UInt64(14_695_981_039_346_656_037)) {
      ($0 ^ UInt64(UInt32(bitPattern: $1))) &* 1_099_511_628_211
    }
    return (0..<draws).map { draw in
      let random = generator.at(position: key, site: UInt32(draw))
      let n = 1 + random.below(scored.count, 1 << 22)
      let hidden = randomSubset(scored, count: n, random)
      var shown = tokens
      for i in hidden { shown[i] = mask }
      // The window's sum is N times the mean over draws of the mean over hidden positions.
      return (
        ScoredInput(tokens: shown, rows: hidden, targets: hidden.map { tokens[$0] }),
        Double(scored.count) / Double(draws * n)
      )
    }
  }
}

/// `pseudo-perplexity`: each token predicted from all others. No probability of the text: it prefers models that only
/// ever saw few masks. Reference: Salazar et al., "Masked language model scoring", 2020, arXiv 1910.14659.
public struct PseudoPerplexityMeasure: Measure {
  public static let name = "pseudo-perplexity"
  public static let summary = "Each token predicted from all others; no probability of the text."

  private let options: WindowOptions

  public init(_ options: WindowOptions) throws(ConfigurationError) {
    try options.check(Self.name)
    self.options = options
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? {
    model.predictionUnsupportedReason(needsMask: true)
  }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let mask = context.model.vocabulary.mask ?? 0
    var result = try context.measureWindows(Self.name, options.windows, name: "pseudo") { tokens, scored in
      scored.map { i in
        var shown = tokens
        shown[i] = mask
        return (ScoredInput(tokens: shown, rows: [i], targets: [tokens[i]]), 1)
      }
    }
    result.values.removeAll { $0.name.hasSuffix(".bits_per_byte") }
    for i in result.values.indices { (result.values[i].better, result.values[i].restates) = (.neither, nil) }
    result.notes.append(
      "Pseudo-perplexity is not a probability of the text and may rank models the other way round; compare left-to-right or any-order."
    )
    return result
  }
}

extension MeasuredModel {
  /// What stands in the way of asking for tokens.
  func predictionUnsupportedReason(needsMask: Bool) -> String? {
    if encoder.head == nil { return "has no vocabulary head" }
    if needsMask, configuration.prediction == .next { return "is causal, and masks mean nothing to it" }
    if needsMask, vocabulary.mask == nil { return "has a tokeniser without [MASK]" }
    return nil
  }
}

extension MeasureContext {
  /// Perplexity over windows of text: each window is read in some ways, and its sum is Σ weight · Σ −ln p.
  func measureWindows(
    _ measure: String, _ count: Int, name: String,
    _ scoredInputs: @escaping @Sendable ([Int32], [Int]) -> [(ScoredInput, Double)]
  ) throws -> MeasureResult {
    try measureText(try TextWindows(self, count: count, measure: measure), name: name, scoredInputs)
  }

  func measureText(
    _ windows: TextWindows, name: String,
    _ scoredInputs: @escaping @Sendable ([Int32], [Int]) -> [(ScoredInput, Double)]
  ) throws -> MeasureResult {
    guard let reader = TokenReader(model, microBatch: microBatch) else {
      preconditionFailure("\(name) needs a vocabulary head")
    }
    let bytes = try corpus.flatMap { $0.manifest.shards(split).textBytes > 0 ? try TextBytes($0, split) : nil }
    let sums = try rows(windows.windows.count, columns: 3, workspace: reader.makeWorkspace) { index, workspace in
      let tokens = windows.framed(index)
      let scored = windows.scoredPositions(tokens)
      guard !scored.isEmpty else { return [0, 0, 0] }
      let planned = scoredInputs(tokens, scored)
      let losses = reader.negativeLogLikelihoods(planned.map(\.0), workspace)
      let sum = zip(planned, losses).reduce(0) { $0 + $1.0.1 * $1.1.reduce(0, +) }
      return [sum, Double(scored.count), bytes?.count(scored.map { tokens[$0] }) ?? 0]
    }
    let items = MeasuredValue.Items(sums: sums.map { $0[0] }, counts: sums.map { $0[1] })
    let (total, targets) = (items.sums.reduce(0, +), items.counts.reduce(0, +))
    guard targets > 0 else {
      throw DataError(
        corpus?.folder ?? "the corpus", "has no window of two ordinary tokens in its \(split.rawValue) split.")
    }
    let loss = total / targets
    var values = [
      MeasuredValue("\(name).perplexity", exponential(loss), unit: "per token", better: .lower, least: 1),
      MeasuredValue(
        "\(name).loss", loss, unit: "nats per token", standardError: ratioError(items), least: 0, items: items),
      MeasuredValue("\(name).tokens", targets),
    ]
    let bits = MeasuredValue.Items(sums: items.sums.map { $0 / naturalLogarithm(2) }, counts: sums.map { $0[2] })
    let textBytes = bits.counts.reduce(0, +)
    if textBytes > 0 {
      for i in 0..<2 { values[i].restates = "\(name).bits_per_byte" }
      values.append(
        MeasuredValue(
          "\(name).bits_per_byte", total / naturalLogarithm(2) / textBytes, unit: "bits per byte", better: .lower,
          standardError: ratioError(bits), least: 0, items: bits))
    }
    return MeasureResult(values)
  }
}

/// Standard error of Σ sums / Σ counts over items, by linearisation: √(Σ (sᵢ − r·cᵢ)² · n/(n−1)) / Σ c.
public func ratioError(_ items: MeasuredValue.Items) -> Double? {
  let n = Double(items.sums.count)
  let total = items.counts.reduce(0, +)
  guard n > 1, total > 0 else { return nil }
  let ratio = items.sums.reduce(0, +) / total
  let squares = zip(items.sums, items.counts).reduce(0) { $0 + ($1.0 - ratio * $1.1) * ($1.0 - ratio * $1.1) }
  return (squares * n / (n - 1)).squareRoot() / total
}

extension WindowOptions {
  public static var sentences: [String: String] {
    ["windows": "At most so many windows of context − 2 tokens, evenly spread over the split; 0 for all."]
  }
}

extension AnyOrderMeasure.Options {
  public static var sentences: [String: String] {
    WindowOptions.sentences.merging(["draws": "Masks drawn for each window, 1 … 100000."]) { $1 }
  }
}
