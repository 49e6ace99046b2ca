import ArgumentParser
import Checkpoints
import Core
import Data
import Foundation
import Storage

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Says what a corpus, shard, checkpoint, run or safetensors file holds, and whether it is intact.",
    discussion: "Example: lockstep inspect runs/quickstart")

  @Argument(help: "The folder or file.") var path: String
  @Flag(help: "Headers and sizes only; do not read every byte of a corpus.") var quick = false
  @Flag(help: "JSON instead of lines.") var json = false

  func run() throws {
    guard FileManager.default.fileExists(atPath: path) else { throw DataError(path, "does not exist.", remedy: "Check the path.") }
    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
    if has("checkpoints") {
      let summary = try RunSummary(of: RunFolder(path))
      try show(summary, lines: summary.lines, intact: summary.problems.isEmpty && summary.checkpoints.allSatisfy(\.isIntact))
    } else if has("state.json") || has("model.safetensors") {
      let summary = CheckpointSummary(of: path)
      try show(summary, lines: summary.lines, intact: summary.isIntact || !has("state.json"))
    } else if path.hasSuffix(".safetensors") {
      let tensors = try SafetensorsFile(path).tensors
      let lines = tensors.map { "\($0.name)  \($0.shape)  \($0.format)" }
      try show(lines, lines: lines, intact: true)
    } else {
      let inspection = try CorpusInspection(path, verify: !quick)
      try show(inspection, lines: inspection.lines, intact: inspection.isIntact)
    }
  }

  private func show(_ value: some Encodable, lines: [String], intact: Bool) throws {
    if json { print(try prettyJSON(value)) } else { for line in lines { print(line) } }
    if !intact { throw Failure.Reported(code: .data) }
  }
}
