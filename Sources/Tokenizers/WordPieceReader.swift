import Core

/// Reads BERT's WordPiece from `tokenizer.json`, refusing by name what Lockstep cannot do exactly.
struct WordPieceReader {
  let json: ByteJSON
  let place: String

  func tokenizer(configurations: [ByteJSON]) throws(DataError) -> WordPieceTokenizer {
    guard let model = json["model"] else { throw DataError(place, "there is no model.") }
    let tokens = try VocabularyReader.tokens(model["vocab"], place: place)
    let ids = VocabularyReader.index(tokens)
    let unknown = model["unk_token"]?.bytes ?? Array("[UNK]".utf8)
    guard let unknownID = ids.find(unknown) else {
      throw DataError(place, "model.unk_token \"\(String(decoding: unknown, as: UTF8.self))\" is not in the vocabulary.")
    }
    let added = try VocabularyReader.addedTokens(json["added_tokens"], modelIDs: ids, place: place)
    var definition = WordPieceDefinition(tokens: tokens, added: added, unknown: Int32(unknownID))
    definition.prefix = model["continuing_subword_prefix"]?.bytes ?? definition.prefix
    definition.longestWord = max(model["max_input_chars_per_word"]?.integer ?? 100, 0)
    definition.tidies = try (json["decoder"] ?? .null).flag("cleanup", true, place: place)
    definition.postProcessor = json["post_processor"] ?? .null
    definition.normalizer = nil
    if let normalizer = json["normalizer"] { definition.normalizer = try BertNormalizer(normalizer, place: place) }
    let preTokenizer = json["pre_tokenizer"]?["type"]?.string ?? "(none)"
    guard preTokenizer == "BertPreTokenizer" else {
      throw DataError(place, "the pre_tokenizer of the WordPiece model is of type \(preTokenizer), not BertPreTokenizer.")
    }
    return WordPieceTokenizer(definition, roles: Self.roles(definition, ids, configurations))
  }

  /// The roles, where the model's unknown token is the unknown token whatever its spelling.
  static func roles(_ definition: WordPieceDefinition, _ ids: ByteStrings, _ configurations: [ByteJSON]) -> SpecialRoles {
    var roles = SpecialRoles(added: definition.added, configurations: configurations) { name in
      ids.find(name).map(Int32.init) ?? definition.added.first { $0.content == name }?.id
    }
    roles[.unknown] = definition.unknown
    return roles
  }
}

extension WordPieceTokenizer {
  /// BERT's `vocab.txt`, one token a line, the id being the line's number from 0.
  ///
  /// - Parameter lowercase: an uncased vocabulary, whose text is lower-cased and loses its accents.
  public init(vocabularyText: [UInt8], lowercase: Bool = true, place: String = "vocab.txt") throws(DataError) {
    try self.init(vocabularyText: vocabularyText, normalizer: BertNormalizer(lowercases: lowercase), configurations: [], place: place)
  }

  /// Case and accents as `tokenizer_config.json` says, uncased without one.
  init(vocabularyText: [UInt8], configurations: [ByteJSON], place: String) throws(DataError) {
    func flag(_ name: String) -> Bool? { configurations.compactMap { $0[name]?.bool }.first }
    let normalizer = BertNormalizer(
      separatesIdeographs: flag("tokenize_chinese_chars") ?? true, stripsAccents: flag("strip_accents"), lowercases: flag("do_lower_case") ?? true)
    try self.init(vocabularyText: vocabularyText, normalizer: normalizer, configurations: configurations, place: place)
  }

  private init(vocabularyText: [UInt8], normalizer: BertNormalizer, configurations: [ByteJSON], place: String) throws(DataError) {
    var lines = vocabularyText.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { $0.last == 13 ? $0.dropLast() : $0 }
    if lines.last?.isEmpty == true { lines.removeLast() }
    // They become strings of a tokenizer.json, which holds nothing but UTF-8.
    if let line = lines.firstIndex(where: { String(validating: $0, as: UTF8.self) == nil }) {
      throw DataError("\(place), line \(line + 1)", "the token is not UTF-8.", remedy: "Get the file again from where it came.")
    }
    let tokens = try VocabularyReader.distinct(lines.map { Array($0) }, place: place)
    let ids = VocabularyReader.index(tokens)
    guard let unknown = ids.find("[UNK]") else {
      throw DataError(place, "the vocabulary has no [UNK].", remedy: "Give BERT's vocab.txt, one token a line.")
    }
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].compactMap { ids.find($0) }.sorted()
    let added = special.map { AddedToken(id: Int32($0), content: tokens[$0]) }
    var definition = WordPieceDefinition(tokens: tokens, added: added, unknown: Int32(unknown), normalizer: normalizer)
    if let cls = ids.find("[CLS]"), let sep = ids.find("[SEP]") {
      definition.postProcessor = WordPieceDefinition.bertTemplate(cls: Int32(cls), sep: Int32(sep))
    }
    self.init(definition, roles: WordPieceReader.roles(definition, ids, configurations))
  }
}
