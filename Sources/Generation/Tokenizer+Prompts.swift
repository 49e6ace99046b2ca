import Core
import Tokenizers

extension Tokenizer {
  /// Ids of a text with `[MASK]`, or the tokeniser's own spelling of it, where a token is to be predicted. Special
  /// tokens are found in it, and a mask takes the blank on its left where `tokenizer.json` says so (`lstrip`), as in
  /// the fill-mask pipeline of transformers.
  public func encode(withMasks text: String) -> [Int32] { encode(withOwnMask(text)) }

  private func withOwnMask(_ text: String) -> String {
    guard let mask = vocabulary.mask, let name = token(mask), name != SpecialRole.mask.spelling else { return text }
    return text.replacing(SpecialRole.mask.spelling, with: name)
  }

  /// A sentence for a text whose mask keeps the blank on its left although tokens of the vocabulary begin with theirs:
  /// the model is then predicts what follows a lone blank. Corpora of older versions hold such a tokeniser.
  public func noteOnBlank(beforeMaskIn text: String) -> String? {
    guard let mask = vocabulary.mask, let name = token(mask), beginsTokensWithBlank else { return nil }
    let text = withOwnMask(text)
    guard text.contains(" " + name), encode(" " + name) != encode(name) else { return nil }
    return
      "this tokeniser keeps the blank before \(name) as a token of its own; write \(name) directly behind the word, "
      + "or prepare the corpus again with --force."
  }

  /// A sentence for a prompt whose last blank belongs to the token that is to come.
  public func noteOnBlank(endOf prompt: String) -> String? {
    guard prompt.hasSuffix(" "), beginsTokensWithBlank else { return nil }
    return
      "the prompt ends in a blank, which most tokens of this tokeniser begin with; leave it out to let the next word follow."
  }

  /// Whether a word's blank is part of its token, as in byte-level BPE.
  private var beginsTokensWithBlank: Bool {
    (0..<Int32(vocabulary.size)).contains { id in
      let bytes = decode(CollectionOfOne(id), skipSpecial: true)
      return bytes.count > 1 && bytes[0] == 0x20
    }
  }
}
