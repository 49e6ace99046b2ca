import Testing
import Tokenizers

@Suite("Texts become the ids that AutoTokenizer gives")
struct TextParityTests {
  /// Only folders of trained models have texts: the tokenisers themselves are held against the library in
  /// TokenizersTests.
  @Test(arguments: try Golden.all().filter { $0.record.texts != nil })
  func ids(_ golden: Golden) throws {
    let tokenizer = try TokenizerLoader.load(golden.path)
    let texts = try #require(golden.record.texts)
    for text in texts { #expect(tokenizer.encode(text.text) == text.ids) }
    print("\(golden.name): \(texts.reduce(0) { $0 + $1.ids.count }) ids are equal")
  }
}
