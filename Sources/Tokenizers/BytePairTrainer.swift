import Core

/// Learns a byte-level BPE vocabulary from word counts.
///
/// The vocabulary begins with the special tokens [PAD], [BOS], [EOS], [MASK], [CLS] and [SEP] (ids 0 … 5), so that
/// their ids are the same at every size; then come the 256 bytes in the order of their characters, then one token a
/// merge. Each step merges the most frequent pair of neighbours; of equals, the pair with the lower ids. The result
/// depends on the counts alone.
///
/// Reference: Sennrich, Haddow, Birch, "Neural Machine Translation of Rare Words with Subword Units", 2016,
/// arXiv:1508.07909, algorithm 1.
public struct BytePairTrainer: Sendable {
  /// The special tokens in the order of their ids, from 0.
  public static let specials: [SpecialRole] = [.pad, .bos, .eos, .mask, .cls, .sep]
  /// Special tokens and bytes: the smallest vocabulary there can be.
  public static let smallestVocabulary = specials.count + 256
  /// Ids are 32-bit, and an embedding of more rows would not fit anywhere.
  public static let largestVocabulary = 1 << 24

  public var words: WordCounts

  public init(_ words: WordCounts = WordCounts()) { self.words = words }

  /// Adds the words of `text`; call it for each part of the text in turn.
  public mutating func count(_ text: UnsafeBufferPointer<UInt8>, threads: Int = 1) {
    words.count(text, threads: threads)
  }

  /// Learns the merges.
  ///
  /// - Parameters:
  ///   - vocabularySize: ids in all, special tokens included. Fewer when the text runs out of pairs.
  ///   - minimumCount: a pair that is rarer is not merged.
  ///   - progress: called with the size reached and the size wanted, after every 256 merges and at the end.
  /// - Throws: `ConfigurationError` when the size is out of range.
  /// - Complexity: O(total length of distinct words) memory; each merge costs the words its pair is in.
  public func train(
    vocabularySize: Int, minimumCount: Int = 2, progress: (_ reached: Int, _ wanted: Int) -> Void = { _, _ in }
  ) throws(ConfigurationError) -> BytePairTokenizer {
    guard (Self.smallestVocabulary...Self.largestVocabulary).contains(vocabularySize) else {
      throw ConfigurationError(
        "tokenizer.vocab_size", is: vocabularySize,
        rule: "it must lie in \(Self.smallestVocabulary)...\(Self.largestVocabulary).")
    }
    var vocabulary = GrowingVocabulary()
    var text = TrainingWords(words, firstSymbol: vocabulary.firstSymbol)
    var queue = BinaryHeap(text.candidates)
    while vocabulary.count < vocabularySize, let top = queue.pop() {
      let count = text.count(of: top.pair)
      guard count >= max(minimumCount, 1) else { continue }
      guard count == top.count else {
        queue.push(PairCandidate(count: count, pair: top.pair))
        continue
      }
      let merged = vocabulary.merge(top.pair)
      for risen in text.merge(top.pair, into: merged) { queue.push(risen) }
      if vocabulary.count % 256 == 0 { progress(vocabulary.count, vocabularySize) }
    }
    progress(vocabulary.count, vocabularySize)
    return vocabulary.tokenizer()
  }
}

/// Tokens and merges learnt so far.
private struct GrowingVocabulary {
  private var tokens = ByteStrings(capacity: 1 << 12)
  private var merges: [(left: Int32, right: Int32)] = []
  private var merged: [Int32] = []
  /// Pairs that have a rank, with the symbol they become.
  private var ranked = PairMap()
  let firstSymbol: [Int32]

  init() {
    for role in BytePairTrainer.specials { tokens.insert(Array(role.spelling.utf8)) }
    var first = [Int32](repeating: 0, count: 256)
    for byte in ByteAlphabet.bytesInOrder {
      first[Int(byte)] = Int32(tokens.insert(ByteAlphabet.spellings[Int(byte)]).index)
    }
    firstSymbol = first
  }

  var count: Int { tokens.count }

  /// The symbol `pair` becomes. Two pairs can spell one token, which then exists already; and a pair can come back
  /// after its merge, when such a token is made again: it keeps its rank.
  mutating func merge(_ pair: UInt64) -> Int32 {
    let (left, right) = (TrainingWords.left(pair), TrainingWords.right(pair))
    let known = ranked.find(left, right)
    if known != PairMap.absent { return Int32(known) }
    let symbol = Int32(tokens.insert(tokens[Int(left)] + tokens[Int(right)]).index)
    merges.append((left, right))
    merged.append(symbol)
    ranked.set(pair, UInt64(symbol))
    return symbol
  }

  func tokenizer() -> BytePairTokenizer {
    let added = BytePairTrainer.specials.enumerated().map {
      AddedToken($0.element, id: Int32($0.offset), maskStripsLeft: true)
    }
    let definition = BytePairDefinition(tokens: (0..<tokens.count).map { tokens[$0] }, merges: merges, added: added)
    return BytePairTokenizer(definition, merged: merged, roles: SpecialRoles(added: added) { _ in nil })
  }
}
