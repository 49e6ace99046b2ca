import Core
import Storage

/// One token for each word between white space: for corpora of names, such as sets of players, products or codes.
///
/// A word that the vocabulary does not have is [UNK]. Nothing is normalised: case and accents count.
public struct WordLevelTokenizer: Tokenizer {
  public let vocabulary: Vocabulary
  let definition: WordLevelDefinition
  let roles: SpecialRoles
  private let ids: ByteStrings
  private let spellings: [[UInt8]]
  private let matcher: AddedTokenMatcher
  private let special: Set<Int32>

  init(_ definition: WordLevelDefinition, roles: SpecialRoles) {
    (self.definition, self.roles) = (definition, roles)
    ids = VocabularyReader.index(definition.tokens)
    var spellings = definition.tokens
    for token in definition.added where Int(token.id) >= spellings.count { spellings.append(token.content) }
    self.spellings = spellings
    vocabulary = roles.vocabulary(size: spellings.count, added: definition.added)
    matcher = AddedTokenMatcher(definition.added)
    special = Set(vocabulary.special)
  }

  public func encode(_ text: UnsafeBufferPointer<UInt8>, specialIsText: Bool, into ids: inout [Int32]) {
    guard let base = text.baseAddress else { return }
    matcher.forEachSegment(base, 0..<text.count, specialIsText: specialIsText) { segment in
      switch segment {
      case .token(let id): ids.append(id)
      case .text(let range):
        Self.forEachWord(base, range) { word in
          let id = self.ids.find(word).map(Int32.init)
          ids.append(id.flatMap { specialIsText && special.contains($0) ? nil : $0 } ?? definition.unknown)
        }
      }
    }
  }

  /// The ranges of `text` between White_Space, none of them empty.
  static func forEachWord(
    _ text: UnsafePointer<UInt8>, _ range: Range<Int>, _ body: (UnsafeBufferPointer<UInt8>) -> Void
  ) {
    var (start, index) = (range.lowerBound, range.lowerBound)
    func flush() { if start < index { body(UnsafeBufferPointer(start: text + start, count: index - start)) } }
    while index < range.upperBound {
      let scalar = UTF8Reader.decode(text, at: index, end: range.upperBound)
      if CharacterClasses.of(scalar.value).contains(.space) {
        flush()
        start = index + scalar.length
      }
      index += scalar.length
    }
    flush()
  }

  /// Words joined by blanks.
  public func decode(_ ids: some Sequence<Int32>, skipSpecial: Bool) -> [UInt8] {
    let words = ids.filter { spellings.indices.contains(Int($0)) && !(skipSpecial && special.contains($0)) }.map {
      spellings[Int($0)]
    }
    return Array(words.joined(separator: [0x20]))
  }

  public var specialSpellings: [[UInt8]] { definition.added.lazy.filter(\.isSpecial).map(\.content) }

  public func token(_ id: Int32) -> String? {
    spellings.indices.contains(Int(id)) ? String(decoding: spellings[Int(id)], as: UTF8.self) : nil
  }

  public func tokenizerJSON() -> [UInt8] { definition.json.serialized() }

  public func tokenizerConfigJSON(maximumLength: Int) -> [UInt8] {
    roles.configurationJSON(maximumLength: maximumLength, token: token)
  }

  public func addingSpecials(_ wanted: [SpecialRole]) -> WordLevelTokenizer {
    var definition = definition
    let roles = roles.adding(wanted, tokens: definition.tokens, added: &definition.added)
    return WordLevelTokenizer(definition, roles: roles)
  }
}

/// Everything a word-level `tokenizer.json` states that decides ids and decoding.
struct WordLevelDefinition: Sendable {
  /// The model's tokens by id. Added tokens may be among them.
  var tokens: [[UInt8]]
  var added: [AddedToken]
  var unknown: Int32
  /// Kept as read: it concerns what surrounds a text, not the text.
  var postProcessor: ByteJSON = .null

  var json: ByteJSON {
    .members([
      "version": .text("1.0"), "truncation": .null, "padding": .null, "added_tokens": .array(added.map(\.json)),
      "normalizer": .null,
      "pre_tokenizer": .members(["type": .text("WhitespaceSplit")]), "post_processor": postProcessor, "decoder": .null,
      "model": .members([
        "type": .text("WordLevel"),
        "vocab": .object(tokens.enumerated().map { ByteJSONMember(name: $0.element, value: .integer($0.offset)) }),
        "unk_token": .string(tokens[Int(unknown)]),
      ]),
    ])
  }
}

