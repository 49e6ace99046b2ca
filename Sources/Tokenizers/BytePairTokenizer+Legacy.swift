import Core
import Storage

extension BytePairTokenizer {
  /// GPT-2's own pair of files: `vocab.json` (token → id) and `merges.txt` (one merge per line).
  ///
  /// The usual spellings of special tokens that the vocabulary has, such as `<|endoftext|>`, become added tokens.
  public init(vocabularyJSON: [UInt8], mergesText: [UInt8], place: String = "vocab.json") throws(DataError) {
    try self.init(vocabularyJSON: vocabularyJSON, mergesText: mergesText, companions: .none, place: place)
  }

  /// `companions` add tokens, and say whether a text begins with a blank (`add_prefix_space`).
  init(vocabularyJSON: [UInt8], mergesText: [UInt8], companions: TokenizerCompanions, place: String) throws(DataError) {
    try companions.requireClass(["GPT2Tokenizer", "RobertaTokenizer", "PreTrainedTokenizer"], place: place)
    let vocabulary = try ByteJSONReader.parse(vocabularyJSON, place: place)
    let lines = withoutByteOrderMark(mergesText).split(separator: UInt8(ascii: "\n")).map {
      $0.last == 13 ? $0.dropLast() : $0
    }
    let merges = lines.filter { !$0.starts(with: "#version".utf8) && !$0.isEmpty }.map { ByteJSON.string(Array($0)) }
    let prefix = try companions.flag("add_prefix_space") ?? false
    let json = ByteJSON.members([
      "pre_tokenizer": .members([
        "type": .text("ByteLevel"), "add_prefix_space": .bool(prefix), "use_regex": .bool(true),
      ]),
      "model": .members(["type": .text("BPE"), "vocab": vocabulary, "merges": .array(merges)]),
    ])
    self = try BytePairReader(json: json, place: place, usual: SpecialRole.allCases.map { ($0, $0.spellings) })
      .tokenizer(companions)
  }
}
