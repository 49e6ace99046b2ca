import Checkpoints
import Core
import Foundation
import HuggingFace

/// The shape of the model that `init.from` names: what `[model]` takes where it is silent.
public struct InitialModel: Codable, Sendable, Equatable {
  public let path: String
  public let shape: ModelConfiguration

  public init(path: String, shape: ModelConfiguration) { (self.path, self.shape) = (path, shape) }

  /// Reads a folder's shape.
  public typealias Reader = (_ path: String) throws -> InitialModel

  /// Reads `config.json` of the folder, or of a run's checkpoint.
  /// - Throws: errors that name the folder when there is none, or it describes a model that is not computed here.
  public static func read(_ path: String) throws -> InitialModel {
    // A checkpoint that is named is verified where its weights are read.
    let isModel = FileManager.default.fileExists(atPath: path + "/config.json")
    let folder = isModel ? path : try ModelFolder.resolve(path) { _ in }
    return InitialModel(path: path, shape: try ModelConfiguration(huggingFace: folder))
  }

  /// The value of `model.architecture` whose model this is; nil for mixtures of the switches.
  var architecture: String? {
    var shape = shape
    // Dropout decides whether Llama's class can train the model, not which model it is.
    (shape.dropout, shape.attentionDropout) = (0, 0)
    return shape.huggingFaceFamily?.preset
  }
}
