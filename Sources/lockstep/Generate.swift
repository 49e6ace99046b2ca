import ArgumentParser
import Core
import Data
import Evaluation
import Foundation
import Kernels
import Measures
import Models
import Storage
import Tokenizers

struct Generate: ComputingCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continues a prompt with a causal model, or fills a stretch of masks behind it with a masked one.",
    discussion: "Example: lockstep generate runs/quickstart --prompt \"In the beginning\" --temperature 0.8 --top-p 0.95 --tokens 200")

  @Argument(help: "A run folder, a checkpoint, or a folder saved by Hugging Face.") var model: String
  @Option(help: "The text to continue; - reads standard input.") var prompt = ""
  @Option(help: "The most tokens to add.") var tokens = 200
  @Option(help: "0 always takes the most likely token; higher is more varied.") var temperature = 0.8
  @Option(help: "Choose among the k most likely tokens only; 0 for all.") var topK = 0
  @Option(help: "Choose among the most likely tokens that together reach this probability.") var topP = 0.95
  @Option(help: "The same seed gives the same text.") var seed: UInt64 = 1
  @Option(help: "How many continuations.") var samples = 1
  @Option(help: "Masked models: left-to-right, or confidence (the most certain positions first).") var order = MaskedTextGenerator.Order.leftToRight
  @Option(help: "Masked models by confidence: forward passes; 0 for one a token.") var passes = 0
  @Flag(help: "Go on past the end-of-document token.") var ignoreEnd = false
  @Flag(help: "JSON with the token ids instead of text.") var json = false

  struct Sample: Codable {
    var prompt: String
    var text: String
    var ids: [Int32]
  }

  func run() throws {
    BLAS.useOneThread()
    flushDenormals()
    guard (0...1_000_000).contains(tokens) else { throw ConfigurationError("--tokens", is: tokens, rule: "it must lie in 0...1000000.") }
    guard (1...10_000).contains(samples) else { throw ConfigurationError("--samples", is: samples, rule: "it must lie in 1...10000.") }
    let loaded = try LoadedModel(model)
    guard passes >= 0 else { throw ConfigurationError("--passes", is: passes, rule: "it must be 0 (one a token) or more.") }
    let vocabulary = loaded.tokenizer.vocabulary
    let text = prompt == "-" ? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self) : prompt
    guard loaded.configuration.visibility == .causal else { return try fillMasks(behind: text, loaded) }
    if let note = loaded.tokenizer.noteOnBlank(endOf: text) { StandardError.write("note: \(note)\n") }
    var ids = loaded.tokenizer.encode(text)
    if ids.isEmpty, let start = vocabulary.bos ?? vocabulary.endOfDocument { ids = [start] }
    guard !ids.isEmpty else { throw ConfigurationError("--prompt", "is empty, and the tokeniser has no [BOS] to begin with.") }
    let stop = vocabulary.endOfDocument
    let excluded = Set(vocabulary.special).subtracting(stop.map { [$0] } ?? []).union(ignoreEnd ? stop.map { [$0] } ?? [] : [])
      .union(loaded.emptyRows)
    let generator = TextGenerator(loaded.transformer, loaded.parameters)
    for index in 0..<samples {
      let options = try SamplingOptions(temperature: temperature, topK: topK, topP: topP, seed: seed &+ UInt64(index))
      if samples > 1, !json { try StandardOutput.line("--- sample \(index + 1)") }
      if !json { try show(text) }
      var printed = ids.count
      var all = ids
      let added = try generator.generate(
        ids, count: tokens, TokenSampler(options), stop: ignoreEnd ? nil : stop, excluding: excluded
      ) { token in
        all.append(token)
        if !json { printed = try stream(all, from: printed, loaded.tokenizer) }
        return true
      }
      if json {
        try StandardOutput.line(prettyJSON(Sample(prompt: text, text: loaded.tokenizer.text(added), ids: added)))
      } else {
        try show(String(decoding: loaded.tokenizer.decode(all[printed...], skipSpecial: true), as: UTF8.self) + "\n")
      }
    }
  }

  /// The prompt followed by as many masks as tokens are wanted, in the frame of training, filled.
  private func fillMasks(behind text: String, _ loaded: LoadedModel) throws {
    let vocabulary = loaded.tokenizer.vocabulary
    guard let mask = vocabulary.mask, loaded.transformer.head != nil else {
      throw ConfigurationError(model, "holds a bidirectional model without [MASK] or without a vocabulary head; it cannot write text.")
    }
    let start = loaded.tokenizer.encode(text)
    let frame = try MeasuredModel.framing(of: loaded, vocabulary: vocabulary) == .clsSep
    let room = loaded.configuration.context - start.count - (frame ? 2 : 0)
    guard room > 0 else { throw ConfigurationError("--prompt", is: "\(start.count) tokens long", rule: "the model reads \(loaded.configuration.context), frame included.") }
    let masks = [Int32](repeating: mask, count: min(tokens, room))
    guard !masks.isEmpty else { return try show(text + "\n") }
    if masks.count < tokens { StandardError.write("note: a masked model writes inside its context; \(masks.count) tokens fit.\n") }
    let framed = (frame ? [vocabulary.cls].compactMap { $0 } : []) + start + masks + (frame ? [vocabulary.sep].compactMap { $0 } : [])
    let generator = MaskedTextGenerator(loaded.transformer, loaded.parameters)
    for index in 0..<samples {
      let options = try SamplingOptions(temperature: temperature, topK: topK, topP: topP, seed: seed &+ UInt64(index))
      let filled = try generator.fill(framed, mask: mask, order: order, passes: passes, TokenSampler(options), excluding: Set(vocabulary.special).union(loaded.emptyRows))
      let added = Array(filled[(start.count + (frame ? 1 : 0))...].prefix(masks.count))
      if json {
        try StandardOutput.line(prettyJSON(Sample(prompt: text, text: loaded.tokenizer.text(added), ids: added)))
      } else {
        if samples > 1 { try StandardOutput.line("--- sample \(index + 1)") }
        try show(String(decoding: loaded.tokenizer.decode(start + added, skipSpecial: true), as: UTF8.self) + "\n")
      }
    }
  }

  /// Prints tokens once their bytes are whole characters. - Returns: how many tokens have been printed.
  private func stream(_ all: [Int32], from printed: Int, _ tokenizer: any Tokenizer) throws -> Int {
    let bytes = tokenizer.decode(all[printed...], skipSpecial: true)
    guard let text = String(validating: bytes, as: UTF8.self) else { return printed }
    try show(text)
    return all.count
  }

  private func show(_ text: String) throws { try StandardOutput.write(text) }
}

extension MaskedTextGenerator.Order: ExpressibleByArgument {}
