import Core
import Foundation
@testable import Storage
import Testing

@testable import Tokenizers

/// The small files beside a vocabulary: followed as the transformers library does, or refused by name.
@Suite struct TokenizerCompanionTests {
  @Test func idsOfFoldersAreThoseOfAutoTokenizer() throws {
    let golden = try ByteJSONReader.parse(try Goldens.bytes("companions.json"), place: "companions.json")
    let texts = golden["texts"]?.array?.compactMap(\.bytes) ?? []
    let cases = golden["cases"]?.array ?? []
    #expect(cases.count >= 18 && texts.count >= 15)
    for row in cases {
      let name = row["name"]?.string ?? ""
      let files = Dictionary(
        uniqueKeysWithValues: (row["files"]?.object ?? []).map {
          (String(decoding: $0.name, as: UTF8.self), $0.value.bytes ?? [])
        })
      try withTemporaryFolder(files) { folder in
        let tokenizer = try TokenizerLoader.load(folder)
        let again = try TokenizerLoader.load(json: tokenizer.tokenizerJSON())
        #expect(tokenizer.vocabulary.size == row["size"]?.integer, "\(name)")
        for (text, wanted) in zip(texts, row["ids"]?.array ?? []) {
          let ids = wanted.array?.compactMap { $0.integer.map(Int32.init) }
          #expect(tokenizer.encode(text) == ids, "\(name): \(String(decoding: text, as: UTF8.self).debugDescription)")
          #expect(again.encode(text) == ids, "\(name), written and read again")
        }
      }
    }
  }

  private static let vocabulary = #"{"a":0,"b":1,"ab":2,"Ġ":3}"#
  private static let whole =
    #"{"added_tokens":[{"id":4,"content":"<x>","special":true}],"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3},"merges":["a b"]}}"#
  private static let lines = "[UNK]\n[PAD]\na\n"

  private func message(_ files: [String: String]) throws -> String {
    var message = ""
    try withTemporaryFolder(files.mapValues { Array($0.utf8) }) { folder in
      message = (sentence { _ = try TokenizerLoader.load(folder) } ?? "no error").replacing(folder + "/", with: "")
    }
    return message
  }

