import Core
import Foundation
import Storage
import Testing

@testable import Tokenizers

@Suite struct LoadingTests {
  private func vocabularyFiles() throws -> (vocabulary: [UInt8], merges: [UInt8]) {
    let model = try ByteJSONReader.parse(try Goldens.bytes("trained.json"), place: "trained.json")["model"]
    let merges = model?["merges"]?.array?.map { $0.array?.compactMap(\.string).joined(separator: " ") ?? "" } ?? []
    return (
      try #require(model?["vocab"]).serialized(),
      Array(("#version: 0.2\n" + merges.joined(separator: "\n") + "\n").utf8)
    )
  }

  @Test(arguments: ["bytes.json", "trained.json", "wordpiece.json", "vocab.txt"])
  func framingChangesWhatTheLibraryAddsAndNothingElse(_ name: String) throws {
    let tokenizer = try TokenizerLoader.load(Goldens.folder + "/" + name)
    let framed = try TokenizerLoader.load(json: tokenizer.framedTokenizerJSON())
    #expect(framed.vocabulary == tokenizer.vocabulary)
    #expect(
      try ByteJSONReader.parse(framed.tokenizerJSON(), place: name)["post_processor"]?["type"]?.string
        == "TemplateProcessing")
    #expect(try framed.framedTokenizerJSON() == framed.tokenizerJSON())
    _ = try Goldens.forEachCase("trained") { text, _ in #expect(framed.encode(text) == tokenizer.encode(text)) }
  }

