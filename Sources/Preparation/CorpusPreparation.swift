import Core
import Data
import Foundation
import Storage
import Synchronization
import Tokenizers

/// Makes a corpus folder from text files.
///
/// The bytes of the corpus depend on the inputs, the tokeniser and the options, never on the number of
/// threads: documents are cut into batches by their bytes alone, encoded on any thread and written in
/// order. Memory holds a few batches and the documents in them: files are read and inflated piece by piece.
public struct CorpusPreparation: Sendable {
  public let inputs: [String]
  public let target: String
  public let tokenizer: TokenizerPlan
  public let options: PreparationOptions

  public init(
    inputs: [String], target: String, tokenizer: TokenizerPlan, options: PreparationOptions = PreparationOptions()
  ) {
    (self.inputs, self.target, self.tokenizer, self.options) = (inputs, target, tokenizer, options)
  }

  /// Makes the corpus, or finds that it is there.
  ///
  /// - Parameter progress: called on this thread a few times per second and at the end of each phase; what it
  ///   throws stops the preparation and removes what it has written.
  /// - Throws: `ConfigurationError`, `DataError` or `FileError`; the target is then as it was before.
  public func run(progress: (PreparationProgress) throws -> Void = { _ in }) throws -> PreparationOutcome {
    let problems = options.problems
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let restored = try WorkFolder.restore(target)
    let output = try OutputFolder(target)
    if output.state != .corpus || options.force { try output.requireWritable() }
    let standardInput = try readStandardInput(beside: output)
    defer { withExtendedLifetime(standardInput) {} }
    let search = try find(output, standardInput)
    return try withoutActuallyEscaping(progress) { progress in
      let meter = ProgressMeter(total: search.files.reduce(0) { $0 + $1.bytes }, report: progress)
      let sources = try hashed(search.files, meter)
      let recipe = recipe(of: sources)
      var notes =
        restored ? ["\(output.path) was being replaced when a process was killed; the old corpus was put back"] : []
      if let present = try presentCorpus(output, recipe: recipe, sources: sources) {
        notes += ["already prepared: \(output.path)"] + self.notes(of: search)
        return PreparationOutcome(manifest: present, alreadyPrepared: true, notes: notes)
      }
      let (manifest, found) = try make(output, search.files, sources, recipe: recipe, meter)
      notes += self.notes(of: manifest) + found + self.notes(of: search)
      return PreparationOutcome(manifest: manifest, alreadyPrepared: false, notes: notes)
    }
  }

  private func make(
    _ output: OutputFolder, _ files: [SourceFile], _ sources: [CorpusManifest.Source], recipe: String,
    _ meter: ProgressMeter
  ) throws -> (CorpusManifest, notes: [String]) {
    let work = try WorkFolder(for: output)
    do {
      let (manifest, notes) = try build(in: work.path, files, sources, recipe: recipe, meter)
      // The last moment to stop: what is exchanged is exchanged.
      try meter.end()
      let left = try work.commit()
      return (manifest, notes + (left.map { [$0] } ?? []))
    } catch {
      work.discard()
      throw error
    }
  }

  // MARK: - What is to be read

  private func find(_ output: OutputFolder, _ standardInput: UnnamedFile?) throws -> SourceSearch {
    var exclude: [ExcludePattern] = []
    for pattern in options.exclude { exclude.append(try ExcludePattern(pattern)) }
    let choice = SourceSearch.Choice(
      extensions: options.extensions ?? options.format.extensions, exclude: exclude, output: output.identity)
    return try SourceSearch.files(of: inputs, choice, standardInput: standardInput?.path)
  }

  /// Standard input can be read once, and the text is needed several times: it is kept on the disk of the target.
  private func readStandardInput(beside output: OutputFolder) throws -> UnnamedFile? {
    guard inputs.contains("-") else { return nil }
    guard inputs.filter({ $0 == "-" }).count == 1 else {
      throw ConfigurationError("--input", "is - twice; standard input can be read once.")
    }
    guard isatty(STDIN_FILENO) == 0 else {
      throw ConfigurationError("--input", is: "-", rule: "standard input is a terminal; send the text through a pipe.")
    }
    let file = try UnnamedFile(in: output.nearestFolder)
    try file.append(from: STDIN_FILENO, name: "standard input")
    return file
  }

  // MARK: - What is there already

