import Core
@testable import Storage
import Testing

@testable import Tokenizers

@Suite("Ids equal those of the tokenizers library")
struct GoldenTests {
  static let kinds = [
    "bytes", "trained", "three-digits", "one-digit-composed", "flags", "wordpiece", "wordpiece-cased", "words",
  ]

  @Test(arguments: kinds)
  func idsOfAFile(_ name: String) throws {
    let tokenizer = try TokenizerLoader.load(Goldens.folder + "/\(name).json")
    let count = try Goldens.forEachCase(name) { text, ids in
      #expect(tokenizer.encode(text) == ids, "\(String(decoding: text, as: UTF8.self).debugDescription)")
    }
    #expect(count >= 300)
  }

  @Test(arguments: kinds)
  func idsAfterWritingAndReadingAgain(_ name: String) throws {
    let read = try TokenizerLoader.load(Goldens.folder + "/\(name).json")
    let written = read.tokenizerJSON()
    let again = try TokenizerLoader.load(json: written)
    #expect(again.tokenizerJSON() == written)
    #expect(again.vocabulary == read.vocabulary)
    _ = try Goldens.forEachCase(name) { text, ids in #expect(again.encode(text) == ids) }
  }

  @Test(arguments: ["trained", "flags", "wordpiece-cased", "bytes"])
  func idsWithSpecialTokensLeftInTheText(_ name: String) throws {
    let tokenizer = try TokenizerLoader.load(Goldens.folder + "/\(name).json")
    let count = try Goldens.forEachCase(name, kind: "specialIsText") { text, ids in
      #expect(
        tokenizer.encode(text, specialIsText: true) == ids, "\(String(decoding: text, as: UTF8.self).debugDescription)")
    }
    #expect(count >= 300)
  }

  @Test func vocabularyFileOfBert() throws {
    let tokenizer = try TokenizerLoader.load(Goldens.folder + "/vocab.txt")
    let count = try Goldens.forEachCase("wordpiece") { text, ids in #expect(tokenizer.encode(text) == ids) }
    #expect(count >= 300)
  }

  @Test(arguments: ["bytes", "trained", "three-digits"])
  func textComesBack(_ name: String) throws {
    let tokenizer = try TokenizerLoader.load(Goldens.folder + "/\(name).json")
    // With special tokens read, a mask takes the blank before it away.
    _ = try Goldens.forEachCase(name) { text, _ in
      #expect(tokenizer.decode(tokenizer.encode(text, specialIsText: true), skipSpecial: true) == text)
    }
  }

  @Test func wordPieceDecodesAsTheLibraryDoes() throws {
    let tokenizer = try TokenizerLoader.load(Goldens.folder + "/wordpiece.json")
    let decoded = try Goldens.cases()["decoded"]?.array?.compactMap(\.bytes) ?? []
    var index = 0
    _ = try Goldens.forEachCase("wordpiece") { _, ids in
      #expect(tokenizer.decode(ids, skipSpecial: false) == decoded[index])
      index += 1
    }
    #expect(index == decoded.count && index >= 300)
  }

  @Test func bytesFileIsWhatTheLibraryWasGiven() throws {
    #expect(try Goldens.matches("bytes.json", ByteTokenizer().tokenizerJSON()))
    let loaded = try TokenizerLoader.load(Goldens.folder + "/bytes.json")
    #expect(loaded is ByteTokenizer)
  }

  @Test func trainingGivesTheLibrarysVocabularyAndMerges() throws {
    let text = try Goldens.bytes("text.txt")
    var trainer = BytePairTrainer()
    text.withUnsafeBufferPointer { trainer.count($0) }
    let tokenizer = try trainer.train(vocabularySize: 600)
    #expect(try Goldens.matches("trained.json", tokenizer.tokenizerJSON()))
    let library = try ByteJSONReader.parse(try Goldens.bytes("library-trained.json"), place: "library-trained.json")
    let ours = try ByteJSONReader.parse(tokenizer.tokenizerJSON(), place: "ours")
    #expect(ours["model"]?["merges"] == library["model"]?["merges"])
    #expect(ours["model"]?["merges"]?.array?.count == 600 - BytePairTrainer.smallestVocabulary)
    func ids(_ json: ByteJSON) -> [ByteJSONMember] {
      (json["model"]?["vocab"]?.object ?? []).sorted { ($0.value.integer ?? 0) < ($1.value.integer ?? 0) }
    }
    #expect(ids(ours) == ids(library))
  }
}
