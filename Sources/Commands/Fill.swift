import ArgumentParser
import Core
import Foundation
import Generation
import Kernels
import Storage
import Tokenizers

struct Fill: ComputingCommand, SerialCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the most likely tokens for each [MASK] of a text, with a bidirectional model.",
    discussion: "Example: lockstep fill runs/bert-quickstart --text \"the [MASK] of the land\" --top 5")

  @Argument(help: "A run folder, a checkpoint, or a folder saved by Hugging Face.") var model: String
  @OptionGroup var choice: CheckpointOption
  @Option(parsing: .unconditional, help: "The text, with [MASK] where a token is to be predicted.") var text: String
  @Option(parsing: .unconditional, help: "Candidates for each [MASK].") var top = 5
  @Flag(help: "JSON instead of a table.") var json = false

  struct Row: Codable {
    var position: Int
    var candidates: [Candidate]
    struct Candidate: Codable {
      var token: String
      var id: Int32
      var probability: Double
    }
  }

  func run() throws {
    BLAS.useOneThread()
    flushDenormals()
    guard (1...100_000).contains(top) else {
      throw ConfigurationError("--top", is: top, rule: "it must lie in 1...100000.")
    }
    let loaded = try LoadedModel(model, checkpoint: choice.checkpoint)
    let vocabulary = loaded.tokenizer.vocabulary
    guard loaded.configuration.prediction == .same, loaded.configuration.head == .vocabulary, let mask = vocabulary.mask
    else {
      throw ConfigurationError(model, "holds no masked model; lockstep generate continues a text with a causal one.")
    }
    if let note = loaded.tokenizer.noteOnBlank(beforeMaskIn: text) { StandardError.write("note: \(note)\n") }
    let ids = framed(loaded.tokenizer.encode(withMasks: text), vocabulary)
    let filled = try MaskFiller(loaded.transformer, loaded.parameters).fill(
      ids, mask: mask, top: top, vocabulary: vocabulary.size)
    let rows = filled.map { mask in
      Row(
        position: mask.position,
        candidates: mask.candidates.map {
          .init(token: loaded.tokenizer.text([$0.id], skipSpecial: false), id: $0.id, probability: $0.probability)
        })
    }
    if json { return try StandardOutput.line(prettyJSON(rows)) }
    for (index, row) in rows.enumerated() {
      try StandardOutput.line("[MASK] \(index + 1)")
      for candidate in row.candidates {
        try StandardOutput.line(
          String(format: "  %6.2f %%  ", 100 * candidate.probability) + candidate.token.debugDescription)
      }
    }
  }

  /// [CLS] … [SEP], as the model was trained, where the tokeniser has both.
  private func framed(_ ids: [Int32], _ vocabulary: Vocabulary) -> [Int32] {
    guard let cls = vocabulary.cls, let sep = vocabulary.sep else { return ids }
    return [cls] + ids + [sep]
  }
}