  private func hashed(_ files: [SourceFile], _ meter: ProgressMeter) throws -> [CorpusManifest.Source] {
    meter.begin(.hashing)
    var sources: [CorpusManifest.Source] = []
    var remaining = files[...]
    let done = HashedBytes()
    try orderedWork(
      threads: options.threads, next: { remaining.popFirst() },
      transform: { file in CorpusManifest.Source(name: file.name, bytes: file.bytes, sha256: try file.sha256(done.add))
      },
      waiting: { try meter.advance(to: done.value) }
    ) { source in
      sources.append(source)
      try meter.advance(to: done.value)
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
  private func presentCorpus(_ output: OutputFolder, recipe: String, sources: [CorpusManifest.Source]) throws
    -> CorpusManifest?
  {
    guard output.state == .corpus, !options.force else { return nil }
    let remedy = "Name another folder, or replace it with --force."
    let corpus: Corpus
    do { corpus = try Corpus(output.path) } catch let error as DataError {
      throw DataError(error.place, error.problem, remedy: "prepare --force makes the corpus again.")
    }
    guard corpus.manifest.recipe == recipe else {
      let what = corpus.manifest.sources == sources ? "with other options or another tokeniser" : "from other files"
      throw DataError(output.path, "holds a corpus made \(what).", remedy: remedy)
    }
    for split in CorpusSplit.allCases { _ = try corpus.shards(split) }
    return corpus.manifest
  }

  // MARK: - Making it

  private func build(
    in folder: String, _ files: [SourceFile], _ sources: [CorpusManifest.Source], recipe: String, _ meter: ProgressMeter
  ) throws -> (CorpusManifest, notes: [String]) {
    func reader() -> DocumentReader { DocumentReader(files, digests: sources.map(\.sha256), choice: options.format) }
    let split = try decideSplit(reader(), meter)
    let tokenizer = try makeTokenizer(reader, split, meter)
    let json = tokenizer.tokenizerJSON()
    let configuration = tokenizer.tokenizerConfigJSON(maximumLength: options.maximumLength)
    var manifest = CorpusManifest(
      recipe: recipe, tokenizerSha256: SHA256.of(json), tokenizerConfigSha256: SHA256.of(configuration),
      vocabulary: tokenizer.vocabulary, split: split.manifestEntry, train: [], validation: [], sources: sources)
    try AtomicFile.write(json, to: folder + "/" + Corpus.tokenizerFile)
    try AtomicFile.write(configuration, to: folder + "/" + Corpus.tokenizerConfigFile)
    let odd = try encode(reader(), by: tokenizer, split, into: folder, &manifest, meter)
    try checkSides(manifest)
    try AtomicFile.write(manifest.encoded(), to: folder + "/" + CorpusManifest.fileName)
    return (manifest, notes(of: odd, files))
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
    try orderedWork(
      threads: options.threads, next: reader.next, transform: { try $0.measured() }, weight: \.text.count,
      waiting: meter.wait
    ) { batch in
      starts.append(textBytes)
      documents += batch.documents
      textBytes += batch.textBytes
      meter.documents = documents
      try meter.advance(to: batch.sourceBytes)
      return !(mayHash && documents >= SplitRule.documentsForHash)
    }
    try meter.end()
    if mayHash, documents >= SplitRule.documentsForHash { return SplitDecision(kind: .hash, fraction: fraction) }
    return SplitDecision(
      kind: .tail(cut: Int(Double(textBytes) * (1 - fraction)), batchStarts: starts), fraction: fraction)
  }

  private func makeTokenizer(_ reader: () -> DocumentReader, _ split: SplitDecision, _ meter: ProgressMeter) throws
    -> any Tokenizer
  {
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
    _ reader: DocumentReader, _ split: SplitDecision, _ meter: ProgressMeter,
    _ body: (UnsafeBufferPointer<UInt8>) throws -> Void
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

  /// - Returns: what is odd in the text.
  private func encode(
    _ reader: DocumentReader, by tokenizer: any Tokenizer, _ split: SplitDecision, into folder: String,
    _ manifest: inout CorpusManifest, _ meter: ProgressMeter
  ) throws -> OddText {
    meter.begin(.encoding)
    func sequence(_ side: CorpusSplit) -> ShardSequence {
      ShardSequence(
        folder: folder, prefix: side.rawValue, shardTokens: options.shardTokens, vocabulary: tokenizer.vocabulary,
        tokenizerHash: manifest.tokenizerSha256)
    }
    var (train, validation) = (sequence(.train), sequence(.validation))
    let (specials, specialIsText) = (WrittenSpecials(tokenizer), !options.readsSpecialTokens)
    @Sendable func encoded(_ batch: DocumentBatch) throws -> EncodedBatch {
      try batch.encoded(by: tokenizer, specialIsText: specialIsText, specials, split: split)
    }
    var (empty, invalid, odd) = (0, 0, OddText())
    try orderedWork(
      threads: options.threads, next: reader.next, transform: encoded, weight: \.text.count, waiting: meter.wait
    ) { batch in
      if batch.findings != TextFindings() { odd.lines[batch.source, default: TextFindings()].add(batch.findings) }
      odd.specialDocuments += batch.specialDocuments
      try train.append(batch.train)
      try validation.append(batch.validation)
      empty += batch.emptyDocuments
      invalid += batch.invalidDocuments
      meter.documents += batch.train.documents.count + batch.validation.documents.count
      meter.tokens += batch.train.ids.count + batch.validation.ids.count
      try meter.advance(to: batch.sourceBytes)
      return true
    }
    (manifest.train, manifest.validation) = (try train.finish(), try validation.finish())
    (manifest.emptyDocuments, manifest.invalidDocuments) = (empty, invalid)
    try meter.end()
    return odd
  }

  private func checkSides(_ manifest: CorpusManifest) throws(DataError) {
    let place = inputs.joined(separator: ", ")
    if manifest.train.isEmpty, manifest.validation.isEmpty {
      throw DataError(place, "holds no text: every document is empty.", remedy: "Name files that hold text.")
    }
    if manifest.train.isEmpty {
      throw DataError(
        place, "leaves nothing for training: a validation share of \(options.split.fraction) takes it all.",
        remedy: "Give more text, or split off the tail.")
    }
    if manifest.validation.isEmpty, options.split.fraction > 0 {
      throw DataError(
        place,
        "leaves nothing for validation: a share of \(options.split.fraction) of \(manifest.train.documents) documents is none.",
        remedy: "Choose a larger share, split off the tail instead of by document, or set a share of 0.")
    }
  }

  private func notes(of odd: OddText, _ files: [SourceFile]) -> [String] {
    var notes = TextFindings.sentences(odd.lines.sorted { $0.key < $1.key }.map { (files[$0.key].path, $0.value) })
    if odd.specialDocuments > 0 {
      let subject = odd.specialDocuments == 1 ? "1 document writes" : "\(odd.specialDocuments) documents write"
      notes.append(
        options.readsSpecialTokens
          ? "\(subject) special tokens out; they were read as those tokens"
          : "\(subject) special tokens out, such as [MASK] or <|endoftext|>; they are text like any other (--special-tokens reads them as tokens)"
      )
    }
    return notes
  }

  private func notes(of manifest: CorpusManifest) -> [String] {
    let rule = manifest.split.rule == "tail" ? "the last of the text" : "documents chosen by their hash"
    var notes = ["validation: \(rule), share \(manifest.split.fraction)"]
    func documents(_ count: Int) -> String { "\(count) \(count == 1 ? "document" : "documents")" }
    let (empty, invalid) = (manifest.emptyDocuments, manifest.invalidDocuments)
    if empty > 0 { notes.append("\(empty) empty \(empty == 1 ? "document was" : "documents were") left out") }
    if invalid > 0 {
      notes.append(
        "\(documents(invalid)) \(invalid == 1 ? "is" : "are") not valid UTF-8; the bytes were kept as they are")
    }
    return notes
  }

  private func notes(of search: SourceSearch) -> [String] {
    (search.passedOver.sentence.map { [$0] } ?? []) + search.unusedPatterns.map { "--exclude \($0) matched nothing" }
      + search.repeated.prefix(5).map { "\($0) is among the inputs already; it is read again" }
  }
}

/// What is odd in the text of a corpus.
private struct OddText {
  /// By the file's place among the sources.
  var lines: [Int: TextFindings] = [:]
  /// Documents that write special tokens out.
  var specialDocuments = 0
}

/// Counts bytes on several threads.
private final class HashedBytes: Sendable {
  private let count = Atomic(0)

  var value: Int { count.load(ordering: .relaxed) }

  @Sendable func add(_ bytes: Int) { count.add(bytes, ordering: .relaxed) }
}
