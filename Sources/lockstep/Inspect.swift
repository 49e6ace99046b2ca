import ArgumentParser
import Checkpoints
import Core
import Data
import Foundation
import Storage

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what a corpus, shard, checkpoint, run or safetensors file holds, and whether it is intact.",
    discussion: """
      Of a run it proves that every sample was used exactly once, over all starts and rank counts, from ledger.jsonl, the \
      checkpoints, the configuration and the corpus. Ends with exit code 3 when something is damaged or was not used once.

      Example: lockstep inspect runs/quickstart
      """)

  @Argument(help: "The folder or file.") var path: String
  @Flag(help: "Do not read every byte of a corpus: headers and sizes only, and of a run's samples the order only.") var quick = false
  @Option(parsing: .unconditional, help: "Where the corpus of a run is now; by default where its configuration says.") var corpus: String?
  @OptionGroup var choice: CheckpointOption
  @Flag(help: "JSON instead of lines.") var json = false

  func run() throws {
    guard FileManager.default.fileExists(atPath: path) else { throw DataError(path, "does not exist.", remedy: "Check the path.") }
    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
    if let checkpoint = choice.checkpoint {
      let chosen = try ModelFolder.resolve(path, checkpoint) { StandardError.write($0 + "\n") }
      let summary = CheckpointSummary(of: chosen)
      try show(summary, lines: summary.lines, intact: summary.isIntact)
    } else if has("checkpoints") {
      let run = try RunInspection(path, corpus: corpus, quick: quick)
      try show(run, lines: run.lines, intact: run.isIntact, unread: run.summary.checkpoints.contains(where: \.isUnread))
    } else if has("state.json") || has("model.safetensors") {
      let summary = CheckpointSummary(of: path)
      try show(summary, lines: summary.lines, intact: summary.isIntact || !has("state.json"), unread: summary.isUnread)
    } else if path.hasSuffix(".safetensors") {
      let tensors = try SafetensorsFile(path).tensors
      let lines = tensors.map { "\($0.name)  \($0.shape)  \($0.format)" }
      try show(lines, lines: lines, intact: true)
    } else {
      let inspection = try CorpusInspection(path, verify: !quick)
      try show(inspection, lines: inspection.lines, intact: inspection.isIntact)
    }
  }

  /// - Parameter unread: something could not be read, which says nothing about its bytes.
  private func show(_ value: some Encodable, lines: [String], intact: Bool, unread: Bool = false) throws {
    if json { try StandardOutput.line(prettyJSON(value)) } else { for line in lines { try StandardOutput.line(line) } }
    if !intact { throw Failure.Reported(code: unread ? .inputOutput : .data) }
  }
}
