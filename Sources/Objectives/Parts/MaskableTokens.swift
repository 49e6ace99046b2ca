import Core

/// Which ids an objective may hide, what it hides them behind, and what it may show instead.
public struct MaskableTokens: Sendable {
  /// The id of [MASK].
  public let mask: Int32
  /// Ids that are neither special nor [MASK]: what a random replacement is drawn from.
  public let ordinary: [Int32]
  let isSpecial: [Bool]

  /// - Parameter objective: the objective's name, for the error.
  /// - Throws: `ConfigurationError` when the tokeniser has no [MASK], or special tokens only.
  public init(_ vocabulary: Vocabulary, objective: String) throws(ConfigurationError) {
    guard let mask = vocabulary.mask else {
      throw ConfigurationError("objective.name", "is \(objective), but the tokeniser has no [MASK]; add one when preparing the corpus.")
    }
    var special = [Bool](repeating: false, count: vocabulary.size)
    for id in vocabulary.special where id >= 0 && Int(id) < special.count { special[Int(id)] = true }
    self.mask = mask
    isSpecial = special
    ordinary = (0..<Int32(vocabulary.size)).filter { !special[Int($0)] }
    guard !ordinary.isEmpty else {
      throw ConfigurationError("objective.name", "is \(objective), but the tokeniser has special tokens only.")
    }
  }

  /// Positions of a sample that may be asked for, in rising order: real and not special.
  public func eligible(_ clean: SampleBatch, _ sample: Int) -> [Int] {
    let start = sample * clean.stride
    return (0..<clean.length).filter { clean.segments[start + $0] >= 0 && !isSpecial[Int(clean.tokens[start + $0])] }
  }
}

/// `count` of `positions` at random without replacement, in rising order: those with the smallest random keys.
///
/// A key is a random word (elements 0 ..< 2²⁰ of the generator, by position) above the position: ties cannot happen, and the
/// choice is a function of the sample alone.
public func randomSubset(_ positions: [Int], count: Int, _ random: CounterGenerator) -> [Int] {
  let keys = positions.map { UInt64(random.word($0)) << 32 | UInt64($0) }.sorted()
  return keys[..<min(count, keys.count)].map { Int($0 & 0xFFFF_FFFF) }.sorted()
}

/// What stands in the input for a token that is asked for: [MASK] with probability `maskShare`, a random ordinary token with
/// probability `randomShare`, otherwise the token itself. Reference: Devlin et al., "BERT", 2018, arXiv 1810.04805.
public struct Replacement: Sendable {
  public let maskShare: Double
  public let randomShare: Double

  public init(maskShare: Double = 1, randomShare: Double = 0) { (self.maskShare, self.randomShare) = (maskShare, randomShare) }

  /// Elements from 2²⁰ to 2²¹ + 2²⁰ of the generator are used, apart from those of `randomSubset`.
  public func callAsFunction(_ token: Int32, at i: Int, _ tokens: MaskableTokens, _ random: CounterGenerator) -> Int32 {
    let draw = Double(random.uniform(1 << 20 | i))
    if draw < maskShare { return tokens.mask }
    if draw < maskShare + randomShare { return tokens.ordinary[random.below(tokens.ordinary.count, 1 << 21 | i)] }
    return token
  }

  /// What is wrong with the shares, by option.
  static func problems(maskShare: Double, randomShare: Double) -> [ConfigurationError.Problem] {
    var problems: [ConfigurationError.Problem] = []
    func require(_ holds: Bool, _ key: String, _ sentence: String) {
      if !holds { problems.append(.init(key: "objective.\(key)", sentence: sentence)) }
    }
    require((0...1).contains(maskShare), "maskShare", "is \(maskShare); it must lie in 0...1.")
    require((0...1).contains(randomShare), "randomShare", "is \(randomShare); it must lie in 0...1.")
    let shares = maskShare + randomShare
    require(shares <= 1.000001, "randomShare", "and maskShare add up to \(shares); together they must not exceed 1.")
    return problems
  }
}
