import ArgumentParser
import Classification
import Collectives
import Comparison
import Configuration
import Core
import Data
import Evaluation
import Foundation
import Generation
import HuggingFace
import Kernels
import Machine
import Measures
import Metrics
import Runs
import Storage
import Tensors

struct Evaluate: ComputingCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Measures a model on a prepared corpus, over all ranks: its loss and perplexity, and the other measures that --list names.",
    discussion: """
      Examples:
        mpirun -n 2 lockstep evaluate runs/quickstart --corpus corpora/quickstart --json
        lockstep evaluate runs/bert-quickstart --corpus corpora/quickstart --measure left-to-right --measure any-order --set left-to-right.windows=200
      """)

  @Argument(help: "A run folder, a checkpoint, or a folder saved by Hugging Face.") var model: String?
  @OptionGroup var choice: CheckpointOption
  @Option(parsing: .unconditional, help: "The folder that lockstep prepare wrote.") var corpus: String?
  @Option(parsing: .unconditional, help: "train or validation.") var split = CorpusSplit.validation
  @Option(
    name: .customLong("measure"), parsing: .unconditionalSingleValue,
    help: "What to measure; may be given several times. By default loss.") var measures: [String] = []
  @Option(
    name: .customLong("set"), parsing: .unconditionalSingleValue,
    help: "An option of a measure, as left-to-right.windows=100.") var settings: [String] = []
  @Option(parsing: .unconditional, help: "Samples computed together.") var microBatch = 8
  @Option(parsing: .unconditional, help: "Computing threads per rank; 0 takes the CPUs this rank may use.")
  var threads = 0
  @Option(parsing: .unconditional, help: "Seed of masks and draws.") var seed: UInt64 = 1
  @Option(
    parsing: .unconditional,
    help:
      "With --measure finetune: the folder to save the classifier in, for the …ForSequenceClassification class of transformers."
  ) var save: String?
  @Option(
    parsing: .unconditional,
    help:
      "A new file for the predictions of probe, knn, finetune and bag-of-words for each test example: a table with tabs."
  ) var predictions: String?
  @Option(
    parsing: .unconditional, help: "A folder for the pictures that measures make, such as those of reconstruct."
  ) var pictures: String?
  @Flag(help: "One JSON object instead of a table.") var json = false
  @Flag(help: "List the measures with their options, and stop.") var list = false

  struct Report: Codable {
    var model: String
    var objective: String
    var corpus: String?
    var split: String
    var seed: UInt64
    var measures: [String: MeasureResult]
  }

  var computes: Bool { !list }

  func run() throws {
    if list { return try showList() }
    try Job.run { communicator in
      BLAS.useOneThread()
      let threads = try Job.collectively(communicator) { try ComputingThreads.count(self.threads, communicator) }
      let (opened, corpus, chosen) = try Job.collectively(communicator) { try open(isRoot: communicator.rank == 0) }
      try Job.requireSameInputs(opened, corpus, communicator)
      try communicator.broadcast(
        UnsafeMutableRawBufferPointer(start: opened.parameters.memory, count: 4 * opened.parameters.layout.count),
        from: 0)
      let context = MeasureContext(
        opened, corpus: corpus, split: split, communicator: communicator, threads: threads, microBatch: microBatch,
        seed: seed,
        classifierFolder: save, meters: communicator.rank == 0 ? .standardError() : nil)
      var report = Report(
        model: opened.path, objective: opened.objective.name, corpus: corpus?.folder, split: split.rawValue, seed: seed,
        measures: [:])
      for (name, measure) in chosen {
        context.activity = name
        report.measures[name] = try measure(context)
      }
      guard communicator.rank == 0 else { return }
      if let predictions {
        try AtomicFile.write(
          Predictions.table(chosen.flatMap { report.measures[$0.name]?.predictions ?? [] }), to: predictions)
      }
      if let pictures {
        try PictureFile.write(
          chosen.compactMap { name, _ in report.measures[name].map { (name, $0) } }, to: pictures)
      }
      // They are files, or nothing.
      for name in report.measures.keys { report.measures[name]?.pictures = [] }
      try show(report, order: chosen.map(\.name))
    }
  }

  private func open(isRoot: Bool) throws -> (MeasuredModel, Corpus?, [(name: String, measure: any Measure)]) {
    guard let path = model else {
      throw ConfigurationError(
        "MODEL", "is missing; name a run folder, a checkpoint, or a folder saved by Hugging Face.")
    }
    guard (1...4096).contains(microBatch) else {
      throw ConfigurationError("--micro-batch", is: microBatch, rule: "it must lie in 1...4096.")
    }
    let chosen = try chosenMeasures()
    try checkOutputs(chosen.map(\.name))
    let resolved = try LoadedModel.resolve(path, checkpoint: choice.checkpoint, isRoot: isRoot)
    let opened = try corpus.map { try Corpus($0) }
    if let opened { try TokenizerMatch.requireFit(model: resolved, corpus: opened) }
    let model = try MeasuredModel(resolved, corpus: opened)
    for (name, measure) in chosen {
      if let reason = measure.unsupportedReason(model) {
        throw ConfigurationError("--measure", "is \(name), but \(resolved) \(reason).")
      }
    }
    return (model, opened, chosen)
  }

  /// What can be known to fail before anything is measured.
  private func checkOutputs(_ names: [String]) throws {
    if let save {
      guard names.contains(FinetuneMeasure.name) else {
        throw ConfigurationError("--save", is: save, rule: "only --measure finetune trains something to save.")
      }
      try SequenceClassifier.check(target: save)
    }
    guard let predictions else { return }
    let classifying = MeasureRegistry.entries.filter(\.classifies).map(\.name)
    guard names.contains(where: classifying.contains) else {
      throw ConfigurationError(
        "--predictions", is: predictions, rule: "one of \(classifying.joined(separator: ", ")) must be measured.")
    }
    try NewFile.check(predictions)
  }

  /// The requested measures with their options, every mistake in them at once.
  private func chosenMeasures() throws(ConfigurationError) -> [(name: String, measure: any Measure)] {
    let names = measures.isEmpty ? [LossMeasure.name] : measures
    var entries: [MeasureEntry] = []
    for name in names {
      guard let entry = MeasureRegistry.entry(named: name) else {
        throw ConfigurationError(
          "--measure", is: name,
          rule: "it must be one of \(MeasureRegistry.entries.map(\.name).joined(separator: ", ")).")
      }
      if !entries.contains(where: { $0.name == name }) { entries.append(entry) }
    }
    var root = ConfigurationNode.table([:])
    // Errors and comparisons name the keys in full; both forms are taken.
    for setting in settings {
      root = try root.setting(setting.hasPrefix("measures.") ? setting : "measures.\(setting)")
    }
    let reader = ConfigurationReader(root)
    var read: [(name: String, measure: any Measure)] = []
    for entry in entries { if let measure = entry.read(reader) { read.append((entry.name, measure)) } }
    reader.noteUnknownKeys { key in
      let name = key.split(separator: ".").dropFirst().first.map(String.init) ?? ""
      let isMeasured = entries.contains { $0.name == name }
      return isMeasured || MeasureRegistry.entry(named: name) == nil
        ? nil : "belongs to \(name), which is not measured; add --measure \(name)."
    }
    guard reader.problems.isEmpty else { throw ConfigurationError(problems: reader.problems) }
    return read
  }

  private func show(_ report: Report, order: [String]) throws {
    if json { return try StandardOutput.line(prettyJSON(report)) }
    try StandardOutput.line("model        \(printableName(report.model)), trained by \(report.objective)")
    if let corpus = report.corpus { try StandardOutput.line("corpus       \(printableName(corpus)), \(report.split)") }
    for name in order {
      guard let result = report.measures[name] else { continue }
      try StandardOutput.line("\n\(name)")
      for value in result.values {
        let label = value.name.padding(toLength: max(28, value.name.count), withPad: " ", startingAt: 0)
        let error = value.standardError.map { String(format: " ± %.4g", $0) } ?? ""
        try StandardOutput.line(
          "  \(label) \(Self.text(value.value))\(error)\(value.unit.isEmpty ? "" : "  \(value.unit)")")
      }
      for table in result.tables.sorted(by: { $0.key < $1.key }) { try show(table.key, table.value) }
      for note in result.notes { try StandardOutput.line("  \(note)") }
    }
  }

  private func show(_ name: String, _ table: MeasuredTable) throws {
    try StandardOutput.line("  \(name)")
    func line(_ cells: [String]) throws {
      try StandardOutput.line(
        "    "
          + cells.map { $0.padding(toLength: max(14, $0.count), withPad: " ", startingAt: 0) }.joined(separator: " "))
    }
    try line(table.columns)
    for row in table.rows.prefix(20) { try line(row.map(Self.text)) }
    if table.rows.count > 20 { try StandardOutput.line("    … \(table.rows.count - 20) more rows with --json") }
  }

  /// Whole numbers as such, others with six significant digits.
  private static func text(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e9 ? String(Int(value)) : String(format: "%.6g", value)
  }

  private func showList() throws {
    struct Row: Codable {
      var name: String
      var summary: String
      var options: [String: String]
    }
    let rows = MeasureRegistry.entries.map { entry in
      Row(
        name: entry.name, summary: entry.summary,
        options: Dictionary(
          uniqueKeysWithValues: optionProperties(entry.defaultOptions).map {
            (snakeCase($0.name), optionText($0.value))
          }))
    }
    if json { return try StandardOutput.line(prettyJSON(rows)) }
    for row in rows {
      try StandardOutput.line(
        "\(row.name.padding(toLength: max(20, row.name.count), withPad: " ", startingAt: 0)) \(row.summary)")
      let options = row.options.sorted { $0.key < $1.key }.map { "\(row.name).\($0.key)=\($0.value)" }.joined(
        separator: ", ")
      if !options.isEmpty { try StandardOutput.line("                     --set \(options)") }
    }
  }
}

extension CorpusSplit: ExpressibleByArgument {}
