import Core
import Storage

/// BERT's tokenizer: normalized text, cut at white space and around punctuation, each word covered by its longest
/// tokens.
///
/// Reference: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", 2018,
/// arXiv:1810.04805.
public struct WordPieceTokenizer: Tokenizer {
  public let vocabulary: Vocabulary
  let definition: WordPieceDefinition
  let roles: SpecialRoles
  private let model: WordPieceModel
  let spellings: [[UInt8]]
  private let rawTokens: AddedTokenMatcher
  private let normalizedTokens: AddedTokenMatcher
  private let special: Set<Int32>

  init(_ definition: WordPieceDefinition, roles: SpecialRoles) {
    self.definition = definition
    self.roles = roles
    model = WordPieceModel(
      tokens: definition.tokens, prefix: definition.prefix, unknown: definition.unknown,
      longestWord: definition.longestWord)
    var spellings = definition.tokens
    for token in definition.added where Int(token.id) >= spellings.count { spellings.append(token.content) }
    self.spellings = spellings
    vocabulary = roles.vocabulary(size: spellings.count, added: definition.added)
    rawTokens = AddedTokenMatcher(definition.added.filter { !$0.isNormalized })
    normalizedTokens = AddedTokenMatcher(definition.added.filter(\.isNormalized)) { token in
      token.content.withUnsafeBufferPointer { definition.normalizer?.normalize($0) ?? Array($0) }
    }
    special = Set(vocabulary.special)
  }

  // MARK: - Encoding

  public func encode(_ text: UnsafeBufferPointer<UInt8>, specialIsText: Bool, into ids: inout [Int32]) {
    guard let base = text.baseAddress else { return }
    var memory = PieceMemory(expecting: text.count)
    rawTokens.forEachSegment(base, 0..<text.count, specialIsText: specialIsText) { segment in
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range): encodeRaw(UnsafeBufferPointer(rebasing: text[range]), specialIsText, &memory, &ids)
      }
    }
  }

  private func encodeRaw(
    _ text: UnsafeBufferPointer<UInt8>, _ specialIsText: Bool, _ memory: inout PieceMemory, _ ids: inout [Int32]
  ) {
    let normalized = definition.normalizer?.normalize(text) ?? Array(text)
    normalized.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      normalizedTokens.forEachSegment(base, 0..<buffer.count, specialIsText: specialIsText) { segment in
        switch segment {
        case .token(let id): ids.append(id)
        case .text(let range): encodeWords(base, range, &memory, &ids)
        }
      }
    }
  }

  /// Words lie between white space; each punctuation mark is a word.
  private func encodeWords(
    _ text: UnsafePointer<UInt8>, _ range: Range<Int>, _ memory: inout PieceMemory, _ ids: inout [Int32]
  ) {
    var start = range.lowerBound
    var index = start
    func flush() {
      if start < index { encodeWord(UnsafeBufferPointer(start: text + start, count: index - start), &memory, &ids) }
    }
    while index < range.upperBound {
      let scalar = UTF8Reader.decode(text, at: index, end: range.upperBound)
      let classes = CharacterClasses.of(scalar.value)
      if !classes.isDisjoint(with: [.space, .punctuation]) {
        flush()
        start = index
        index += scalar.length
        if classes.contains(.punctuation) { flush() }
        start = index
      } else {
        index += scalar.length
      }
    }
    flush()
  }

  private func encodeWord(_ word: UnsafeBufferPointer<UInt8>, _ memory: inout PieceMemory, _ ids: inout [Int32]) {
    if memory.recall(word, into: &ids) { return }
    let before = ids.count
    model.encode(word, into: &ids)
    memory.remember(word, ids[before...])
  }

  // MARK: - Decoding

  /// Words are joined by blanks, continuations to what stands before them; blanks before punctuation and in English
  /// contractions are removed. The text that was encoded comes back only up to normalization.
  public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    var isFirst = true
    for id in ids where spellings.indices.contains(Int(id)) && !(skipSpecial && special.contains(id)) {
      var token = spellings[Int(id)]
      if !isFirst {
        token = token.starts(with: definition.prefix) ? Array(token.dropFirst(definition.prefix.count)) : [0x20] + token
      }
      bytes += definition.tidies ? Self.tidy(token) : token
      isFirst = false
    }
    return bytes
  }

  private static let tidying: [([UInt8], [UInt8])] = [
    (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
  ].map { (Array($0.0.utf8), Array($0.1.utf8)) }

  private static func tidy(_ token: [UInt8]) -> [UInt8] {
    guard token.contains(0x20) else { return token }
    return tidying.reduce(token) { replacing($0, $1.0, by: $1.1) }
  }

  private static func replacing(_ text: [UInt8], _ pattern: [UInt8], by replacement: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index...].starts(with: pattern) {
        result += replacement
        index += pattern.count
      } else {
        result.append(text[index])
        index += 1
      }
    }
    return result
  }

  public var specialSpellings: [[UInt8]] { definition.added.lazy.filter(\.isSpecial).map(\.content) }

  public func token(_ id: Int32) -> String? {
    spellings.indices.contains(Int(id)) ? String(decoding: spellings[Int(id)], as: UTF8.self) : nil
  }

  // MARK: - Files

  public func tokenizerJSON() -> [UInt8] { definition.json.serialized() }

  public func tokenizerConfigJSON(maximumLength: Int) -> [UInt8] {
    roles.configurationJSON(maximumLength: maximumLength, token: token)
  }

  public func addingSpecials(_ wanted: [SpecialRole]) -> WordPieceTokenizer {
    var definition = definition
    let roles = roles.adding(wanted, tokens: definition.tokens, added: &definition.added)
    return WordPieceTokenizer(definition, roles: roles)
  }
}