  @Test func gpt2sPairOfFiles() throws {
    let files = try vocabularyFiles()
    try withTemporaryFolder(["vocab.json": files.vocabulary, "merges.txt": files.merges]) { folder in
      let tokenizer = try TokenizerLoader.load(folder)
      // The two files say nothing of a mask that takes the blank before it.
      let trained = String(decoding: try Goldens.bytes("trained.json"), as: UTF8.self)
      #expect(
        String(decoding: tokenizer.tokenizerJSON(), as: UTF8.self)
          == trained.replacing("\"lstrip\":true", with: "\"lstrip\":false"))
      let again = try TokenizerLoader.load(folder + "/merges.txt")
      #expect(again.contentHash == tokenizer.contentHash)
    }
  }

  @Test func configurationsNameTheSpecialTokens() throws {
    let files = [
      "tokenizer.json": try Goldens.bytes("trained.json"),
      "tokenizer_config.json": Array(#"{"pad_token":"[EOS]","mask_token":{"content":"!"},"unk_token":"nowhere"}"#.utf8),
      "special_tokens_map.json": Array(#"{"pad_token":"[EOS]","bos_token":"[CLS]"}"#.utf8),
    ]
    try withTemporaryFolder(files) { folder in
      let vocabulary = try TokenizerLoader.load(folder).vocabulary
      #expect(vocabulary.pad == 2 && vocabulary.bos == 4 && vocabulary.eos == 2 && vocabulary.mask == 6)
      // The transformers library gives a name that no token has the next id.
      #expect(vocabulary.unknown == 600 && vocabulary.size == 601)
      #expect(vocabulary.special == [0, 1, 2, 3, 4, 5, 6, 600])
    }
  }

  @Test func usualSpellingsAreFound() throws {
    let added = ["<pad>", "<|endoftext|>", "</s>", "<mask>"].enumerated().map {
      AddedToken(id: Int32($0.offset), content: Array($0.element.utf8))
    }
    let roles = SpecialRoles(added: added) { _ in nil }
    #expect(roles[.pad] == 0 && roles[.bos] == 1 && roles[.eos] == 2 && roles[.mask] == 3 && roles[.cls] == nil)
  }

  @Test func missingRolesAreAddedAtTheEnd() throws {
    let bert = try TokenizerLoader.load(Goldens.folder + "/wordpiece.json")
    let size = bert.vocabulary.size
    let more = bert.addingSpecials([.pad, .bos, .eos, .mask])
    #expect(more.vocabulary.size == size + 2)
    #expect(
      more.vocabulary.bos == Int32(size) && more.vocabulary.eos == Int32(size + 1)
        && more.vocabulary.mask == bert.vocabulary.mask)
    #expect(more.encode("the [EOS]") == bert.encode("the") + [Int32(size + 1)])
    let plain = try BytePairTokenizer(
      vocabularyJSON: Array(#"{"a":0,"b":1,"ab":2}"#.utf8), mergesText: Array("a b\n".utf8))
    let wider = plain.addingSpecials([.pad, .mask])
    #expect(
      plain.vocabulary.size == 3 && wider.vocabulary.size == 5 && wider.vocabulary.pad == 3
        && wider.vocabulary.mask == 4)
    #expect(wider.encode("abaX[MASK]b") == [2, 0, 4, 1])
    let again = try TokenizerLoader.load(json: wider.tokenizerJSON())
    #expect(again.encode("abaX[MASK]b") == [2, 0, 4, 1])
  }

  @Test func caseOfAVocabularyFileComesFromTheConfiguration() throws {
    let vocabulary = Array("[UNK]\nA\na\né\ne\n".utf8)
    try withTemporaryFolder(["vocab.txt": vocabulary]) { folder in
      let uncased = try TokenizerLoader.load(folder)
      #expect(uncased.encode("A é") == [2, 4])
    }
    try withTemporaryFolder(["vocab.txt": vocabulary, "tokenizer_config.json": Array(#"{"do_lower_case":false}"#.utf8)])
    { folder in
      let cased = try TokenizerLoader.load(folder)
      #expect(cased.encode("A é") == [1, 3])
    }
  }

  @Test func configurationForAutoTokenizer() throws {
    let json = try ByteJSONReader.parse(ByteTokenizer().tokenizerConfigJSON(maximumLength: 77), place: "config")
    #expect(json["tokenizer_class"]?.string == "PreTrainedTokenizerFast")
    #expect(json["model_max_length"]?.integer == 77)
    #expect(json["mask_token"]?.string == "[MASK]" && json["eos_token"]?.string == "[EOS]" && json["unk_token"] == nil)
  }

  @Test func theHashIsThatOfTheFile() throws {
    #expect(ByteTokenizer().contentHash == SHA256.of(try Goldens.bytes("bytes.json")))
  }

  @Test func nothingThere() throws {
    #expect(
      sentence { _ = try TokenizerLoader.load("/nowhere/at/all") }?.hasPrefix(
        "/nowhere/at/all: there is no such file or folder.") == true)
    try withTemporaryFolder([:]) { folder in
      #expect(
        sentence { _ = try TokenizerLoader.load(folder) }
          == "\(folder): the folder has neither tokenizer.json nor vocab.json nor vocab.txt.")
    }
  }

  // MARK: - Words

  /// The text's tokens, cut where words begin.
  private func words(_ text: String, _ tokenizer: any Tokenizer) -> [String] {
    let (ids, edges) = (tokenizer.encode(text), tokenizer.wordEdges)
    let cuts = ids.indices.filter { $0 == 0 || !edges.joins(ids[$0 - 1], ids[$0]) } + [ids.count]
    return zip(cuts, cuts.dropFirst()).map { tokenizer.text(ids[$0..<$1]) }
  }

  @Test func wordsOfByteLevelTokensAreCutAtSpacesAndPunctuation() throws {
    let trained = try TokenizerLoader.load(Goldens.folder + "/trained.json")
    let text = "The unbelievable king's\nhouse (old), 1611."
    let words = words(text, trained)
    func runs(_ text: String) -> [String] { text.split { !($0.isLetter || $0.isNumber) }.map(String.init) }
    #expect(words.joined() == text && trained.encode(text).count > words.count)
    #expect(words.flatMap(runs) == runs(text) && words.allSatisfy { runs($0).count <= 1 })
    #expect(words.contains { $0.hasSuffix("unbelievable") })
    #expect(self.words("ab c,d", ByteTokenizer()) == ["ab", " ", "c", ",", "d"])
    #expect(self.words("größe", ByteTokenizer()) == ["größe"])
  }

  @Test func wordsOfWordPieceTokensAreCutWhereThePrefixIsMissing() throws {
    let vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##believ\n##able\nking\n##\n,\n"
    let tokenizer = try WordPieceTokenizer(vocabularyText: Array(vocabulary.utf8))
    let edges = tokenizer.wordEdges
    #expect(edges.opensInside.count == tokenizer.vocabulary.size)
    #expect(edges.joins(5, 6) && edges.joins(6, 7) && !edges.joins(7, 8) && !edges.joins(8, 10))
    // The prefix alone is a token of its own; ids outside the vocabulary join nothing.
    #expect(!edges.joins(8, 9) && !edges.joins(-1, 6) && !edges.joins(5, 99))
  }
}