  @Test(arguments: [
    (
      ["added_tokens.json": #"{"<y>":9}"#],
      #"added_tokens.json: the added token "<y>" has id 9, and the next free one is 4."#
    ),
    (
      ["added_tokens.json": #"{"a":4}"#],
      #"added_tokens.json: the added token "a" has id 4, and vocab.json makes it 0."#
    ),
    (["added_tokens.json": #"{"<y>":"4"}"#], #"added_tokens.json: the token "<y>" has no usable id."#),
    (["added_tokens.json": "[]"], "added_tokens.json: it is not a JSON object."),
    (
      ["tokenizer_config.json": #"{"added_tokens_decoder":{"4":{"content":"<y>"},"6":{"content":"<z>"}}}"#],
      #"tokenizer_config.json: the added token "<z>" has id 6, and the next free one is 5."#
    ),
    (
      ["tokenizer_config.json": #"{"added_tokens_decoder":{"x":{"content":"<y>"}}}"#],
      #"added_tokens_decoder has the entry "x""#
    ),
    (
      ["tokenizer_config.json": #"{"tokenizer_class":"Qwen2TokenizerFast"}"#],
      "tokenizer_class is Qwen2Tokenizer, whose rules"
    ),
    (["tokenizer_config.json": #"{"add_prefix_space":"yes"}"#], "add_prefix_space is neither true nor false."),
    (
      ["tokenizer_config.json": #"{"do_lower_case":true}"#],
      "tokenizer_config.json: do_lower_case is true, and vocab.json does the opposite."
    ),
    (
      ["tokenizer_config.json": #"{"additional_special_tokens":"<y>"}"#],
      "additional_special_tokens is not a list of tokens."
    ),
    (
      ["tokenizer_config.json": #"{"pad_token":"a"}"#, "special_tokens_map.json": #"{"pad_token":"b"}"#],
      #"special_tokens_map.json: pad_token is "b" here and "a" in tokenizer_config.json."#
    ),
  ])
  func refusedBesideAPair(_ files: [String: String], _ part: String) throws {
    let message = try message(files.merging(["vocab.json": Self.vocabulary, "merges.txt": "a b\n"]) { a, _ in a })
    #expect(message.contains(part), "\(message)")
  }

  @Test(arguments: [
    (
      ["tokenizer_config.json": #"{"add_prefix_space":true}"#],
      "add_prefix_space is true, and tokenizer.json does the opposite."
    ),
    (
      ["tokenizer_config.json": #"{"added_tokens_decoder":{"4":{"content":"<x>","lstrip":true,"special":true}}}"#],
      #"lstrip of the added token "<x>" is true here and false in tokenizer.json."#
    ),
    (
      ["special_tokens_map.json": #"{"mask_token":{"content":"<x>","rstrip":true}}"#],
      #"rstrip of the added token "<x>" is true here"#
    ),
    (["added_tokens.json": #"{"<x>":5}"#], #"the added token "<x>" has id 5, and tokenizer.json makes it 4."#),
  ])
  func refusedBesideAWholeFile(_ files: [String: String], _ part: String) throws {
    let message = try message(files.merging(["tokenizer.json": Self.whole]) { a, _ in a })
    #expect(message.contains(part), "\(message)")
  }

  @Test(arguments: [
    (#"{"tokenizer_class":"MPNetTokenizer"}"#, "tokenizer_class is MPNetTokenizer"),
    (#"{"do_basic_tokenize":false}"#, "do_basic_tokenize is false"),
    (#"{"never_split":["a"]}"#, "never_split is set"), (#"{"add_prefix_space":true}"#, "add_prefix_space is true"),
    (#"{"strip_accents":1}"#, "strip_accents is neither true nor false."),
  ])
  func refusedBesideLines(_ configuration: String, _ part: String) throws {
    let message = try message(["vocab.txt": Self.lines, "tokenizer_config.json": configuration])
    #expect(message.contains(part), "\(message)")
    // The same settings contradict BERT's tokenizer.json where it says otherwise.
    let json = String(
      decoding: try WordPieceTokenizer(vocabularyText: Array(Self.lines.utf8)).tokenizerJSON(), as: UTF8.self)
    let beside = try self.message(["tokenizer.json": json, "tokenizer_config.json": #"{"do_lower_case":false}"#])
    #expect(beside.contains("do_lower_case is false, and tokenizer.json does the opposite."), "\(beside)")
  }

  @Test func aByteOrderMarkIsNoPartOfAToken() throws {
    let mark = "\u{FEFF}"
    let files = [
      "tokenizer_config.json": mark + "{}", "added_tokens.json": mark + #"{"<y>":4}"#,
      "special_tokens_map.json": mark + "{}",
      "vocab.json": mark + Self.vocabulary, "merges.txt": mark + "#version: 0.2\na b\n",
    ]
    try withTemporaryFolder(files.mapValues { Array($0.utf8) }) { folder in
      let ids = try TokenizerLoader.load(folder).encode("ab<y>")
      #expect(ids == [2, 4])
    }
    let bert = try WordPieceTokenizer(vocabularyText: Array("\u{FEFF}[PAD]\n[UNK]\na\n".utf8))
    #expect(bert.vocabulary.pad == 0 && bert.vocabulary.size == 3)
    #expect(bert.addingSpecials([.pad]).vocabulary.size == 3)
    #expect(try TokenizerLoader.load(json: Array((mark + Self.whole).utf8)).encode("ab") == [2])
  }

  @Test func whatIsNoFileIsNotTakenForAbsent() throws {
    try withTemporaryFolder(["vocab.txt": Array(Self.lines.utf8)]) { folder in
      for name in ["tokenizer_config.json", "tokenizer.json"] {
        let path = folder + "/" + name
        #expect(symlink(folder + "/nowhere", path) == 0)
        #expect(sentence { _ = try TokenizerLoader.load(folder) } == "cannot open \(path): No such file or directory.")
        #expect(unlink(path) == 0 && mkfifo(path, 0o600) == 0)
        #expect(sentence { _ = try TokenizerLoader.load(folder) } == "cannot read \(path): it is not a regular file.")
        #expect(unlink(path) == 0)
      }
      let config = folder + "/tokenizer_config.json"
      #expect(open(config, O_CREAT | O_WRONLY, 0o600) >= 0 && truncate(config, 1 << 40) == 0)
      #expect(
        sentence { _ = try TokenizerLoader.load(folder) }?.contains("more than the 16777216 that such a file may have")
          == true)
    }
  }
}
