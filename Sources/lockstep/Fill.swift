import ArgumentParser
import Core
import Evaluation
import Foundation
import Storage
import Kernels
import Measures
import Tokenizers

struct Fill: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Lists the likeliest tokens behind each [MASK] of a text, with a bidirectional model.",
    discussion: "Example: lockstep fill runs/bert --text \"the [MASK] of the land\" --top 5")

  @Argument(help: "A run folder, a checkpoint, or a folder saved by Hugging Face.") var model: String
  @OptionGroup var choice: CheckpointOption
  @Option(parsing: .unconditional, help: "The text, with [MASK] where a token is asked for.") var text: String
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
    guard (1...100_000).contains(top) else { throw ConfigurationError("--top", is: top, rule: "it must lie in 1...100000.") }
    let loaded = try LoadedModel(model, checkpoint: choice.checkpoint)
    let vocabulary = loaded.tokenizer.vocabulary
    guard loaded.configuration.visibility == .bidirectional, loaded.configuration.head == .vocabulary, let mask = vocabulary.mask else {
      throw ConfigurationError(model, "holds no masked model; lockstep generate continues a text with a causal one.")
    }
    let ids = framed(try encode(loaded.tokenizer, mask), vocabulary)
    let filled = try MaskFiller(loaded.transformer, loaded.parameters).fill(ids, mask: mask, top: top)
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
        try StandardOutput.line(String(format: "  %6.2f %%  ", 100 * candidate.probability) + candidate.token.debugDescription)
      }
    }
  }

  /// The text as the tokeniser reads it, its own mask written for [MASK]: whether a blank before a mask belongs to it is the
  /// tokeniser's to say.
  private func encode(_ tokenizer: any Tokenizer, _ mask: Int32) throws -> [Int32] {
    let pieces = text.components(separatedBy: "[MASK]")
    guard pieces.count > 1 else { throw DataError("the text", "has no [MASK] to fill.", remedy: "Write [MASK] where a token is asked for.") }
    var ids = tokenizer.encode(pieces.joined(separator: tokenizer.token(mask) ?? "[MASK]"))
    if ids.count(where: { $0 == mask }) != pieces.count - 1 {
      // A tokeniser that does not look for its mask in a text.
      ids = pieces.enumerated().flatMap { index, piece in (index > 0 ? [mask] : []) + tokenizer.encode(piece) }
    }
    if ids.indices.contains(where: { ids[$0] == mask && PromptAdvice.endsInBlankToken(ids[..<$0], tokenizer) }) {
      StandardError.write(
        "warning: a blank before [MASK] becomes a token of its own: this tokeniser's words carry the blank before them, so write it without, as in Prince[MASK].\n")
    }
    return ids
  }

  /// [CLS] … [SEP], as the model was trained, where the tokeniser has both.
  private func framed(_ ids: [Int32], _ vocabulary: Vocabulary) -> [Int32] {
    guard let cls = vocabulary.cls, let sep = vocabulary.sep else { return ids }
    return [cls] + ids + [sep]
  }
}
