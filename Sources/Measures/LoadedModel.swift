import Checkpoints
import Core
import Foundation
import Models
import Storage
import Tensors
import Tokenizers

/// A checkpoint, a run folder or a Hugging Face folder, opened for use.
public struct LoadedModel {
  public let path: String
  public let configuration: ModelConfiguration
  public let transformer: Transformer
  public let parameters: ParameterStore
  public let tokenizer: any Tokenizer

  /// - Parameter path: a checkpoint folder, a run folder (its best checkpoint, or its latest), or a folder saved by Hugging Face.
  /// - Throws: errors that name the folder and what it lacks.
  public init(_ path: String) throws {
    let folder = try Self.resolve(path)
    self.path = folder
    let source = try HuggingFaceSource(folder)
    configuration = source.configuration
    guard configuration.vocabulary > 0, configuration.problems(prefix: "config").isEmpty else {
      throw DataError(
        folder + "/config.json", configuration.problems(prefix: "its model").first.map { "\($0.key) \($0.sentence)" } ?? "has a vocabulary of 0.")
    }
    try source.requireWeights()
    var layout = ParameterLayout()
    transformer = Transformer(configuration, into: &layout)
    parameters = ParameterStore(layout)
    _ = try source.load(into: parameters, as: configuration)
    tokenizer = try TokenizerLoader.load(folder)
    guard tokenizer.vocabulary.size <= configuration.vocabulary else {
      throw DataError(
        folder, "has a tokeniser of \(tokenizer.vocabulary.size) ids and a model of \(configuration.vocabulary).",
        remedy: "Resize the model's embedding, or use the tokeniser it was trained with.")
    }
  }

  /// Rows that stand for no token, such as those that fill an embedding up to a multiple of 64. Nothing may be written with them.
  public var emptyRows: Range<Int32> { Int32(tokenizer.vocabulary.size)..<Int32(configuration.vocabulary) }

  /// The folder with the weights.
  public static func resolve(_ path: String) throws -> String {
    guard FileManager.default.fileExists(atPath: path) else {
      throw DataError(path, "does not exist.", remedy: "Name a run folder, a checkpoint folder, or a folder saved by Hugging Face.")
    }
    if FileManager.default.fileExists(atPath: path + "/config.json") {
      let name = URL(fileURLWithPath: path).lastPathComponent
      if RunFolder.step(ofCheckpointNamed: name) != nil, !FileManager.default.fileExists(atPath: path + "/state.json") {
        throw DataError(path, "has no state.json, so it was never finished.", remedy: "Use another checkpoint of the run.")
      }
      // A checkpoint of ours is verified; a folder from elsewhere has no digests.
      if FileManager.default.fileExists(atPath: path + "/state.json") { _ = try Checkpoint(verifying: path) }
      return path
    }
    let run = RunFolder(path)
    func warn(_ text: String) { StandardError.write("warning: \(text)\n") }
    do { if let best = try run.best() { return try run.checkpoint(step: best).path } } catch { warn("the best checkpoint is not used: \(error)") }
    let recovery = try run.newestIntact()
    recovery.warnings.forEach(warn)
    guard let newest = recovery.checkpoint else {
      throw DataError(path, "holds neither a model nor a run with a checkpoint.", remedy: "Has the run saved one yet?")
    }
    return newest.path
  }
}
