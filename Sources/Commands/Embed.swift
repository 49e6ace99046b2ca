import ArgumentParser
import Classification
import Collectives
import Core
import Evaluation
import Foundation
import Generation
import Kernels
import Machine
import Preparation
import Runs
import Storage

struct Embed: ComputingCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a vector for each text of a file, from the hidden states of a model's last layer.",
    discussion: """
      Example: lockstep embed runs/quickstart --input sentences.txt --output sentences.npy

      The file has one text per line (.txt), or is .jsonl, .csv or .tsv, each also .gz. The output is a matrix of 32-bit floats, \
      [texts, hidden size]: .npy for numpy.load, or .safetensors with the tensor "embeddings".
      """)

  @Argument(help: "A run folder, a checkpoint, or a folder saved by Hugging Face.") var model: String
  @OptionGroup var choice: CheckpointOption
  @Option(parsing: .unconditional, help: "The file with the texts.") var input: String
  @Option(parsing: .unconditional, help: "The new file to write, ending in .npy or .safetensors.") var output: String
  @Option(parsing: .unconditional, help: "mean (over the positions of the text), cls or last.") var feature =
    Pooling.mean
  @Option(parsing: .unconditional, help: "The text's field in JSON lines, or column in CSV and TSV.") var field = "text"
  @Option(
    parsing: .unconditional,
    help:
      "Separator of the columns of a table with any file extension: tab, comma, semicolon, bar, space, colon, or a character."
  )
  var separator: String?
  @Flag(help: "Tables have no header row.") var noHeader = false
  @Option(parsing: .unconditional, help: "Texts computed together.") var microBatch = 8
  @Option(parsing: .unconditional, help: "Computing threads per rank; 0 takes the CPUs this rank may use.")
  var threads = 0

  func run() throws {
    try Job.run { communicator in
      BLAS.useOneThread()
      let (opened, threads) = try Job.collectively(communicator) {
        try check()
        let opened = try MeasuredModel(
          try LoadedModel.resolve(model, checkpoint: choice.checkpoint, isRoot: communicator.rank == 0))
        if let reason = opened.textUnsupportedReason { throw DataError(opened.path, "\(reason).") }
        return (opened, try ComputingThreads.count(self.threads, communicator))
      }
      try Job.requireSameInputs(opened, nil, communicator)
      let context = MeasureContext(
        opened, corpus: nil, communicator: communicator, threads: threads, microBatch: microBatch)
      let embedding = try TextEmbedding(ofTextsIn: input, try inputChoice(), feature: feature, context)
      guard communicator.rank == 0 else { return }
      try EmbeddingFile.write(embedding, to: output)
      for note in embedding.notes { StandardError.write("note: \(note)\n") }
      try StandardOutput.line("wrote \(output): \(embedding.rows) × \(embedding.columns)")
    }
  }

  private func inputChoice() throws(ConfigurationError) -> InputChoice {
    let table = TableLayout(columns: [TableColumn(field)], hasHeader: !noHeader)
    guard let separator else { return .byEnding(text: .lines, field: field, table: table) }
    guard let parsed = TableSeparator(option: separator) else {
      throw ConfigurationError("--separator", is: "\"\(separator)\"", rule: "it must be \(TableSeparator.choices).")
    }
    return .all(.table(table, parsed))
  }

  /// What can be known to fail before anything is computed.
  private func check() throws {
    guard (1...4096).contains(microBatch) else {
      throw ConfigurationError("--micro-batch", is: microBatch, rule: "it must lie in 1...4096.")
    }
    _ = try inputChoice()
    try EmbeddingFile.check(output)
  }
}

extension Pooling: ExpressibleByArgument {}
