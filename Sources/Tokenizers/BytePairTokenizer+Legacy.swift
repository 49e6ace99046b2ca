import Core

extension BytePairTokenizer {
  /// GPT-2's own pair of files: `vocab.json` (token → id) and `merges.txt` (a merge a line).
  ///
  /// The usual spellings of special tokens that the vocabulary has, such as `<|endoftext|>`, become added tokens.
  public init(vocabularyJSON: [UInt8], mergesText: [UInt8], place: String = "vocab.json") throws(DataError) {
    try self.init(vocabularyJSON: vocabularyJSON, mergesText: mergesText, configurations: [], place: place)
  }

  init(vocabularyJSON: [UInt8], mergesText: [UInt8], configurations: [ByteJSON], place: String) throws(DataError) {
    let vocabulary = try JSONReader.parse(vocabularyJSON, place: place)
    let tokens = try VocabularyReader.tokens(vocabulary, place: place)
    let ids = VocabularyReader.index(tokens)
    let special = Set(SpecialRole.allCases.flatMap { $0.spellings.compactMap { ids.find($0) } }).sorted()
    let added = special.map { AddedToken(id: Int32($0), content: tokens[$0]) }
    let lines = mergesText.split(separator: UInt8(ascii: "\n")).map { $0.last == 13 ? $0.dropLast() : $0 }
    let merges = lines.filter { !$0.starts(with: "#version".utf8) && !$0.isEmpty }.map { ByteJSON.string(Array($0)) }
    let json = ByteJSON.members([
      "added_tokens": .array(added.map(\.json)),
      "pre_tokenizer": .members(["type": .text("ByteLevel"), "add_prefix_space": .bool(false), "use_regex": .bool(true)]),
      "model": .members(["type": .text("BPE"), "vocab": vocabulary, "merges": .array(merges)]),
    ])
    self = try BytePairReader(json: json, place: place).tokenizer(configurations: configurations)
  }
}
