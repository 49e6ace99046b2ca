import Core
import Storage
import Tokenizers

/// Remarks on a text that asks the model something else than a person means.
enum PromptAdvice {
  /// Warns where `text` ends in a blank, and the tokeniser's words carry the blank before them.
  static func warn(of text: [UInt8], _ name: String, _ tokenizer: any Tokenizer) {
    guard text.last == blank, endsInBlankToken(tokenizer.encode(text)[...], tokenizer) else { return }
    StandardError.write(
      "warning: \(name) ends in a blank, which becomes a token of its own: this tokeniser's words carry the blank before them, so leave it out.\n")
  }

  /// Whether the last of `ids` is a blank of its own, in a tokeniser that writes the blank before a word into the word's token.
  static func endsInBlankToken(_ ids: ArraySlice<Int32>, _ tokenizer: any Tokenizer) -> Bool {
    guard let last = ids.last, tokenizer.decode([last], skipSpecial: true).allSatisfy({ $0 == blank }),
      !tokenizer.vocabulary.special.contains(last)
    else { return false }
    return (0..<Int32(tokenizer.vocabulary.size)).contains { id in
      let bytes = tokenizer.decode([id], skipSpecial: true)
      return bytes.count > 1 && bytes[0] == blank && bytes[1] != blank
    }
  }

  private static let blank = UInt8(ascii: " ")
}
