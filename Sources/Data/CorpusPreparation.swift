import Core
import Foundation
import Storage
import Tokenizers

/// Makes a corpus folder from text files.
///
/// The bytes of the corpus depend on the inputs, the tokeniser and the options, never on the number of
/// threads: documents are cut into batches by their bytes alone, encoded on any thread and written in
/// order. Memory holds a few batches and the documents in them; plain files are read through their mapping.
public struct CorpusPreparation: Sendable {
  public let inputs: [String]
  public let target: String
  public let tokenizer: TokenizerPlan
  public let options: PreparationOptions

  public init(inputs: [String], target: String, tokenizer: TokenizerPlan, options: PreparationOptions = PreparationOptions()) {
    (self.inputs, self.tokenizer, self.options) = (inputs, tokenizer, options)
    self.target = target.count > 1 && target.hasSuffix("/") ? String(target.dropLast()) : target
  }

  /// Makes the corpus, or finds that it is there.
  ///
  /// - Parameter progress: called on this thread a few times a second and at the end of each phase; what it
  ///   throws stops the preparation and removes what it has written.
  /// - Throws: `ConfigurationError`, `DataError` or `FileError`; the target is then as it was before.
  public func run(progress: (PreparationProgress) throws -> Void = { _ in }) throws -> PreparationOutcome {
    let problems = options.problems
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let extensions = options.extensions ?? options.format.extensions
    let (files, ignored) = try SourceSearch.files(of: inputs, extensions: extensions)
    return try withoutActuallyEscaping(progress) { progress in
      let meter = ProgressMeter(total: files.reduce(0) { $0 + $1.bytes }, report: progress)
      let sources = try hashed(files, meter)
      let recipe = recipe(of: sources)
      if let present = try presentCorpus(recipe: recipe, sources: sources) {
        return PreparationOutcome(manifest: present, alreadyPrepared: true, notes: ["already prepared: \(target)"])
      }
      let partial = try PartialFolder(beside: target)
      do {
        let (manifest, special) = try build(in: partial.path, files, sources, recipe: recipe, meter)
        try partial.commit()
        return PreparationOutcome(manifest: manifest, alreadyPrepared: false, notes: notes(manifest, ignored: ignored, special: special))
      } catch {
        partial.discard()
        throw error
      }
    }
  }

  // MARK: - What is there already

  private func hashed(_ files: [SourceFile], _ meter: ProgressMeter) throws -> [CorpusManifest.Source] {
    meter.begin(.hashing)
    var sources: [CorpusManifest.Source] = []
    var remaining = files[...]
    try orderedWork(threads: options.threads, next: { remaining.popFirst() }) { file in
      CorpusManifest.Source(name: file.name, bytes: file.bytes, sha256: try MappedFile(file.path).sha256())
    } consume: { source in
      sources.append(source)
      try meter.advance(to: meter.bytesDone + source.bytes)
      return true
    }
    try meter.end()
    return sources
  }

  private func recipe(of sources: [CorpusManifest.Source]) -> String {
    var text = "lockstep corpus \(CorpusManifest.currentVersion)\n" + options.recipe
    switch tokenizer {
    case .ready(let tokenizer): text += "tokenizer \(SHA256.of(tokenizer.tokenizerJSON()))\n"
    case .train(let recipe, _): text += "train tokenizer \(recipe)\n"
    }
    for source in sources { text += "\(source.sha256) \(source.bytes) \(source.name)\n" }
    return SHA256.of(text)
  }

