import ArgumentParser
import Audit
import Checkpoints
import Comparison
import Configuration
import Core
import Data
import Evaluation
import Foundation
import Runs
import Safetensors
import Storage

struct Inspect: SerialCommand {
  static let configuration = CommandConfiguration(
    abstract: "Reports what a corpus, shard, checkpoint, run or safetensors file holds, and whether it is intact.",
    discussion: """
      For a run it proves that every sample was used exactly once, over all starts and rank counts, from ledger.jsonl, the \
      checkpoints, the configuration and the corpus. Ends with exit code 3 when something is damaged or was not used once.

      With --batch it shows a micro-batch of a step as the networks see it: every row's token, position and the rows it sees, what is \
      predicted there, and with what weight. The step need not have been run yet.

      With --pictures it draws a few records of a corpus of numbers: a contact sheet of images, volumes or spectrograms, or curves of \
      series.

      Examples: lockstep inspect runs/quickstart
        lockstep inspect runs/quickstart --batch 68 --micro-batch 1
        lockstep inspect corpora/fashion-mnist --quick --pictures pictures
      """)

  @Argument(help: "The folder or file.") var path: String
  @Flag(help: "Do not read every byte of a corpus: headers and sizes only, and of a run's samples the order only.")
  var quick = false
  @Option(parsing: .unconditional, help: "Where the corpus of a run is now; by default where its configuration says.")
  var corpus: String?
  @Option(parsing: .unconditional, help: "Of a run: show a micro-batch of this step, numbered as in metrics.jsonl.")
  var batch: Int?
  @Option(parsing: .unconditional, help: "Which micro-batch of the step, from 0; by default the first.") var microBatch:
    Int?
  @OptionGroup var choice: CheckpointOption
  @Option(parsing: .unconditional, help: "Of a corpus of numbers: a folder for pictures of a few records.")
  var pictures: String?
  @Option(parsing: .unconditional, help: "How many records are drawn.") var records = 24
  @Flag(help: "JSON instead of lines.") var json = false

  private var lastName: String { URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent }

  func run() throws {
    guard FileManager.default.fileExists(atPath: path) else {
      throw DataError(path, "does not exist.", remedy: "Check the path.")
    }
    guard pictures == nil || FileManager.default.fileExists(atPath: path + "/corpus.json") else {
      throw ConfigurationError("--pictures", "is for a corpus of numbers, and \(printableName(path)) is no corpus.")
    }
    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
    if batch != nil || microBatch != nil {
      try showBatch()
    } else if let checkpoint = choice.checkpoint {
      let chosen = try ModelFolder.resolve(path, checkpoint) { StandardError.write($0 + "\n") }
      let summary = CheckpointSummary(of: chosen)
      try show(summary, lines: summary.lines, intact: summary.isIntact)
    } else if has("checkpoints") {
      let run = try RunInspection(path, corpus: corpus, quick: quick)
      try show(run, lines: run.lines, intact: run.isIntact, unread: run.summary.checkpoints.contains(where: \.isUnread))
    } else if !has("state.json"), has("config.json"), has("model.safetensors"),
      RunFolder.step(ofCheckpointNamed: lastName) == nil
    {
      let tensors = try SafetensorsFile(path + "/model.safetensors").tensors
      let count = tensors.reduce(0) { $0 + $1.shape.reduce(1, *) }
      let lines = [
        "a folder for Hugging Face tools, no checkpoint: \(counted(tensors.count, "tensor")), \(counted(count, "parameter"))"
      ]
      try show(tensors, lines: lines + tensors.map { "  \($0.name) \($0.format) \($0.shape)" }, intact: true)
    } else if has("state.json") || has("model.safetensors") {
      let summary = CheckpointSummary(of: path)
      try show(summary, lines: summary.lines, intact: summary.isIntact, unread: summary.isUnread)
    } else if path.hasSuffix(".safetensors") {
      let tensors = try SafetensorsFile(path).tensors
      let lines = tensors.map { "\($0.name)  \($0.shape)  \($0.format)" }
      try show(lines, lines: lines, intact: true)
    } else {
      let inspection = try CorpusInspection(path, verify: !quick)
      if let pictures {
        if inspection.isIntact {
          try draw(to: pictures)
        } else {
          StandardError.write("no pictures of a damaged corpus\n")
        }
      }
      try show(inspection, lines: inspection.lines, intact: inspection.isIntact, unread: inspection.isUnread)
    }
  }

  /// Pictures of records of the corpus, and where they are.
  private func draw(to folder: String) throws {
    guard (1...400).contains(records) else {
      throw ConfigurationError("--records", is: records, rule: "it must lie in 1...400.")
    }
    let drawn = try CorpusPictures(Corpus(path), records: records)
    try PictureFile.write([("corpus", MeasureResult([], pictures: drawn.pictures))], to: folder)
    StandardError.write("drew \(counted(drawn.pictures.count, "picture")) in \(folder)\n")
    if !drawn.labels.isEmpty {
      StandardError.write("labels in reading order: \(drawn.labels.joined(separator: " "))\n")
    }
  }

  /// A micro-batch of a run, made again.
  private func showBatch() throws {
    guard let batch else { throw ConfigurationError("--micro-batch", "belongs to a step; name one with --batch.") }
    let folder = RunFolder(path)
    guard let text = try folder.configuration() else {
      throw DataError(
        path, "is not a run folder: it has no config.toml.",
        remedy: "Name a folder that lockstep train made, such as runs/quickstart.")
    }
    var configuration = try RunConfiguration(toml: text, place: folder.configurationPath)
    if let corpus { configuration.data.corpus = corpus }
    let view = try BatchInspection(PastRun(folder), configuration)(step: batch, microBatch: microBatch ?? 0) {
      StandardError.write("warning: \($0)\n")
    }
    try show(view, lines: view.lines, intact: true)
  }

  /// - Parameter unread: something could not be read, which says nothing about its bytes.
  private func show(_ value: some Encodable, lines: [String], intact: Bool, unread: Bool = false) throws {
    if json { try StandardOutput.line(prettyJSON(value)) } else { for line in lines { try StandardOutput.line(line) } }
    if !intact { throw Failure.Reported(code: unread ? .inputOutput : .data) }
  }
}
