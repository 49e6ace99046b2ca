import Storage

/// Everything a WordPiece `tokenizer.json` states that decides ids and decoding.
struct WordPieceDefinition: Sendable {
  /// The model's tokens by id. Added tokens may be among them.
  var tokens: [[UInt8]]
  var added: [AddedToken]
  var unknown: Int32
  var normalizer: BertNormalizer? = BertNormalizer()
  var prefix = Array("##".utf8)
  var longestWord = 100
  /// Covering a word costs at most the square of its length.
  static let longestWordAllowed = 1000
  /// Decoding removes blanks before punctuation.
  var tidies = true
  /// Kept as read: it concerns what surrounds a text, not the text.
  var postProcessor: ByteJSON = .null

  var size: Int { max(tokens.count, Int(added.map(\.id).max() ?? -1) + 1) }

  /// The definition as `tokenizer.json`.
  var json: ByteJSON {
    .members([
      "version": .text("1.0"), "truncation": .null, "padding": .null, "added_tokens": .array(added.map(\.json)),
      "normalizer": normalizer?.json ?? .null, "pre_tokenizer": .members(["type": .text("BertPreTokenizer")]),
      "post_processor": postProcessor,
      "decoder": .members(["type": .text("WordPiece"), "prefix": .string(prefix), "cleanup": .bool(tidies)]),
      "model": .members([
        "type": .text("WordPiece"), "unk_token": .string(tokens[Int(unknown)]),
        "continuing_subword_prefix": .string(prefix),
        "max_input_chars_per_word": .integer(longestWord),
        "vocab": .object(tokens.enumerated().map { ByteJSONMember(name: $0.element, value: .integer($0.offset)) }),
      ]),
    ])
  }

  /// The post-processor that makes `[CLS] text [SEP]`, and `[CLS] text [SEP] text [SEP]` for pairs, as BERT was
  /// trained.
  static func bertTemplate(cls: Int32, sep: Int32, names: (cls: String, sep: String) = ("[CLS]", "[SEP]")) -> ByteJSON {
    func special(_ name: String, _ type: Int) -> ByteJSON {
      .members(["SpecialToken": .members(["id": .text(name), "type_id": .integer(type)])])
    }
    func sequence(_ name: String, _ type: Int) -> ByteJSON {
      .members(["Sequence": .members(["id": .text(name), "type_id": .integer(type)])])
    }
    func token(_ name: String, _ id: Int32) -> ByteJSON {
      .members(["id": .text(name), "ids": .array([.integer(Int(id))]), "tokens": .array([.text(name)])])
    }
    let single = [special(names.cls, 0), sequence("A", 0), special(names.sep, 0)]
    return .members([
      "type": .text("TemplateProcessing"), "single": .array(single),
      "pair": .array(single + [sequence("B", 1), special(names.sep, 1)]),
      "special_tokens": .object([
        ByteJSONMember(name: Array(names.cls.utf8), value: token(names.cls, cls)),
        ByteJSONMember(name: Array(names.sep.utf8), value: token(names.sep, sep)),
      ]),
    ])
  }
}
