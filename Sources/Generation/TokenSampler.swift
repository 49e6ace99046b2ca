import Core
import Glibc
import Tensors

/// How the next token is chosen from logits.
public struct SamplingOptions: Sendable, Equatable {
  /// 0 is greedy: always the most likely token.
  public var temperature: Double
  /// Only the k most likely tokens; 0 for all.
  public var topK: Int
  /// Only the most likely tokens that together reach this probability; 1 for all.
  public var topP: Double
  public var seed: UInt64

  public init(temperature: Double = 1, topK: Int = 0, topP: Double = 1, seed: UInt64 = 1) throws(ConfigurationError) {
    func require(_ holds: Bool, _ key: String, _ value: some CustomStringConvertible, _ rule: String)
      throws(ConfigurationError)
    {
      if !holds { throw ConfigurationError(key, is: value, rule: rule) }
    }
    try require(
      temperature >= 0 && temperature.isFinite, "--temperature", temperature, "it must be 0 (greedy) or more.")
    try require(topK >= 0, "--top-k", topK, "it must be 0 (all tokens) or more.")
    try require(topP > 0 && topP <= 1, "--top-p", topP, "it must be above 0 and at most 1 (all tokens).")
    (self.temperature, self.topK, self.topP, self.seed) = (temperature, topK, topP, seed)
  }
}

/// Chooses tokens; the n-th choice is a function of the seed, n and the logits.
public struct TokenSampler: Sendable {
  let options: SamplingOptions
  private let random: CounterGenerator

  public init(_ options: SamplingOptions) {
    self.options = options
    random = CounterGenerator(seed: options.seed, purpose: .generation)
  }

  /// - Parameters:
  ///   - logits: one row.
  ///   - excluded: ids never chosen, such as padding.
  ///   - index: which choice this is.
  public func choose(_ logits: TensorView, excluding excluded: Set<Int32>, index: Int) -> Int32 {
    let ranked = Self.ranked(logits, excluding: excluded)
    guard options.temperature > 0, let best = ranked.first else { return ranked.first?.id ?? 0 }
    var kept = options.topK > 0 ? Array(ranked.prefix(options.topK)) : ranked
    var weights = kept.map { exp((Double($0.logit) - Double(best.logit)) / options.temperature) }
    let total = weights.reduce(0, +)
    if options.topP < 1 {
      var (sum, count) = (0.0, 0)
      while count < weights.count, sum < options.topP * total {
        sum += weights[count]
        count += 1
      }
      kept = Array(kept.prefix(max(count, 1)))
      weights = Array(weights.prefix(max(count, 1)))
    }
    var draw = random.uniformDouble(index) * weights.reduce(0, +)
    for (candidate, weight) in zip(kept, weights) {
      draw -= weight
      if draw < 0 { return candidate.id }
    }
    return kept[kept.count - 1].id
  }

  /// Ids by falling logit, smaller ids first among equals.
  static func ranked(_ logits: TensorView, excluding excluded: Set<Int32>) -> [(id: Int32, logit: Float)] {
    (0..<Int32(logits.columns)).filter { !excluded.contains($0) }.map { ($0, logits[0, Int($0)]) }
      .sorted { ($1.1, $0.0) < ($0.1, $1.0) }
  }
}