  /// The corpus at the target when it is the one wanted; nil when there is none or it is to be replaced.
  private func presentCorpus(recipe: String, sources: [CorpusManifest.Source]) throws -> CorpusManifest? {
    guard FileManager.default.fileExists(atPath: target) else { return nil }
    guard FileManager.default.fileExists(atPath: target + "/" + CorpusManifest.fileName) else {
      let entries = try? FileManager.default.contentsOfDirectory(atPath: target)
      if entries == [] { return nil }
      throw DataError(target, "exists and is not a corpus.", remedy: "Name a folder that does not exist; this one is left alone, even with --force.")
    }
    if options.force { return nil }
    let remedy = "Name another folder, or replace it with --force."
    let corpus = try Corpus(target)
    guard corpus.manifest.recipe == recipe else {
      let what = corpus.manifest.sources == sources ? "with other options or another tokeniser" : "from other files"
      throw DataError(target, "holds a corpus made \(what).", remedy: remedy)
    }
    for split in CorpusSplit.allCases { _ = try corpus.shards(split) }
    return corpus.manifest
  }

  // MARK: - Making it

  private func build(
    in folder: String, _ files: [SourceFile], _ sources: [CorpusManifest.Source], recipe: String, _ meter: ProgressMeter
  ) throws -> (CorpusManifest, specialDocuments: Int) {
    func reader() -> DocumentReader { DocumentReader(files, choice: options.format, scratch: folder + "/.inflated") }
    let split = try decideSplit(reader(), meter)
    let tokenizer = try makeTokenizer(reader, split, meter)
    let json = tokenizer.tokenizerJSON()
    let configuration = tokenizer.tokenizerConfigJSON(maximumLength: options.maximumLength)
    var manifest = CorpusManifest(
      recipe: recipe, tokenizerSHA256: SHA256.of(json), tokenizerConfigSHA256: SHA256.of(configuration),
      vocabulary: tokenizer.vocabulary, split: split.manifestEntry, train: [], validation: [], sources: sources)
    try AtomicFile.write(json, to: folder + "/" + Corpus.tokenizerFile)
    try AtomicFile.write(configuration, to: folder + "/" + Corpus.tokenizerConfigFile)
    let special = try encode(reader(), by: tokenizer, split, into: folder, &manifest, meter)
    try checkSides(manifest)
    try AtomicFile.write(manifest.encoded(), to: folder + "/" + CorpusManifest.fileName)
    return (manifest, special)
  }

  /// Settles the rule; reads the corpus once unless it is by hash.
  private func decideSplit(_ reader: DocumentReader, _ meter: ProgressMeter) throws -> SplitDecision {
    let fraction = options.split.fraction
    if case .byDocumentHash = options.split { return SplitDecision(kind: .hash, fraction: fraction) }
    var mayHash = false
    if case .automatic = options.split { mayHash = true }
    meter.begin(.scanning)
    var (documents, textBytes) = (0, 0)
    var starts: [Int] = []
    try orderedWork(threads: options.threads, next: reader.next, transform: { try $0.measured() }) { batch in
      starts.append(textBytes)
      documents += batch.documents
      textBytes += batch.textBytes
      meter.documents = documents
      try meter.advance(to: batch.sourceBytes)
      return !(mayHash && documents >= SplitRule.documentsForHash)
    }
    try meter.end()
    if mayHash, documents >= SplitRule.documentsForHash { return SplitDecision(kind: .hash, fraction: fraction) }
    return SplitDecision(kind: .tail(cut: Int(Double(textBytes) * (1 - fraction)), batchStarts: starts), fraction: fraction)
  }

  private func makeTokenizer(_ reader: () -> DocumentReader, _ split: SplitDecision, _ meter: ProgressMeter) throws -> any Tokenizer {
    switch tokenizer {
    case .ready(let tokenizer): return tokenizer
    case .train(_, let train):
      return try withoutActuallyEscaping(reader) { reader in
        try train(
          TrainingDocuments { body in
            meter.begin(.trainingTokenizer)
            try Self.forEachTrainingText(reader(), split, meter, body)
            try meter.end()
          })
      }
    }
  }

