import ArgumentParser
import Checkpoints
import Core
import Foundation
import Storage
import Measures

struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Writes a folder for Hugging Face tools from a checkpoint, with a model card.",
    discussion: "Example: lockstep export runs/quickstart exported/quickstart --dtype bf16")

  enum Precision: String, ExpressibleByArgument, CaseIterable { case f32, bf16 }

  @Argument(help: "A run folder or a checkpoint.") var model: String
  @Argument(help: "The folder to write; it must not exist.") var target: String
  @OptionGroup var choice: CheckpointOption
  @Option(parsing: .unconditional, help: "f32 keeps every bit, bf16 halves the size.") var dtype = Precision.f32
  @Option(parsing: .unconditional, help: "Name on the model card.") var title: String?

  func run() throws {
    let checkpoint = try Checkpoint(verifying: try LoadedModel.resolve(model, checkpoint: choice.checkpoint))
    let configuration = try ModelConfiguration(huggingFace: checkpoint.path)
    guard let family = configuration.huggingFaceClass else {
      throw DataError(checkpoint.path, configuration.huggingFaceObstacle ?? "has no Hugging Face class.")
    }
    let state = checkpoint.state
    var measures = [("training steps", "\(state.step)"), ("tokens seen", "\(state.tokensSeen)")]
    if let best = state.bestValidationLoss { measures.append(("best validation loss (nats)", String(format: "%.4f", best))) }
    let card = ModelCard(
      title: title ?? URL(fileURLWithPath: model).lastPathComponent, family: family, tags: ["lockstep", state.objective],
      summary:
        "A \(family.architecture) of \(configuration.layers) layers and width \(configuration.width), pretrained with the objective `\(state.objective)`.",
      data: "\(state.tokensSeen) tokens of the corpus named in the run's configuration.", command: "lockstep train config.toml",
      metrics: measures, limits: "A pretrained model without alignment or safety training; it repeats what its corpus says.")
    try HuggingFaceExport.export(checkpoint, to: target, format: dtype == .bf16 ? .bfloat16 : .float32, card: card)
    try StandardOutput.line("wrote \(target)")
  }
}
