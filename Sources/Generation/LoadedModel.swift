import Checkpoints
import Core
import Foundation
import HuggingFace
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

  /// - Parameters:
  ///   - path: a checkpoint folder, a run folder, or a folder saved by Hugging Face.
  ///   - checkpoint: which one of a run; nil for its best, or its latest where it has no best.
  /// - Throws: errors that name the folder and what it lacks.
  public init(_ path: String, checkpoint: CheckpointChoice? = nil) throws {
    let folder = try Self.resolve(path, checkpoint: checkpoint)
    self.path = folder
    let source = try HuggingFaceSource(folder)
    configuration = source.configuration
    guard configuration.vocabSize > 0, configuration.problems(prefix: "config").isEmpty else {
      throw DataError(
        folder + "/config.json",
        configuration.problems(prefix: "its model").first.map { "\($0.key) \($0.sentence)" } ?? "has a vocabulary of 0."
      )
    }
    try source.requireWeights()
    var layout = ParameterLayout()
    transformer = Transformer(configuration, into: &layout)
    parameters = ParameterStore(layout)
    _ = try source.load(into: parameters, as: configuration)
    tokenizer = try TokenizerLoader.load(folder)
    guard tokenizer.vocabulary.size <= configuration.vocabSize else {
      throw DataError(
        folder, "has a tokeniser of \(tokenizer.vocabulary.size) ids and a model of \(configuration.vocabSize).",
        remedy: "Resize the model's embedding, or use the tokeniser it was trained with.")
    }
  }

  /// Rows that stand for no token, such as those that fill an embedding up to a multiple of 64. Nothing may be written
  /// with them.
  public var emptyRows: Range<Int32> { Int32(tokenizer.vocabulary.size)..<Int32(configuration.vocabSize) }

  /// The folder with the weights.
  /// - Parameter isRoot: whether this rank reports on standard error which checkpoint was chosen.
  public static func resolve(_ path: String, checkpoint: CheckpointChoice? = nil, isRoot: Bool = true) throws -> String
  {
    try ModelFolder.resolve(path, checkpoint) { if isRoot { StandardError.write($0 + "\n") } }
  }
}
