import Core
import Testing

@testable import Tokenizers

@Suite("Damaged files end in a sentence")
struct MalformedInputTests {
  private static let model = #""type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]"#
  private static let level = #"{"type":"ByteLevel","add_prefix_space":false,"use_regex":true}"#

  private static func bpe(_ model: String = model, added: String = "[]", before: String = "null", pre: String = level)
    -> String
  {
    #"{"added_tokens":\#(added),"normalizer":\#(before),"pre_tokenizer":\#(pre),"model":{\#(model)}}"#
  }

  @Test func theSoundOneLoads() throws {
    #expect(try TokenizerLoader.load(json: Array(Self.bpe().utf8)).encode("abba") == [2, 1, 0])
  }

  @Test(arguments: [
    (#"{"model":"#, "the JSON is damaged: it ends too early."),
    (#"{"model":{}} x"#, "something follows the JSON value"),
    (String(repeating: "[", count: 100_000), "nested more than 64 deep"),
    (#"{"a":1,"a":2}"#, #"the name "a" occurs twice"#),
    (#"{"a":"\ud800"}"#, "half of a surrogate pair"),
    ("{\"a\":\"\u{1}\"}", "control character"),
    (#"{"a":01}"#, "a value is expected here"),
    (#"{"a":1e999}"#, "a number cannot be read"),
    ("[]", "it has no model and so is not a tokenizer.json."),
    (#"{"model":{"type":"Unigram"}}"#, "the model is of type Unigram, which Lockstep does not support."),
    (
      bpe(#""type":"BPE","vocab":{"a":0,"b":1},"merges":["a b"]"#),
      #"merge 0 needs the token "ab", which is not in the vocabulary."#
    ),
    (bpe(#""type":"BPE","vocab":{"a":0,"b":1},"merges":["a b c"]"#), "merge 0 is not two tokens."),
    (bpe(#""type":"BPE","vocab":{"a":0,"b":0},"merges":[]"#), "two tokens have the id 0"),
    (bpe(#""type":"BPE","vocab":{"a":0,"b":2},"merges":[]"#), #"token "b" has no id from 0 to 1"#),
    (bpe(#""type":"BPE","vocab":{"a":0,"b":9000000000000},"merges":[]"#), #"token "b" has no id from 0 to 1"#),
    (bpe(#""type":"BPE","vocab":{"a":0,"b":-1},"merges":[]"#), #"token "b" has no id from 0 to 1"#),
    (bpe(#""type":"BPE","vocab":{"a":0,"a":1},"merges":[]"#), #"the name "a" occurs twice"#),
    (bpe(#""type":"BPE","vocab":{},"merges":[]"#), "the vocabulary is missing or empty."),
    (bpe(#""type":"BPE","vocab":{"a":0}"#), "model.merges is not a list."),
    (bpe(model + #","byte_fallback":true"#), "model.byte_fallback is true, which Lockstep does not support."),
    (bpe(model + #","dropout":0.1"#), "model.dropout is set"),
    (bpe(model + #","end_of_word_suffix":"</w>""#), #"model.end_of_word_suffix is "</w>""#),
    (bpe(model + #","ignore_merges":1"#), "ignore_merges is neither true nor false."),
    (bpe(model + #","unk_token":"?""#), #"model.unk_token "?" is not in model.vocab."#),
    (bpe(added: #"[{"id":7,"content":"x"}]"#), #"added token "x" has id 7, but the ids before it make it 3."#),
    (bpe(added: #"[{"id":3,"content":"x"},{"id":4,"content":"x"}]"#), #"added token "x" is listed twice."#),
    (bpe(added: #"[{"id":3000000000,"content":"x"}]"#), "an entry of added_tokens has no usable id and content."),
    (bpe(added: #"[{"id":3,"content":"x","special":"yes"}]"#), "special is neither true nor false."),
    (bpe(before: #"{"type":"NFKC"}"#), "normalizer is of type NFKC, which Lockstep does not support."),
    (bpe(pre: #"{"type":"Metaspace"}"#), "pre_tokenizer is Metaspace and not ByteLevel"),
    (bpe(pre: "null"), "pre_tokenizer is absent"),
    (
      bpe(
        pre:
          #"{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"x+"}},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]}"#
      ),
      "pre_tokenizer has the pattern x+, which Lockstep does not support."
    ),
    (#"{"model":{"type":"WordPiece","vocab":{"a":0}}}"#, #"model.unk_token "[UNK]" is not in the vocabulary."#),
    (
      #"{"pre_tokenizer":{"type":"Whitespace"},"model":{"type":"WordPiece","vocab":{"[UNK]":0}}}"#,
      "the pre_tokenizer of the WordPiece model is of type Whitespace, not BertPreTokenizer."
    ),
    (
      #"{"normalizer":{"type":"NFD"},"pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","vocab":{"[UNK]":0}}}"#,
      "the normalizer of the WordPiece model is of type NFD"
    ),
  ])
  func refused(_ json: String, _ part: String) {
    let message = sentence { _ = try TokenizerLoader.load(json: Array(json.utf8), place: "here") }
    #expect(message?.hasPrefix("here") == true)
    #expect(message?.contains(part) == true, "\(message ?? "no error")")
  }

  @Test func repeatedLinesOfAVocabularyFile() {
    #expect(
      sentence { _ = try WordPieceTokenizer(vocabularyText: Array("[UNK]\na\na\n".utf8)) }
        == #"vocab.txt: token "a" has two ids, 1 and 2."#)
  }

  /// Thousands of damaged copies of a sound file: each loads or is refused; none ends the process.
  @Test(arguments: ["trained", "flags", "wordpiece-cased", "one-digit-composed"])
  func flippedAndCutFiles(_ name: String) throws {
    let sound = try Goldens.bytes("\(name).json")
    let random = CounterGenerator(seed: 3, purpose: .evaluation)
    var refusals = 0
    for round in 0..<150 {
      var bytes = sound
      let draw = random.at(position: UInt64(round), site: 1)
      for change in 0..<1 + draw.below(3, 0) {
        let at = draw.below(bytes.count, 2 * change + 1)
        switch draw.below(3, 100 + change) {
        case 0: bytes[at] = UInt8(truncatingIfNeeded: draw.word(2 * change + 50))
        case 1: bytes.remove(at: at)
        default: bytes.insert(contentsOf: Array("\"[]{},:0".utf8).suffix(1 + draw.below(8, 200)), at: at)
        }
      }
      if round % 10 == 0 { bytes.removeLast(draw.below(bytes.count, 300)) }
      do {
        let tokenizer = try TokenizerLoader.load(json: bytes)
        let ids = tokenizer.encode("the of [MASK]\u{301} é 123 whole!")
        #expect(ids.allSatisfy { $0 >= 0 && Int($0) < tokenizer.vocabulary.size })
        _ = tokenizer.decode(ids, skipSpecial: true)
        _ = tokenizer.tokenizerJSON()
      } catch {
        refusals += 1
      }
    }
    #expect(refusals > 40)
  }
}
