import ArgumentParser
import Checkpoints
import Configuration
import Core
import Data
import Evaluation
import Foundation
import Generation
import HuggingFace
import Safetensors
import Storage

struct Export: SerialCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a folder for Hugging Face tools, or for timm, from a checkpoint.",
    discussion: """
      Examples: lockstep export runs/quickstart exported/quickstart --dtype bf16
        lockstep export runs/images-quickstart exported/vit --format timm
      """)

  enum Library: String, ExpressibleByArgument, CaseIterable { case transformers, timm }

  enum Precision: String, ExpressibleByArgument, CaseIterable { case f32, bf16 }

  @Argument(help: "A run folder or a checkpoint.") var model: String
  @Argument(help: "The folder to write; it must not exist.") var target: String
  @OptionGroup var choice: CheckpointOption
  @Option(parsing: .unconditional, help: "f32 keeps every bit, bf16 halves the size.") var dtype = Precision.f32
  @Option(
    parsing: .unconditional,
    help: "transformers: the whole model with a card; timm: the encoder of a vision transformer, without a head.")
  var format = Library.transformers
  @Option(parsing: .unconditional, help: "Name on the model card.") var title: String?

  func run() throws {
    try NewFolder.check(target, "export to")
    let checkpoint = try Checkpoint(verifying: try LoadedModel.resolve(model, checkpoint: choice.checkpoint))
    if format == .timm {
      guard title == nil else {
        throw ConfigurationError("--title", "is for the model card, which --format timm does not write.")
      }
      try TimmFolder.write(checkpoint, to: target, format: dtype == .bf16 ? .bfloat16 : .float32)
      return try StandardOutput.line("wrote \(printableName(target))")
    }
    let configuration = try ModelConfiguration(huggingFace: checkpoint.path)
    guard let family = configuration.huggingFaceFamily else {
      throw DataError(checkpoint.path, configuration.unsupportedByHuggingFace ?? "has no Hugging Face class.")
    }
    let state = checkpoint.state
    let run = try MeasuredModel.run(of: checkpoint.path)
    var measures = [("training steps", "\(state.step)"), ("\(unit(run)) seen", "\(state.tokensSeen)")]
    if let best = state.bestValidationLoss {
      let isText = configuration.inputSize == 0
      measures.append((isText ? "best validation loss (nats)" : "best validation loss", String(format: "%.4f", best)))
    }
    let layers = configuration.numLayers == 1 ? "1 layer" : "\(configuration.numLayers) layers"
    let card = ModelCard(
      title: title ?? URL(fileURLWithPath: model).lastPathComponent, family: family, tags: [state.objective],
      summary:
        "A \(family.architecture) of \(layers) and width \(configuration.hiddenSize), pretrained with the objective `\(state.objective)`.",
      data: data(state, run), command: "lockstep train config.toml", configuration: run.map(Self.published),
      metrics: measures,
      limits: "A pretrained model without alignment or safety training; it repeats what its corpus says.")
    try CheckpointExport.export(checkpoint, to: target, format: dtype == .bf16 ? .bfloat16 : .float32, card: card)
    try StandardOutput.line("wrote \(printableName(target))")
  }

  /// The corpus by its name, its size and what it was made from, where it is still at hand.
  private func data(_ state: TrainingState, _ run: RunConfiguration?) -> String {
    let seen = "The model has seen \(state.tokensSeen) \(unit(run))"
    guard let folder = run?.data.corpus else { return "\(seen) of a corpus that is not recorded here." }
    let name = "`\(URL(fileURLWithPath: folder).lastPathComponent)`"
    let content = state.dataHash.isEmpty ? "" : " (content \(state.dataHash.prefix(12)))"
    guard let corpus = try? Corpus(folder), corpus.manifest.contentHash == state.dataHash else {
      return "\(seen) of the corpus \(name)\(content)."
    }
    let (train, files) = (corpus.manifest.train, corpus.manifest.sources)
    let sources =
      files.prefix(5).map { "`\($0.name)`" }.joined(separator: ", ")
      + (files.count > 5 ? " and \(files.count - 5) more files" : "")
    if let records = corpus.manifest.values {
      let of = ([records.channels] + records.extent).map(String.init).joined(separator: " × ")
      return """
        \(seen) of the corpus \(name)\(content), whose training split has \(train.reduce(0) { $0 + $1.documents }) records of \
        \(of) numbers, made from \(sources).
        """
    }
    return """
      \(seen) of the corpus \(name)\(content), whose training split has \(train.reduce(0) { $0 + $1.documents }) documents and \
      \(train.reduce(0) { $0 + $1.tokens }) tokens of a vocabulary of \(corpus.vocabulary.size), made from \(sources).
      """
  }

  /// What a position of the run's samples is called.
  private func unit(_ run: RunConfiguration?) -> String {
    let corpus = run.flatMap { try? Corpus($0.data.corpus) }
    return (corpus?.manifest.values?.unit ?? .tokens).rawValue
  }

  /// The resolved configuration without `[machine]`, which decides nothing that the model is.
  private static func published(_ run: RunConfiguration) -> String {
    var isKept = true
    return run.toml.split(separator: "\n", omittingEmptySubsequences: false).filter { line in
      if line.hasPrefix("[") { isKept = !line.hasPrefix("[machine") }
      return isKept
    }.joined(separator: "\n")
  }
}
