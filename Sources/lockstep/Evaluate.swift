import ArgumentParser
import Checkpoints
import Collectives
import Core
import Data
import Foundation
import Kernels
import Objectives
import Tensors
import Tokenizers
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Loss, perplexity and bits per byte of a model on a prepared corpus, over all ranks.",
    discussion: "Example: mpirun -n 2 lockstep evaluate runs/quickstart --corpus corpora/quickstart --json")

  @Argument(help: "A run folder, a checkpoint, or a folder saved by Hugging Face.") var model: String
  @Option(help: "The folder that lockstep prepare wrote.") var corpus: String
  @Option(help: "train or validation.") var split = CorpusSplit.validation
  @Option(help: "ar or mlm; by default what the model's attention fits.") var objective: String?
  @Option(help: "At most so many samples; 0 for all.") var samples = 0
  @Option(help: "Positions a sample; by default the model's.") var context: Int?
  @Option(help: "Samples computed together.") var microBatch = 8
  @Option(help: "Computing threads a rank; 0 takes the CPUs this rank may use.") var threads = 0
  @Option(help: "Seed of the masks.") var seed: UInt64 = 1
  @Flag(help: "One JSON object instead of a table.") var json = false

  struct Report: Codable {
    var model: String
    var objective: String
    var split: String
    var samples: Int
    var targets: Int
    var loss: Double
    /// e to the loss; nil beyond the largest double.
    var perplexity: Double?
    /// Loss in bits for a byte of text; only next-token prediction gives a probability of the text.
    var bitsPerByte: Double?
    var note: String?
  }

  func run() throws {
    try Job.run { communicator in
      BLAS.useOneThread()
      let threads = try Job.together(communicator) { try Job.threads(self.threads, communicator) }
      let setup = try Job.together(communicator) { try open() }
      let store = setup.bank.trained
      try communicator.broadcast(UnsafeMutableRawBufferPointer(start: store.memory, count: 4 * store.layout.count), from: 0)
      let wanted = samples == 0 ? setup.data.samplesPerEpoch : min(samples, setup.data.samplesPerEpoch)
      let evaluator = Evaluator(
        objective: setup.objective, bank: setup.bank, length: setup.context, microBatch: microBatch,
        threads: threads, seed: seed, communicator: communicator)
      let (sums, counts) = try evaluator.sumsAndCounts(setup.data, samples: wanted)
      guard communicator.rank == 0 else { return }
      guard counts[0] > 0 else { throw DataError(corpus, "has no position with a target for \(setup.name) in its \(split.rawValue) split.") }
      try show(report(setup, sums[0], counts[0], samples: wanted))
    }
  }

  private struct Setup {
    let path: String
    let objective: any Objective
    let name: String
    let bank: ParameterBank
    let data: TokenDataset
    let context: Int
  }

  private func open() throws -> Setup {
    guard (1...100_000).contains(microBatch) else { throw ConfigurationError("--micro-batch", is: microBatch, rule: "it must lie in 1...100000.") }
    guard samples >= 0 else { throw ConfigurationError("--samples", is: samples, rule: "it must be 0 (all) or more.") }
    let path = try LoadedModel.resolve(model)
    let source = try HuggingFaceSource(path)
    let shape = source.configuration
    let opened = try Corpus(corpus)
    guard opened.vocabulary.size == shape.vocabulary else {
      throw DataError(
        corpus, "was made with a tokeniser of \(opened.vocabulary.size) ids, the model has \(shape.vocabulary).",
        remedy: "Prepare the text with the model's tokeniser: lockstep prepare --tokenizer \(path).")
    }
    try TokenizerMatch.require(model: path, corpus: opened)
    let length = context ?? shape.context
    guard (1...shape.context).contains(length) else {
      throw ConfigurationError("--context", is: length, rule: "it must lie in 1...\(shape.context), the model's positions.")
    }
    let name = objective ?? (shape.visibility == .causal ? "ar" : "mlm")
    guard let entry = ObjectiveRegistry.entry(named: name), entry.visibility == shape.visibility else {
      let fitting = ObjectiveRegistry.entries.filter { $0.visibility == shape.visibility }.map(\.name)
      throw ConfigurationError("--objective", is: name, rule: "for this model it must be one of \(fitting.joined(separator: ", ")).")
    }
    let made = try entry.make(entry.defaultOptions, shape, opened.vocabulary)
    let bank = ParameterBank(made.networks)
    _ = try source.load(into: bank.trained, as: shape)
    let framing = try CorpusInputs.framing(.auto, shape.visibility, opened.vocabulary)
    let data = try TokenDataset(opened, split: split, context: length, lookahead: made.lookahead, order: .sequential, framing: framing)
    return Setup(path: path, objective: made, name: name, bank: bank, data: data, context: length)
  }

  private func report(_ setup: Setup, _ sum: Double, _ count: Double, samples: Int) -> Report {
    let loss = sum / count
    // Bytes the targets stand for: the split's mean bytes a token.
    let bytes = count * Double(setup.data.textBytes) / Double(max(setup.data.tokenCount, 1))
    let causal = setup.name == "ar"
    return Report(
      model: setup.path, objective: setup.name, split: split.rawValue, samples: samples, targets: Int(count), loss: loss,
      perplexity: loss < 700 ? exp(loss) : nil, bitsPerByte: causal ? sum / log(2) / bytes : nil,
      note: causal ? nil : "The loss of masked tokens is not a probability of the text; compare it with equal masks only.")
  }

  private func show(_ report: Report) throws {
    if json { return print(try prettyJSON(report)) }
    print("model        \(report.model)")
    print("split        \(report.split), \(report.samples) samples, \(report.targets) targets of \(report.objective)")
    print(String(format: "loss         %.6f nats a target", report.loss))
    if let perplexity = report.perplexity { print(String(format: "perplexity   %.4f", perplexity)) }
    if let bits = report.bitsPerByte { print(String(format: "bits/byte    %.5f", bits)) }
    if let note = report.note { print(note) }
  }
}

extension CorpusSplit: ExpressibleByArgument {}