/// Reads a word-level `tokenizer.json`, refusing by name what Lockstep cannot do exactly.
struct WordLevelReader {
  let json: ByteJSON
  let place: String

  func tokenizer(_ companions: TokenizerCompanions) throws(DataError) -> WordLevelTokenizer {
    let tokens = try VocabularyReader.tokens(json["model"]?["vocab"], place: place)
    let ids = VocabularyReader.index(tokens)
    guard let name = json["model"]?["unk_token"]?.bytes, let unknown = ids.find(name) else {
      throw DataError(place, "model.unk_token is not in the vocabulary.")
    }
    if json["normalizer"] != nil {
      throw DataError(
        place, "the word-level model has a normalizer, which Lockstep does not support.", remedy: "Use one without.")
    }
    let preTokenizer = json["pre_tokenizer"]?["type"]?.string ?? "(none)"
    guard preTokenizer == "WhitespaceSplit" else {
      throw DataError(
        place, "the pre_tokenizer of the word-level model is of type \(preTokenizer), not WhitespaceSplit.")
    }
    let added = try companions.completed(
      try VocabularyReader.addedTokens(json["added_tokens"], modelIDs: ids, place: place), modelIDs: ids, place: place)
    try companions.requireCasing(nil, place: place)
    try companions.requirePrefixSpace(false, place: place)
    let definition = WordLevelDefinition(
      tokens: tokens, added: added, unknown: Int32(unknown), postProcessor: json["post_processor"] ?? .null)
    var roles = SpecialRoles(added: added, configurations: companions.naming) { name in
      ids.find(name).map(Int32.init) ?? added.first { $0.content == name }?.id
    }
    roles[.unknown] = Int32(unknown)
    return WordLevelTokenizer(definition, roles: roles)
  }
}

/// Gives every distinct word of a text an id: special tokens first, then words by falling count, equal ones by their
/// bytes.
public struct WordLevelTrainer {
  /// The special tokens in the order of their ids from 0.
  public static let specials: [SpecialRole] = [.pad, .unknown, .cls, .sep, .mask]
  /// The largest vocabulary; more distinct words are a text and not a list of names.
  public static let largestVocabulary = 1 << 22
  private var words = ByteStrings()
  private var counts: [Int64] = []

  public init() {}

  public mutating func count(_ text: UnsafeBufferPointer<UInt8>) {
    guard let base = text.baseAddress else { return }
    WordLevelTokenizer.forEachWord(base, 0..<text.count) { word in
      let (index, isNew) = words.insert(word)
      if isNew { counts.append(0) }
      counts[index] += 1
    }
  }

  /// - Throws: `DataError` for more words than a vocabulary may have, or one that is not UTF-8.
  public func train() throws(DataError) -> WordLevelTokenizer {
    guard counts.count <= Self.largestVocabulary - Self.specials.count else {
      throw DataError(
        "the text", "has \(counts.count) different words; a word-level vocabulary may have \(Self.largestVocabulary).",
        remedy: "Train a BPE with --vocabulary.")
    }
    let reserved = Self.specials.map { Array($0.spelling.utf8) }
    let known = counts.indices.map { (count: counts[$0], word: words[$0]) }.filter { !reserved.contains($0.word) }
    if let word = known.first(where: { String(validating: $0.word, as: UTF8.self) == nil }) {
      throw DataError(
        "the text", "has the word \"\(String(decoding: word.word.prefix(60), as: UTF8.self))\", which is not UTF-8.")
    }
    let sorted = known.sorted {
      $0.count != $1.count ? $0.count > $1.count : $0.word.lexicographicallyPrecedes($1.word)
    }
    let added = reserved.enumerated().map { AddedToken(id: Int32($0.offset), content: $0.element) }
    let unknown = Int32(Self.specials.firstIndex(of: .unknown) ?? 0)
    let definition = WordLevelDefinition(tokens: reserved + sorted.map(\.word), added: added, unknown: unknown)
    return WordLevelTokenizer(definition, roles: SpecialRoles(added: added) { _ in nil })
  }
}
