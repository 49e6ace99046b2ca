import Core
import Storage

/// Reads BERT's WordPiece from `tokenizer.json`, refusing by name what Lockstep cannot do exactly.
struct WordPieceReader {
  let json: ByteJSON
  let place: String

  func tokenizer(_ companions: TokenizerCompanions) throws(DataError) -> WordPieceTokenizer {
    guard let model = json["model"] else { throw DataError(place, "there is no model.") }
    let tokens = try VocabularyReader.tokens(model["vocab"], place: place)
    let ids = VocabularyReader.index(tokens)
    let unknown = model["unk_token"]?.bytes ?? Array("[UNK]".utf8)
    guard let unknownID = ids.find(unknown) else {
      throw DataError(
        place, "model.unk_token \"\(String(decoding: unknown, as: UTF8.self))\" is not in the vocabulary.")
    }
    let added = try companions.completed(
      try VocabularyReader.addedTokens(json["added_tokens"], modelIDs: ids, place: place), modelIDs: ids, place: place)
    var definition = WordPieceDefinition(tokens: tokens, added: added, unknown: Int32(unknownID))
    definition.prefix = model["continuing_subword_prefix"]?.bytes ?? definition.prefix
    definition.longestWord = max(model["max_input_chars_per_word"]?.integer ?? 100, 0)
    guard definition.longestWord <= WordPieceDefinition.longestWordAllowed else {
      throw DataError(
        place,
        "model.max_input_chars_per_word is \(definition.longestWord); at most \(WordPieceDefinition.longestWordAllowed) is supported."
      )
    }
    definition.tidies = try (json["decoder"] ?? .null).flag("cleanup", true, place: place)
    definition.postProcessor = json["post_processor"] ?? .null
    definition.normalizer = nil
    if let normalizer = json["normalizer"] { definition.normalizer = try BertNormalizer(normalizer, place: place) }
    let preTokenizer = json["pre_tokenizer"]?["type"]?.string ?? "(none)"
    guard preTokenizer == "BertPreTokenizer" else {
      throw DataError(
        place, "the pre_tokenizer of the WordPiece model is of type \(preTokenizer), not BertPreTokenizer.")
    }
    try companions.requireCasing(definition.normalizer, place: place)
    try companions.requirePrefixSpace(false, place: place)
    return WordPieceTokenizer(definition, roles: Self.roles(definition, ids, companions))
  }

  /// The roles, where the model's unknown token is the unknown token whatever its spelling.
  static func roles(_ definition: WordPieceDefinition, _ ids: ByteStrings, _ companions: TokenizerCompanions)
    -> SpecialRoles
  {
    var roles = SpecialRoles(added: definition.added, configurations: companions.naming) { name in
      ids.find(name).map(Int32.init) ?? definition.added.first { $0.content == name }?.id
    }
    roles[.unknown] = definition.unknown
    return roles
  }
}

extension WordPieceTokenizer {
  /// BERT's `vocab.txt`, one token per line, the id being the line's number from 0.
  ///
  /// - Parameter lowercase: an uncased vocabulary, whose text is lower-cased and loses its accents.
  public init(vocabularyText: [UInt8], lowercase: Bool = true, place: String = "vocab.txt") throws(DataError) {
    try self.init(
      vocabularyText: vocabularyText, normalizer: BertNormalizer(lowercases: lowercase), companions: .none, place: place
    )
  }

  /// Case, accents and ideographs as `tokenizer_config.json` says, uncased without one.
  init(vocabularyText: [UInt8], companions: TokenizerCompanions, place: String) throws(DataError) {
    try companions.requireClass(
      ["BertTokenizer", "ElectraTokenizer", "DistilBertTokenizer", "PreTrainedTokenizer"], place: place)
    if let file = companions.configuration, try companions.flag("do_basic_tokenize") == false {
      throw DataError(
        file.place, "do_basic_tokenize is false; Lockstep always cuts words as BERT does.",
        remedy: "Save the tokeniser with its tokenizer.json.")
    }
    if let file = companions.configuration, let never = file.json["never_split"], never.array?.isEmpty != true {
      throw DataError(
        file.place, "never_split is set, which Lockstep does not support.", remedy: "Make those words added tokens.")
    }
    let normalizer = BertNormalizer(
      separatesIdeographs: try companions.flag("tokenize_chinese_chars") ?? true,
      stripsAccents: try companions.flag("strip_accents"),
      lowercases: try companions.flag("do_lower_case") ?? true)
    try companions.requirePrefixSpace(false, place: place)
    try self.init(vocabularyText: vocabularyText, normalizer: normalizer, companions: companions, place: place)
  }

  private init(vocabularyText: [UInt8], normalizer: BertNormalizer, companions: TokenizerCompanions, place: String)
    throws(DataError)
  {
    var lines = withoutByteOrderMark(vocabularyText).split(
      separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false
    )
    .map { $0.last == 13 ? $0.dropLast() : $0 }
    if lines.last?.isEmpty == true { lines.removeLast() }
    // They become strings of a tokenizer.json, which holds nothing but UTF-8.
    if let line = lines.firstIndex(where: { String(validating: $0, as: UTF8.self) == nil }) {
      throw DataError(
        "\(place), line \(line + 1)", "the token is not UTF-8.", remedy: "Get the file again from where it came.")
    }
    let tokens = try VocabularyReader.distinct(lines.map { Array($0) }, place: place)
    let ids = VocabularyReader.index(tokens)
    guard let unknown = ids.find("[UNK]") else {
      throw DataError(place, "the vocabulary has no [UNK].", remedy: "Give BERT's vocab.txt, one token per line.")
    }
    let usual = [SpecialRole.pad, .unknown, .cls, .sep, .mask].map { (role: $0, spellings: [$0.spelling]) }
    let added = try companions.completed([], modelIDs: ids, usual: usual, place: place)
    var definition = WordPieceDefinition(tokens: tokens, added: added, unknown: Int32(unknown), normalizer: normalizer)
    if let cls = ids.find("[CLS]"), let sep = ids.find("[SEP]") {
      definition.postProcessor = WordPieceDefinition.bertTemplate(cls: Int32(cls), sep: Int32(sep))
    }
    self.init(definition, roles: WordPieceReader.roles(definition, ids, companions))
  }
}
