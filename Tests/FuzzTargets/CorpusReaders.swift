import Core
import Data
import Generation
import Preparation
import Storage
import Tokenizers

extension FileReader {
  static let corpusReaders = [
    FileReader("shard", place: "train-00000.shard", updateChecksum: Examples.shardWithChecksum) { bytes, scratch in
      let shard = try Shard(try scratch.write(bytes, to: "train-00000.shard"))
      for document in 0..<min(shard.documentCount, 8) { _ = shard.document(document) }
      if shard.tokenCount > 0 { _ = shard.documentIndex(ofToken: shard.tokenCount - 1) }
      try shard.verify()
    },
    FileReader("manifest", place: "corpus", updateChecksum: Examples.manifestWithChecksum) { bytes, scratch in
      let tokenizer = try scratch.write(Array("{}".utf8), to: "corpus/tokenizer.json")
      _ = try scratch.write(Array("{}".utf8), to: "corpus/tokenizer_config.json")
      let corpusPath = String(tokenizer.dropLast("/tokenizer.json".count))
      let shard = try ShardWriter(
        path: corpusPath + "/train-00000.shard", vocabularySize: 300, endOfDocument: 256,
        tokenizerHash: SHA256.of(Array("{}".utf8)))
      for ids: [Int32] in [[5, 256], [6, 7, 256]] { try shard.append(ids[...], textBytes: ids.count) }
      _ = try shard.finish()
      let path = try scratch.write(bytes, to: "corpus/corpus.json")
      let folder = String(path.dropLast("/corpus.json".count))
      _ = try CorpusInspection(folder, verify: true).lines
      let corpus = try Corpus(folder)
      _ = corpus.manifest.contentHash
      for split in CorpusSplit.allCases { _ = try corpus.shards(split) }
    },
    FileReader("values", place: "safetensors") { bytes, scratch in
      scratch.clear("numbers")
      let path = try scratch.write(bytes, to: "values.safetensors")
      let folder = String(path.dropLast("/values.safetensors".count)) + "/numbers"
      _ = try ValuePreparation(training: path, validation: nil, target: folder, unit: .patches).run()
      let corpus = try Corpus(folder)
      guard let records = corpus.manifest.values, records.count <= 1 << 16 else { return }
      let dataset = try ValueDataset(
        corpus, split: .train, shape: try records.shape(patch: records.extent.map { _ in 1 }), order: .sequential)
      let batch = try dataset.samples(at: 0..<1)
      try demand(batch.values.allSatisfy(\.isFinite), "a number that is not finite came out")
    },
  ]

  static let documentReaders = [
    documents("text", .all(.text(.wholeFile))), documents("paragraphs", .all(.text(.blankLines))),
    documents("separated", .all(.text(.separatorLine("--")))), documents("jsonl", .all(.jsonLines(field: "text"))),
    documents("csv", .all(.csv(TableLayout(columns: [.name("text"), .number(1)])))),
    documents("tsv", .all(.tsv(TableLayout(columns: [.name("text")])))),
    documents(
      "semicolons",
      .all(.table(TableLayout(columns: [.number(2)], hasHeader: false), TableSeparator(option: ";") ?? .comma))),
    documents("gzip", .all(.jsonLines(field: "text")), ending: ".gz"),
    documents("zstd", .all(.text(.lines)), ending: ".zst"),
    documents("xz", .all(.text(.lines)), ending: ".xz"), documents("utf16", .all(.text(.blankLines))),
  ]

  private static func documents(_ name: String, _ choice: InputChoice, ending: String = "") -> FileReader {
    let file = "input." + name + ending
    return FileReader(name, place: file) { bytes, scratch in
      let path = try scratch.write(bytes, to: file)
      var total = 0
      try DocumentReader.forEachDocument(ofFile: path, choice: choice) { total += $0.count }
      let inflates =
        !ending.isEmpty || bytes.starts(with: [0x1F, 0x8B]) || bytes.starts(with: [0x28, 0xB5])
        || bytes.starts(with: [0xFD, 0x37])
      try demand(inflates || total <= 2 * bytes.count + 8, "more text came out than the file holds")
    }
  }

  static let tokenizerReaders = [
    FileReader("tokenizer", place: "tokenizer") { bytes, _ in
      try exercise(try TokenizerLoader.load(json: bytes, place: "tokenizer.json"))
    },
    FileReader("tokenizer-config", place: "tokenizer") { bytes, scratch in
      let path = try scratch.write(Array("[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\n".utf8), to: "tokenizer/vocab.txt")
      _ = try scratch.write(bytes, to: "tokenizer/tokenizer_config.json")
      try exercise(try TokenizerLoader.load(path))
    },
    // Three files in one, parted by bytes of zero, beside a pair that is sound.
    FileReader("tokenizer-companions", place: "companions") { bytes, scratch in
      _ = try scratch.write(Array(#"{"a":0,"b":1,"ab":2,"<x>":3,"Ġ":4}"#.utf8), to: "companions/vocab.json")
      let path = try scratch.write(Array("a b\n".utf8), to: "companions/merges.txt")
      let parts = bytes.split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
      for (index, name) in ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"].enumerated() {
        _ = try scratch.write(index < parts.count ? Array(parts[index]) : Array("{}".utf8), to: "companions/" + name)
      }
      try exercise(try TokenizerLoader.load(path))
    },
    FileReader("vocabulary", place: "vocab.json") { bytes, _ in
      let cut = bytes.firstIndex(of: 0) ?? bytes.count
      try exercise(
        try BytePairTokenizer(vocabularyJSON: Array(bytes[..<cut]), mergesText: Array(bytes[cut...].dropFirst())))
    },
    FileReader("wordpiece", place: "vocab.txt") { bytes, _ in
      try exercise(try WordPieceTokenizer(vocabularyText: bytes))
    },
  ]

  private static let sample =
    "Hello, it's 1234 [MASK] héllo\u{301} \u{1F600}\n\n  <|endoftext|>aaab"
    + String(repeating: "\u{301}\u{323}\u{344}", count: 30)

  /// What a program does with a tokenizer it was given.
  private static func exercise(_ tokenizer: some Tokenizer) throws {
    let ids = tokenizer.encode(sample)
    try demand(ids.allSatisfy { (0..<Int32(tokenizer.vocabulary.size)).contains($0) }, "an id outside the vocabulary")
    let plain = tokenizer.encode(sample, specialIsText: true)
    try demand(plain.allSatisfy { (0..<Int32(tokenizer.vocabulary.size)).contains($0) }, "an id outside the vocabulary")
    _ = tokenizer.decode(ids + [-1, Int32.max], skipSpecial: false)
    _ = tokenizer.encode(withMasks: sample)
    _ = (tokenizer.noteOnBlank(beforeMaskIn: sample), tokenizer.noteOnBlank(endOf: "a "))
    let grown = tokenizer.addingSpecials(SpecialRole.allCases)
    _ = grown.encode(sample)
    _ = tokenizer.tokenizerConfigJSON(maximumLength: 8)
    // What is written must be what was read.
    let again = try TokenizerLoader.load(json: tokenizer.tokenizerJSON())
    try demand(
      again.encode(sample) == ids && again.encode(sample, specialIsText: true) == plain,
      "the tokenizer that was written encodes otherwise than the one that was read")
    if grown.vocabulary.cls != nil, grown.vocabulary.sep != nil { _ = try grown.framedTokenizerJSON() }
  }
}
