import Core
import Kernels

/// Which ids an objective may hide, what it hides them behind, and what it may show instead.
public struct MaskableTokens: Sendable {
  /// The id of [MASK].
  public let mask: Int32
  /// Ids that are neither special nor [MASK]: what a random replacement is drawn from.
  public let ordinary: [Int32]
  let isSpecial: [Bool]
  private let edges: WordEdges?

  /// As the other initialiser, after the options were checked: all that is wrong comes in one error.
  init(_ vocabulary: Vocabulary, objective: String, after problems: OptionProblems) throws(ConfigurationError) {
    var problems = problems
    do throws(ConfigurationError) {
      self = try MaskableTokens(vocabulary, objective: objective)
    } catch {
      problems.add(error)
      throw ConfigurationError(problems: problems.list)
    }
    try problems.throwIfAny()
  }

  /// - Parameter objective: the objective's name, for the error.
  /// - Throws: `ConfigurationError` when the tokeniser has no [MASK], or special tokens only.
  public init(_ vocabulary: Vocabulary, objective: String) throws(ConfigurationError) {
    guard let mask = vocabulary.mask else {
      throw ConfigurationError(
        "objective.name",
        "is \(objective), but the tokeniser has no [MASK]; prepare the corpus again with --add-tokens, which adds one.")
    }
    var special = [Bool](repeating: false, count: vocabulary.size)
    for id in vocabulary.special where id >= 0 && Int(id) < special.count { special[Int(id)] = true }
    self.mask = mask
    edges = vocabulary.words
    isSpecial = special
    ordinary = (0..<Int32(vocabulary.size)).filter { !special[Int($0)] }
    guard !ordinary.isEmpty else {
      throw ConfigurationError("objective.name", "is \(objective), but the tokeniser has special tokens only.")
    }
  }

  /// Positions of a sample that may be targets, in rising order: real and not special.
  public func eligible(_ clean: SampleBatch, _ sample: Int) -> [Int] {
    (0..<clean.length).filter { isEligible(clean, sample * clean.stride + $0) }
  }

  /// Whether the token at an index of `clean.tokens` may be a target.
  public func isEligible(_ clean: SampleBatch, _ index: Int) -> Bool {
    clean.documentIDs[index] >= 0 && !isSpecial[Int(clean.tokens[index])]
  }

  /// The eligible positions of a sample as words of one document each, in rising order; what cannot be told apart
  /// without knowledge of words is one token long.
  public func words(_ clean: SampleBatch, _ sample: Int, _ eligible: [Int]) -> [Range<Int>] {
    let start = sample * clean.stride
    return eligible.reduce(into: []) { words, i in
      let at = start + i
      if let last = words.last, last.upperBound == i, clean.documentIDs[at - 1] == clean.documentIDs[at],
        edges?.joins(clean.tokens[at - 1], clean.tokens[at]) == true
      {
        words[words.count - 1] = last.lowerBound..<i + 1
      } else {
        words.append(i..<i + 1)
      }
    }
  }

  /// Whether the tokeniser has said where words begin.
  public var knowsWords: Bool { edges != nil }
}

/// `count` of `positions` at random without replacement, in rising order: those with the smallest random keys.
///
/// A key is a random word (elements 0 ..< 2²⁰ of the generator, by position) above the position: ties cannot happen,
/// and the choice is a function of the sample alone.
public func randomSubset(_ positions: [Int], count: Int, _ random: CounterGenerator) -> [Int] {
  let keys = positions.map { UInt64(random.word($0)) << 32 | UInt64($0) }.sorted()
  return keys[..<min(count, keys.count)].map { Int($0 & 0xFFFF_FFFF) }.sorted()
}

/// What stands in the input for a token that is a target: [MASK] with probability `maskReplaceProb`, a random ordinary
/// token with probability `randomReplaceProb`, otherwise the token itself. Reference: Devlin et al., "BERT", 2018,
/// arXiv 1810.04805.
public struct Replacement: Sendable {
  public let maskReplaceProb: Double
  public let randomReplaceProb: Double

  public init(maskReplaceProb: Double = 1, randomReplaceProb: Double = 0) {
    (self.maskReplaceProb, self.randomReplaceProb) = (maskReplaceProb, randomReplaceProb)
  }

  /// Elements from 2²⁰ to 2²¹ + 2²⁰ of the generator are used, apart from those of `randomSubset`.
  public func callAsFunction(_ token: Int32, at i: Int, _ tokens: MaskableTokens, _ random: CounterGenerator) -> Int32 {
    let draw = Double(random.uniform(1 << 20 | i))
    if draw < maskReplaceProb { return tokens.mask }
    if draw < maskReplaceProb + randomReplaceProb {
      return tokens.ordinary[random.below(tokens.ordinary.count, 1 << 21 | i)]
    }
    return token
  }

  /// Adds what is wrong with the shares, by option.
  static func check(maskReplaceProb: Double, randomReplaceProb: Double, _ problems: inout OptionProblems) {
    problems.require("mask_replace_prob", maskReplaceProb, in: 0...1)
    problems.require("random_replace_prob", randomReplaceProb, in: 0...1)
    let shares = maskReplaceProb + randomReplaceProb
    problems.require(
      shares <= 1.000001, "random_replace_prob",
      "and mask_replace_prob add up to \(shares); together they must not exceed 1.")
  }
}
