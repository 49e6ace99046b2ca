import Storage

/// Everything a byte-level BPE `tokenizer.json` states that decides ids.
struct BytePairDefinition: Sendable {
  /// The model's tokens as they are spelled, by id. Added tokens may be among them.
  var tokens: [[UInt8]]
  /// Pairs of ids, the first to be merged first.
  var merges: [(left: Int32, right: Int32)]
  /// In the order of their list; ids not in `tokens` follow it.
  var added: [AddedToken]
  var pattern: PiecePattern = .gpt2
  /// A text that does not begin with a space gets one.
  var addsPrefixSpace = false
  /// The text is brought to Unicode's composed form (NFC) first.
  var composes = false
  /// A piece that is a token is not merged from its bytes.
  var ignoresMerges = false
  /// Stands for bytes that have no token; without it they are left out.
  var unknown: Int32?
  /// Kept as read: it concerns what surrounds a text, not the text.
  var postProcessor: ByteJSON = .null

  /// Number of ids, added tokens included.
  var size: Int { max(tokens.count, Int(added.map(\.id).max() ?? -1) + 1) }
}

extension BytePairDefinition {
  /// The definition as `tokenizer.json`.
  var json: ByteJSON {
    .members([
      "version": .text("1.0"), "truncation": .null, "padding": .null, "added_tokens": .array(added.map(\.json)),
      "normalizer": composes ? .members(["type": .text("NFC")]) : .null, "pre_tokenizer": preTokenizer,
      "post_processor": postProcessor, "decoder": Self.byteLevel(addsPrefixSpace: false, usesExpression: true),
      "model": model,
    ])
  }

  private var preTokenizer: ByteJSON {
    switch pattern {
    case .gpt2: Self.byteLevel(addsPrefixSpace: addsPrefixSpace, usesExpression: true)
    case .whole: Self.byteLevel(addsPrefixSpace: addsPrefixSpace, usesExpression: false)
    case .lines(let digits):
      Self.split(digits == 1 ? PiecePattern.qwen2Expression : PiecePattern.llama3Expression)
    }
  }

  private static func split(_ expression: String) -> ByteJSON {
    let split = ByteJSON.members([
      "type": .text("Split"), "pattern": .members(["Regex": .text(expression)]), "behavior": .text("Isolated"),
      "invert": .bool(false),
    ])
    return .members([
      "type": .text("Sequence"),
      "pretokenizers": .array([split, byteLevel(addsPrefixSpace: false, usesExpression: false)]),
    ])
  }

  private static func byteLevel(addsPrefixSpace: Bool, usesExpression: Bool) -> ByteJSON {
    .members([
      "type": .text("ByteLevel"), "add_prefix_space": .bool(addsPrefixSpace), "trim_offsets": .bool(true),
      "use_regex": .bool(usesExpression),
    ])
  }

  private var model: ByteJSON {
    .members([
      "type": .text("BPE"), "dropout": .null, "unk_token": unknown.map { .string(tokens[Int($0)]) } ?? .null,
      "continuing_subword_prefix": .null, "end_of_word_suffix": .null, "fuse_unk": .bool(false),
      "byte_fallback": .bool(false),
      "ignore_merges": .bool(ignoresMerges),
      "vocab": .object(tokens.enumerated().map { ByteJSONMember(name: $0.element, value: .integer($0.offset)) }),
      "merges": .array(merges.map { .array([.string(tokens[Int($0.left)]), .string(tokens[Int($0.right)])]) }),
    ])
  }
}