  private static func forEachTrainingText(
    _ reader: DocumentReader, _ split: SplitDecision, _ meter: ProgressMeter, _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
  ) throws {
    while let batch = try reader.next() {
      var start = split.start(ofBatch: batch.index)
      _ = try batch.forEachKept { text in
        let part = split.parts(text, start: start).train
        start += text.count
        if !part.isEmpty { try body(UnsafeBufferPointer(rebasing: text[part])) }
        meter.documents += 1
      }
      try meter.advance(to: batch.sourceBytes)
    }
  }

  /// - Returns: how many documents write special tokens out.
  private func encode(
    _ reader: DocumentReader, by tokenizer: any Tokenizer, _ split: SplitDecision, into folder: String,
    _ manifest: inout CorpusManifest, _ meter: ProgressMeter
  ) throws -> Int {
    meter.begin(.encoding)
    func sequence(_ side: CorpusSplit) -> ShardSequence {
      ShardSequence(
        folder: folder, prefix: side.rawValue, shardTokens: options.shardTokens, vocabulary: tokenizer.vocabulary,
        tokenizerHash: manifest.tokenizerSHA256)
    }
    var (train, validation) = (sequence(.train), sequence(.validation))
    var (empty, invalid, special) = (0, 0, 0)
    let (specials, specialIsText) = (WrittenSpecials(tokenizer), !options.readsSpecialTokens)
    @Sendable func encoded(_ batch: DocumentBatch) throws -> EncodedBatch {
      try batch.encoded(by: tokenizer, specialIsText: specialIsText, specials, split: split)
    }
    try orderedWork(threads: options.threads, next: reader.next, transform: encoded) { batch in
      try train.append(batch.train)
      try validation.append(batch.validation)
      empty += batch.emptyDocuments
      invalid += batch.invalidDocuments
      special += batch.specialDocuments
      meter.documents += batch.train.documents.count + batch.validation.documents.count
      meter.tokens += batch.train.ids.count + batch.validation.ids.count
      try meter.advance(to: batch.sourceBytes)
      return true
    }
    (manifest.train, manifest.validation) = (try train.finish(), try validation.finish())
    (manifest.emptyDocuments, manifest.invalidDocuments) = (empty, invalid)
    try meter.end()
    return special
  }

  private func checkSides(_ manifest: CorpusManifest) throws(DataError) {
    let place = inputs.joined(separator: ", ")
    if manifest.train.isEmpty, manifest.validation.isEmpty {
      throw DataError(place, "holds no text: every document is empty.", remedy: "Name files that hold text.")
    }
    if manifest.train.isEmpty {
      throw DataError(place, "leaves nothing for training: a validation share of \(options.split.fraction) takes it all.", remedy: "Give more text, or split off the tail.")
    }
    if manifest.validation.isEmpty, options.split.fraction > 0 {
      throw DataError(
        place, "leaves nothing for validation: a share of \(options.split.fraction) of \(manifest.train.documents) documents is none.",
        remedy: "Choose a larger share, split off the tail instead of by document, or ask for a share of 0.")
    }
  }

  private func notes(_ manifest: CorpusManifest, ignored: Int, special: Int) -> [String] {
    let rule = manifest.split.rule == "tail" ? "the last of the text" : "documents chosen by their hash"
    var notes = ["validation: \(rule), share \(manifest.split.fraction)"]
    if manifest.emptyDocuments > 0 { notes.append("\(manifest.emptyDocuments) empty documents were left out") }
    if manifest.invalidDocuments > 0 {
      notes.append("\(manifest.invalidDocuments) documents are not valid UTF-8; their bytes were kept as they are")
    }
    if special > 0 {
      let subject = special == 1 ? "1 document writes" : "\(special) documents write"
      notes.append(
        options.readsSpecialTokens
          ? "\(subject) special tokens out; they were read as those tokens"
          : "\(subject) special tokens out, such as [MASK] or <|endoftext|>; they are text like any other (--special-tokens reads them as tokens)")
    }
    if ignored > 0 { notes.append("\(ignored) files were passed over for their endings") }
    return notes
  }
}
