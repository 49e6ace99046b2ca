import ArgumentParser
import Core
import Evaluation
import Foundation
import Kernels
import Tokenizers

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continues a prompt with a causal model.",
    discussion: "Example: lockstep generate runs/quickstart --prompt \"In the beginning\" --temperature 0.8 --top-p 0.95 --tokens 200")

  @Argument(help: "A run folder, a checkpoint, or a folder saved by Hugging Face.") var model: String
  @Option(help: "The text to continue; - reads standard input.") var prompt = ""
  @Option(help: "The most tokens to add.") var tokens = 200
  @Option(help: "0 always takes the most likely token; higher is more varied.") var temperature = 0.8
  @Option(help: "Choose among the k most likely tokens only; 0 for all.") var topK = 0
  @Option(help: "Choose among the most likely tokens that together reach this probability.") var topP = 0.95
  @Option(help: "The same seed gives the same text.") var seed: UInt64 = 1
  @Option(help: "How many continuations.") var samples = 1
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
    guard loaded.configuration.visibility == .causal else {
      throw ConfigurationError(model, "holds a bidirectional model, which cannot continue a text; lockstep fill asks it for masked tokens.")
    }
    let vocabulary = loaded.tokenizer.vocabulary
    let text = prompt == "-" ? String(decoding: FileHandle.standardInput.readDataToEndOfFile(), as: UTF8.self) : prompt
    var ids = loaded.tokenizer.encode(text)
    if ids.isEmpty, let start = vocabulary.bos ?? vocabulary.endOfDocument { ids = [start] }
    guard !ids.isEmpty else { throw ConfigurationError("--prompt", "is empty, and the tokeniser has no [BOS] to begin with.") }
    let stop = vocabulary.endOfDocument
    let excluded = Set(vocabulary.special).subtracting(stop.map { [$0] } ?? []).union(ignoreEnd ? stop.map { [$0] } ?? [] : [])
    let generator = TextGenerator(loaded.transformer, loaded.parameters)
    for index in 0..<samples {
      let options = try SamplingOptions(temperature: temperature, topK: topK, topP: topP, seed: seed &+ UInt64(index))
      if samples > 1, !json { print("--- sample \(index + 1)") }
      if !json { show(text) }
      var printed = ids.count
      var all = ids
      let added = generator.generate(
        ids, count: tokens, TokenSampler(options), stop: ignoreEnd ? nil : stop, excluding: excluded
      ) { token in
        all.append(token)
        if !json { printed = stream(all, from: printed, loaded.tokenizer) }
        return true
      }
      if json {
        print(try prettyJSON(Sample(prompt: text, text: loaded.tokenizer.text(added), ids: added)))
      } else {
        show(String(decoding: loaded.tokenizer.decode(all[printed...], skipSpecial: true), as: UTF8.self) + "\n")
      }
    }
  }

  /// Prints tokens once their bytes are whole characters. - Returns: how many tokens have been printed.
  private func stream(_ all: [Int32], from printed: Int, _ tokenizer: any Tokenizer) -> Int {
    let bytes = tokenizer.decode(all[printed...], skipSpecial: true)
    guard let text = String(validating: bytes, as: UTF8.self) else { return printed }
    show(text)
    return all.count
  }

  private func show(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
}
