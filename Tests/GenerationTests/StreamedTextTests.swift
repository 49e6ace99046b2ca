import Core
@testable import Generation
import Testing
import Tokenizers

@Suite("Text as its tokens come")
struct StreamedTextTests {
  private static let wordPiece = #"""
    {"added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"BertPreTokenizer"},"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
     "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":100,
     "vocab":{"[UNK]":0,"king":1,"##s":2,"the":3,".":4}}}
    """#

  private func streamed(_ ids: [Int32], after start: [Int32], _ tokenizer: any Tokenizer) -> [UInt8] {
    var stream = StreamedText(tokenizer, after: start)
    return ids.flatMap { stream.bytes(of: $0) }
  }

  @Test("the pieces join to the text of all tokens, behind a prompt and without one")
  func pieces() throws {
    let tokenizer = try TokenizerLoader.load(json: Array(Self.wordPiece.utf8))
    let (start, ids): ([Int32], [Int32]) = ([3, 1], [2, 3, 1, 4])
    let whole = tokenizer.decode(start + ids, skipSpecial: true)
    #expect(tokenizer.decode(start, skipSpecial: true) + streamed(ids, after: start, tokenizer) == whole)
    #expect(streamed(start + ids, after: [], tokenizer) == whole)
    #expect(String(decoding: whole, as: UTF8.self) == "the kings the king.")
  }

  @Test("the text goes on behind bytes that are no character")
  func invalid() {
    let bytes: [UInt8] = [0x61, 0xFF, 0xC3, 0x62, 0xE6, 0x97, 0xA5]
    #expect(streamed(bytes.map { Int32($0) }, after: [0x20], ByteTokenizer()) == bytes)
  }
}
