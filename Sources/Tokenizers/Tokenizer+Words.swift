import Core

extension Tokenizer {
  /// By the bytes of the tokens: letters, digits and bytes above 127 make words, white space and punctuation part them.
  ///
  /// A byte-level token opens a word by the white space it begins with (`Ġ`), and a token after a line end or a
  /// punctuation mark does without: both bytes at the seam must be of a word. - Complexity: decodes every id once.
  public var wordEdges: WordEdges {
    let spelled = (0..<Int32(vocabulary.size)).map { decode(CollectionOfOne($0), skipSpecial: false) }
    return WordEdges(
      opensInside: spelled.map { $0.first.map(isOfWord) ?? false },
      closesInside: spelled.map { $0.last.map(isOfWord) ?? false })
  }
}

private func isOfWord(_ byte: UInt8) -> Bool {
  switch byte {
  case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
    UInt8(ascii: "0")...UInt8(ascii: "9"), 128...:
    true
  default: false
  }
}

extension WordPieceTokenizer {
  /// By the spelling of the tokens: one that begins with the prefix (`##`) goes on with the word before it.
  public var wordEdges: WordEdges {
    WordEdges(
      opensInside: spellings.map { $0.count > definition.prefix.count && $0.starts(with: definition.prefix) },
      closesInside: [Bool](repeating: true, count: spellings.count))
  }
}
