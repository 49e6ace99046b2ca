import Core
import Testing

@testable import Tokenizers

@Suite struct EncodingTests {
  private var tokenizers: [any Tokenizer] {
    get throws {
      try ["bytes", "trained", "three-digits"].map { try TokenizerLoader.load(Goldens.folder + "/\($0).json") }
    }
  }

  @Test func bytesAreTheirOwnIds() {
    let tokenizer = ByteTokenizer()
    #expect(tokenizer.encode([0, 65, 255, 0xC3]) == [0, 65, 255, 0xC3])
    #expect(tokenizer.encode("a[MASK]b") == [97, 259, 98])
    #expect(tokenizer.decode([97, 259, 98, 300, -1], skipSpecial: true) == Array("ab".utf8))
    #expect(tokenizer.decode([97, 259, 98], skipSpecial: false) == Array("a[MASK]b".utf8))
    #expect(tokenizer.vocabulary.size == 262)
    #expect(tokenizer.token(32) == "Ġ" && tokenizer.token(256) == "[PAD]" && tokenizer.token(262) == nil)
  }

  @Test func anyBytesComeBack() throws {
    let random = CounterGenerator(seed: 7, purpose: .evaluation)
    for tokenizer in try tokenizers {
      for (round, length) in [0, 1, 7, 8, 9, 15, 16, 17, 31, 64, 65, 1000].enumerated() {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: random.at(position: UInt64(round), site: 0).word($0)) }
        #expect(tokenizer.decode(tokenizer.encode(bytes), skipSpecial: false) == bytes)
      }
    }
  }

  @Test func brokenCharactersAreKept() throws {
    let broken: [[UInt8]] = [
      [0xC3], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xC0, 0x80], [0x41, 0x80, 0x42],
      [0xF0, 0x9F, 0x98], [0x65, 0xCC, 0x81, 0xFF],
    ]
    for tokenizer in try tokenizers {
      for bytes in broken { #expect(tokenizer.decode(tokenizer.encode(bytes), skipSpecial: false) == bytes) }
    }
    let composing = try TokenizerLoader.load(Goldens.folder + "/one-digit-composed.json")
    #expect(
      composing.decode(composing.encode([0xFF, 0x65, 0xCC, 0x81, 0xFF]), skipSpecial: false) == [
        0xFF, 0xC3, 0xA9, 0xFF,
      ])
  }

  /// The scanned and the heaped way of merging must agree; pieces on both sides of the limit are cut from one text.
  @Test func longAndShortPiecesMergeAlike() throws {
    let definition = try #require(try TokenizerLoader.load(Goldens.folder + "/trained.json") as? BytePairTokenizer)
      .definition
    var merged: [Int32] = []
    let ids = VocabularyReader.index(definition.tokens)
    for pair in definition.merges {
      merged.append(
        Int32(try #require(ids.find(definition.tokens[Int(pair.left)] + definition.tokens[Int(pair.right)]))))
    }
    let model = BytePairModel(definition, merged: merged)
    let text = try Goldens.bytes("text.txt").filter { $0 != 32 && $0 != 10 }
    for length in [129, 200, 1000, 5000] {
      var (scanned, heaped): ([Int32], [Int32]) = ([], [])
      var merger = WordMerger()
      text[..<length].withUnsafeBufferPointer { piece in
        merger.merge(piece, model, into: &heaped)
        merger.merge(piece, model, into: &scanned, longestScanned: .max)
      }
      #expect(scanned == heaped && !scanned.isEmpty)
    }
  }

  @Test func appendingKeepsWhatIsThere() throws {
    for tokenizer in try tokenizers {
      var ids: [Int32] = [5]
      Array("the of".utf8).withUnsafeBufferPointer { tokenizer.encode($0, into: &ids) }
      #expect(ids == [5] + tokenizer.encode("the of"))
    }
  }

  @Test func invalidBytesAreUnseenByBert() throws {
    let tokenizer = try TokenizerLoader.load(Goldens.folder + "/wordpiece.json")
    #expect(tokenizer.encode(Array("the".utf8) + [0xFF] + Array(" of".utf8)) == tokenizer.encode("the of"))
  }

  @Test func specialIdsAreLeftOutOnRequest() throws {
    let tokenizer = try TokenizerLoader.load(Goldens.folder + "/wordpiece.json")
    let ids = tokenizer.encode("[CLS] the of! [SEP]")
    #expect(tokenizer.text(ids) == "the of!")
    #expect(tokenizer.text(ids, skipSpecial: false) == "[CLS] the of! [SEP]")
    let pairs = try TokenizerLoader.load(Goldens.folder + "/trained.json")
    let marked = pairs.encode("[CLS]the é[EOS]")
    #expect(pairs.text(marked) == "the é" && pairs.text(marked, skipSpecial: false) == "[CLS]the é[EOS]")
  }
}
