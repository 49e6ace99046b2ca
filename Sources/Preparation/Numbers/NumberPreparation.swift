import Core
import Data
import Foundation
import Storage

/// Makes a corpus of numbers from files as they come: images, series, sound, arrays.
///
/// The bytes of the corpus depend on the inputs and the options, never on the number of threads: files are decoded on
/// any thread and staged in order. Memory holds a few records and what is known of each; tables are held whole.
public struct NumberPreparation: Sendable {
  /// Files and folders.
  public let inputs: [String]
  /// The corpus folder to be made.
  public let target: String
  public let options: NumberOptions

  /// Describes a preparation; `run` does it.
  public init(inputs: [String], target: String, options: NumberOptions = NumberOptions()) {
    (self.inputs, self.target, self.options) = (inputs, target, options)
  }

  /// Makes the corpus, or finds that it is there.
  ///
  /// - Parameter progress: called on this thread a few times per second and at the end of each phase; what it throws
  ///   stops the preparation and removes what it has written.
  /// - Throws: `ConfigurationError`, `DataError` or `FileError`; the target is then as it was before.
  public func run(progress: (PreparationProgress) throws -> Void = { _ in }) throws -> PreparationOutcome {
    let format = try NumberFormat.of(inputs, options.format)
    let problems = options.problems(format)
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
    let restored = try WorkFolder.restore(target)
    let output = try OutputFolder(target)
    if output.state != .corpus || options.force { try output.requireWritable() }
    let sources = try NumberSources(inputs, format, options)
    return try withoutActuallyEscaping(progress) { progress in
      let meter = ProgressMeter(total: sources.bytes, report: progress)
      let hashed = try sources.hashed(meter, threads: options.threads)
      let recipe = SHA256.of(
        "lockstep numbers \(CorpusManifest.currentVersion)\n" + options.recipe(format, unit(format))
          + hashed.map { "\($0.sha256) \($0.bytes) \($0.name)\n" }.joined())
      var notes = restored ? ["\(output.path) was being replaced when a process was killed; it was put back"] : []
      if let present = try presentCorpus(output, recipe, hashed) {
        return PreparationOutcome(
          manifest: present, alreadyPrepared: true, notes: notes + ["already prepared: \(output.path)"])
      }
      let work = try WorkFolder(for: output)
      do {
        let (manifest, found) = try build(in: work.path, format, sources, hashed, recipe, meter)
        // The last moment to stop: what is exchanged is exchanged.
        try meter.end()
        notes += found + (try work.commit().map { [$0] } ?? [])
        return PreparationOutcome(manifest: manifest, alreadyPrepared: false, notes: notes)
      } catch {
        work.discard()
        throw error
      }
    }
  }

  private func unit(_ format: NumberFormat) -> DataShape.Unit {
    options.unit ?? (options.reader.mel != nil ? .frames : format.unit)
  }

  /// The corpus at the target when it is the one wanted; nil when there is none or it is to be replaced.
  private func presentCorpus(_ output: OutputFolder, _ recipe: String, _ sources: [CorpusManifest.Source]) throws
    -> CorpusManifest?
  {
    guard output.state == .corpus, !options.force else { return nil }
    let corpus: Corpus
    do { corpus = try Corpus(output.path) } catch let error as DataError {
      throw DataError(error.place, error.problem, remedy: "prepare --force makes the corpus again.")
    }
    guard corpus.manifest.recipe == recipe else {
      let what = corpus.manifest.sources == sources ? "with other options" : "from other files"
      throw DataError(
        output.path, "holds a corpus made \(what).", remedy: "Name another folder, or replace it with --force.")
    }
    for split in CorpusSplit.allCases { _ = try corpus.valueShards(split) }
    return corpus.manifest
  }

  private func build(
    in folder: String, _ format: NumberFormat, _ sources: NumberSources, _ hashed: [CorpusManifest.Source],
    _ recipe: String, _ meter: ProgressMeter
  ) throws -> (CorpusManifest, [String]) {
    let staging = folder + "/staged"
    try FileManager.default.createDirectory(atPath: staging, withIntermediateDirectories: true)
    let staged = try StagedRecords(in: staging, needsKeys: options.split.usesContent)
    let notes = try sources.stage(staged, options, meter)
    guard staged.count > 0 else {
      throw DataError(inputs.joined(separator: ", "), "holds no records.", remedy: "Name files with records.")
    }
    let (values, observed) = try staged.finish()
    let parts = try SplitParts(
      staged, options.split, isContinuous: format.isContinuous, files: sources.files.map(\.name),
      place: inputs.joined(separator: ", "))
    let plan = NumberPlan(staged, parts, format, unit(format), values: values, observed: observed)
    if let problem = plan.records.sizeProblem {
      throw DataError(inputs.joined(separator: ", "), "cannot become a corpus: \(problem).")
    }
    let writer = plan.writer(staged, values: values, observed: observed, shardBytes: options.shardBytes)
    meter.begin(.writing, total: values.count)
    var written = 0
    func advance(_ bytes: Int, _ records: Int) throws {
      written += bytes
      meter.documents += records
      try meter.advance(to: written)
    }
    let train = try writer.write(parts.train, .train, into: folder, progress: advance)
    let validation = try writer.write(parts.validation, .validation, into: folder, progress: advance)
    try staged.remove()
    let manifest = CorpusManifest(
      recipe: recipe, tokenizerSha256: "", tokenizerConfigSha256: "", vocabulary: Vocabulary(size: 0),
      split: parts.entry, train: train, validation: validation, sources: hashed, values: plan.records)
    try AtomicFile.write(manifest.encoded(), to: folder + "/" + CorpusManifest.fileName)
    return (manifest, notes + [Self.note(on: parts.entry)])
  }

  private static func note(on split: CorpusManifest.Split) -> String {
    switch split.rule {
    case "files": "validation: the files of --validation-input"
    case "tail": "validation: the end, share \(split.fraction)"
    case "document-hash": "validation: records chosen by their content, share \(split.fraction)"
    default: "validation: \(split.rule), share \(split.fraction)"
    }
  }
}

extension NumberSplit {
  /// Whether the content of records is hashed.
  var usesContent: Bool {
    switch self {
    case .byContent, .automatic: true
    case .files, .tail, .byField: false
    }
  }
}
