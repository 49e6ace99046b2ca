import Core
import Testing

@testable import Tokenizers

@Suite struct WordLevelTests {
  private func trained(_ texts: [String]) throws -> WordLevelTokenizer {
    var trainer = WordLevelTrainer()
    for text in texts { Array(text.utf8).withUnsafeBufferPointer { trainer.count($0) } }
    return try trainer.train()
  }

  /// Special tokens, then words by falling count, equal ones by their bytes; what is new is [UNK].
  @Test func idsGoByCount() throws {
    let tokenizer = try trained(["GK neuer DF lahm", "GK  ter-Stegen\tDF lahm\n"])
    #expect(
      (0..<10).map { tokenizer.token($0) } == [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "DF", "GK", "lahm", "neuer", "ter-Stegen",
      ])
    #expect(tokenizer.encode("  lahm ter-Stegen klose") == [7, 9, 1])
    #expect(tokenizer.encode("GK [MASK] DF") == [6, 4, 5])
    #expect(tokenizer.text([7, 9, 4], skipSpecial: true) == "lahm ter-Stegen")
    let v = tokenizer.vocabulary
    #expect(
      v.size == 10 && v.mask == 4 && v.pad == 0 && v.cls == 2 && v.sep == 3 && v.unknown == 1
        && v.special == [0, 1, 2, 3, 4])
    let again = try TokenizerLoader.load(json: tokenizer.tokenizerJSON())
    #expect(again is WordLevelTokenizer && again.vocabulary == v && again.tokenizerJSON() == tokenizer.tokenizerJSON())
  }

  /// A word spelt like a special token is that token, and is not given a second id.
  @Test func specialsAreNotWords() throws {
    #expect(try trained(["[MASK] a [MASK]"]).vocabulary.size == 6)
  }

  @Test func whatIsNotSupportedIsNamed() throws {
    let json = String(decoding: try trained(["a"]).tokenizerJSON(), as: UTF8.self)
    func load(_ json: String) -> String? { sentence { _ = try TokenizerLoader.load(json: Array(json.utf8)) } }
    #expect(load(json) == nil)
    #expect(
      load(json.replacing("WhitespaceSplit", with: "Whitespace"))?.contains("of type Whitespace, not WhitespaceSplit")
        == true)
    #expect(
      load(json.replacing("\"unk_token\":\"[UNK]\"", with: "\"unk_token\":\"?\""))?.contains(
        "model.unk_token is not in the vocabulary") == true)
    #expect(sentence { _ = try trained([String(decoding: [0x61], as: UTF8.self)]) } == nil)
    #expect(
      sentence {
        var trainer = WordLevelTrainer()
        [UInt8(0xFF), 0x61].withUnsafeBufferPointer { trainer.count($0) }
        _ = try trainer.train()
      }?.contains("is not UTF-8") == true)
  }
}
