import ArgumentParser
import Core
import Data
import Evaluation
import Foundation
import Generation
import Kernels
import Models
import Storage
import Tokenizers

struct Generate: ComputingCommand, SerialCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continues a prompt with a causal model, or fills a sequence of masks after it with a masked one.",
    discussion: """
      A file or pipe gets every byte as the model wrote it; on a terminal control characters are escaped, as \\x1b, and \
      bytes that are not UTF-8 are shown as U+FFFD.

      Example: lockstep generate runs/quickstart --prompt "In the beginning" --temperature 0.8 --top-p 0.95 --tokens 200
      """)

  @Argument(help: "A run folder, a checkpoint, or a folder saved by Hugging Face.") var model: String
  @OptionGroup var choice: CheckpointOption
  @Option(parsing: .unconditional, help: "The text to continue; - reads standard input.") var prompt = ""
  @Option(parsing: .unconditional, help: "The most tokens to add.") var tokens = 200
  @Option(parsing: .unconditional, help: "0 always takes the most likely token; higher is more varied.")
  var temperature = 0.8
  @Option(parsing: .unconditional, help: "Choose among the k most likely tokens only; 0 for all.") var topK = 0
  @Option(parsing: .unconditional, help: "Choose among the most likely tokens that together reach this probability.")
  var topP = 0.95
  @Option(parsing: .unconditional, help: "A whole number from 0; the same seed gives the same text.") var seed: UInt64 =
    1
  @Option(parsing: .unconditional, help: "Number of continuations.") var samples = 1
  @Option(
    parsing: .unconditional, help: "Masked models: left-to-right, or confidence (the most certain positions first).")
  var order: MaskedTextGenerator.Order?
  @Option(parsing: .unconditional, help: "Masked models by confidence: forward passes; 0 for one per token.")
  var passes = 0
  @Flag(help: "Continue past the end-of-document token.") var ignoreEnd = false
  @Flag(help: "JSON with the token ids instead of text: an object, or an array for several samples.") var json = false

  struct Sample: Codable {
    var prompt: String
    var text: String
    var ids: [Int32]
  }

  func run() throws {
    BLAS.useOneThread()
    flushDenormals()
    let samplers = try checkedSamplers()
    let text = prompt == "-" ? try StandardInput.bytes() : Array(prompt.utf8)
    let loaded = try LoadedModel(model, checkpoint: choice.checkpoint)
    if let note = loaded.tokenizer.noteOnBlank(endOf: String(decoding: text, as: UTF8.self)) {
      StandardError.write("warning: \(note)\n")
    }
    if loaded.configuration.prediction == .next {
      guard order == nil, passes == 0 else {
        throw ConfigurationError(
          order == nil ? "--passes" : "--order",
          "is for masked models, and \(model) is a causal one, which writes from left to right.")
      }
      try continueText(text, loaded, samplers)
    } else {
      try fillMasks(behind: text, loaded, samplers)
    }
  }

  /// One for each sample. - Throws: `ConfigurationError` for any option out of range, before anything is read.
  private func checkedSamplers() throws(ConfigurationError) -> [TokenSampler] {
    guard (0...1_000_000).contains(tokens) else {
      throw ConfigurationError("--tokens", is: tokens, rule: "it must lie in 0...1000000.")
    }
    guard (1...10_000).contains(samples) else {
      throw ConfigurationError("--samples", is: samples, rule: "it must lie in 1...10000.")
    }
    guard passes >= 0 else {
      throw ConfigurationError("--passes", is: passes, rule: "it must be 0 (one per token) or more.")
    }
    var samplers: [TokenSampler] = []
    for index in 0..<samples {
      samplers.append(
        TokenSampler(try SamplingOptions(temperature: temperature, topK: topK, topP: topP, seed: seed &+ UInt64(index)))
      )
    }
    return samplers
  }

  private func continueText(_ text: [UInt8], _ loaded: LoadedModel, _ samplers: [TokenSampler]) throws {
    let vocabulary = loaded.tokenizer.vocabulary
    var ids = loaded.tokenizer.encode(text)
    if ids.isEmpty, let start = vocabulary.bos ?? vocabulary.endOfDocument { ids = [start] }
    guard !ids.isEmpty else {
      throw ConfigurationError("--prompt", "is empty, and the tokeniser has no [BOS] to begin with.")
    }
    let context = loaded.configuration.maxPosition
    if ids.count > context {
      StandardError.write(
        "warning: the prompt has \(ids.count) tokens and the model reads \(context): it sees the last \(context) only.\n"
      )
    }
    let stop = vocabulary.endOfDocument
    let excluded = Set(vocabulary.special).subtracting(stop.map { [$0] } ?? []).union(
      ignoreEnd ? stop.map { [$0] } ?? [] : []
    )
    .union(loaded.emptyRows)
    let generator = TextGenerator(loaded.transformer, loaded.parameters)
    var all: [Sample] = []
    for (index, sampler) in samplers.enumerated() {
      var (shown, streamed) = (TextStream(), StreamedText(loaded.tokenizer, after: ids))
      if !json {
        if samples > 1 { try StandardOutput.line("--- sample \(index + 1)") }
        try shown.write(text)
      }
      let added = try generator.generate(ids, count: tokens, sampler, stop: ignoreEnd ? nil : stop, excluding: excluded)
      { token in
        if !json { try shown.write(streamed.bytes(of: token)) }
        return true
      }
      if json { all.append(sample(text, added, loaded.tokenizer)) } else { try shown.finish() }
    }
    try show(all)
  }

  /// The prompt followed by as many masks as tokens are wanted, in the frame of training, filled.
  private func fillMasks(behind text: [UInt8], _ loaded: LoadedModel, _ samplers: [TokenSampler]) throws {
    let vocabulary = loaded.tokenizer.vocabulary
    guard let mask = vocabulary.mask, loaded.transformer.head != nil else {
      throw ConfigurationError(
        model, "holds a bidirectional model without [MASK] or without a vocabulary head; it cannot write text.")
    }
    let start = loaded.tokenizer.encode(text)
    let frame = try MeasuredModel.framing(of: loaded, vocabulary: vocabulary) == .clsSep
    let room = loaded.configuration.maxPosition - start.count - (frame ? 2 : 0)
    guard room > 0 else {
      throw ConfigurationError(
        "--prompt", is: "\(start.count) tokens long",
        rule: "the model reads \(loaded.configuration.maxPosition), frame included.")
    }
    let masks = [Int32](repeating: mask, count: min(tokens, room))
    if masks.count < tokens {
      StandardError.write("note: a masked model writes inside its context; \(masks.count) tokens fit.\n")
    }
    let framed =
      (frame ? [vocabulary.cls].compactMap { $0 } : []) + start + masks
      + (frame ? [vocabulary.sep].compactMap { $0 } : [])
    let generator = MaskedTextGenerator(loaded.transformer, loaded.parameters)
    var all: [Sample] = []
    for (index, sampler) in samplers.enumerated() {
      let filled =
        masks.isEmpty
        ? framed
        : try generator.fill(
          framed, mask: mask, order: order ?? .leftToRight, passes: passes, sampler,
          excluding: Set(vocabulary.special).union(loaded.emptyRows))
      let added = Array(filled[(start.count + (frame ? 1 : 0))...].prefix(masks.count))
      if json {
        all.append(sample(text, added, loaded.tokenizer))
      } else {
        if samples > 1 { try StandardOutput.line("--- sample \(index + 1)") }
        var shown = TextStream()
        try shown.write(masks.isEmpty ? text : loaded.tokenizer.decode(start + added, skipSpecial: true))
        try shown.finish()
      }
    }
    try show(all)
  }

  private func sample(_ text: [UInt8], _ added: [Int32], _ tokenizer: any Tokenizer) -> Sample {
    Sample(prompt: String(decoding: text, as: UTF8.self), text: tokenizer.text(added), ids: added)
  }

  /// One object for one sample, an array for several; nothing without --json.
  private func show(_ all: [Sample]) throws {
    guard let first = all.first else { return }
    try StandardOutput.line(samples > 1 ? prettyJSON(all) : prettyJSON(first))
  }
}

extension MaskedTextGenerator.Order: ExpressibleByArgument {}
