import Core
import Tokenizers

/// Which tokens stand for keys, values and distractors; no token is in two of them.
struct RetrievalTokens: Sendable, Equatable {
  var keys: [Int32]
  var values: [Int32]
  var distractors: [Int32]

  /// Tokens of each kind that are taken from a vocabulary.
  static let most = 64

  init(keys: [Int32], values: [Int32], distractors: [Int32]) {
    (self.keys, self.values, self.distractors) = (keys, values, distractors)
  }

  /// A third each of `ids`, the commonest first, `most` at most, put in an order by the seed.
  init(partitioning ids: [Int32], seed: UInt64) {
    let random = CounterGenerator(seed: seed, purpose: .evaluation, site: 0x7265_7472)
    let share = min(Self.most, ids.count / 3)
    let order = ids.prefix(3 * share).sorted { (random.bits64(Int($0)), $0) < (random.bits64(Int($1)), $1) }
    keys = Array(order.prefix(share))
    values = Array(order.dropFirst(share).prefix(share))
    distractors = Array(order.dropFirst(2 * share))
  }

  /// Words separated by spaces, each of which must be one token.
  /// - Throws: `ConfigurationError` that names the option and the word.
  static func ids(_ words: String, option: String, _ tokenizer: any Tokenizer) throws(ConfigurationError) -> [Int32] {
    var ids: [Int32] = []
    for word in words.split(separator: " ") {
      let encoded = tokenizer.encode(String(word))
      guard encoded.count == 1 else {
        throw ConfigurationError(
          "measures.retrieval.\(option)",
          "has \"\(word)\", which is \(encoded.count) tokens of this model; each word must be one.")
      }
      if !ids.contains(encoded[0]) { ids.append(encoded[0]) }
    }
    return ids
  }

  /// - Throws: `ConfigurationError` naming the option that has too few tokens, or shares one with another.
  func check(pairs: Int, distractors most: Int) throws(ConfigurationError) {
    let kinds = [("keys", keys, pairs), ("values", values, pairs), ("distractor_words", distractors, most > 0 ? 1 : 0)]
    for (name, ids, needed) in kinds where ids.count < needed {
      throw ConfigurationError(
        "measures.retrieval.\(name)", "has \(ids.count) tokens; \(needed) are needed. Name more, or set fewer pairs.")
    }
    for (i, first) in kinds.enumerated() {
      for second in kinds[(i + 1)...] {
        guard let shared = first.1.first(where: { second.1.contains($0) }) else { continue }
        throw ConfigurationError(
          "measures.retrieval.\(first.0)", "shares the token with id \(shared) with measures.retrieval.\(second.0).")
      }
    }
  }
}

/// One query: pairs with distractors between them, then a key that has been seen.
///
/// *Concretely:* key value … key value …, distractors at random behind pairs, then one of the keys; its value comes
/// next.
struct RetrievalSequence: Sendable, Equatable {
  let tokens: [Int32]
  let target: Int32
  /// Values of all pairs, the target among them.
  let offered: [Int32]
  /// Tokens from the target to the position where it is predicted.
  let distance: Int

  init(_ pool: RetrievalTokens, pairs: Int, distractors: Int, _ random: CounterGenerator) {
    let keys = Self.choose(pairs, of: pool.keys, random, from: 0)
    let values = Self.choose(pairs, of: pool.values, random, from: 1 << 20)
    var behind = [Int](repeating: 0, count: pairs)
    for i in 0..<distractors { behind[random.below(pairs, 2 << 20 | i)] += 1 }
    let queried = random.below(pairs, 3 << 20)
    var tokens: [Int32] = []
    var (position, drawn) = (0, 0)
    for i in 0..<pairs {
      tokens += [keys[i], values[i]]
      if i == queried { position = tokens.count - 1 }
      for _ in 0..<behind[i] {
        tokens.append(pool.distractors[random.below(pool.distractors.count, 4 << 20 | drawn)])
        drawn += 1
      }
    }
    tokens.append(keys[queried])
    (self.tokens, target, offered, distance) = (tokens, values[queried], values, tokens.count - position)
  }

  static func length(pairs: Int, distractors: Int) -> Int { 2 * pairs + distractors + 1 }

  /// Different elements in a random order.
  private static func choose(_ count: Int, of ids: [Int32], _ random: CounterGenerator, from element: Int) -> [Int32] {
    let keyed = ids.indices.map { (UInt64(random.word(element | $0)) << 32 | UInt64($0)) }.sorted()
    return keyed.prefix(count).map { ids[Int($0 & 0xFFFF_FFFF)] }
  }
}
