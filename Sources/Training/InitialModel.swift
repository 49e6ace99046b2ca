import Checkpoints
import Core

/// The shape of the model that `init.from` names: what `[model]` takes where it is silent.
public struct InitialModel: Codable, Sendable, Equatable {
  public let path: String
  public let shape: ModelConfiguration

  public init(path: String, shape: ModelConfiguration) { (self.path, self.shape) = (path, shape) }

  /// Reads a folder's shape.
  public typealias Reader = (_ path: String) throws(CheckpointError) -> InitialModel

  /// Reads `config.json` of the folder.
  /// - Throws: `CheckpointError` when there is none, or it describes a model that is not computed here.
  public static func read(_ path: String) throws(CheckpointError) -> InitialModel {
    InitialModel(path: path, shape: try ModelConfiguration(huggingFace: path))
  }

  /// The value of `model.architecture` whose model this is; nil for mixtures of the switches.
  var architecture: String? {
    var shape = shape
    // Dropout decides whether Llama's class can train the model, not which model it is.
    (shape.dropout, shape.attentionDropout) = (0, 0)
    return switch shape.huggingFaceClass {
    case .gpt2: "gpt2"
    case .bert, .electra, .electraGenerator: "bert"
    case .llama: "llama"
    case nil: nil
    }
  }
}
