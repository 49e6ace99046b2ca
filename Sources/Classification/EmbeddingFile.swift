import Core
import Foundation
import Safetensors
import Storage
import Tensors

/// Files that hold the vectors of texts.
public enum EmbeddingFile {
  /// - Throws: `ConfigurationError` for another ending than .npy and .safetensors; `FileError` for a path that is taken
  ///   or cannot be written.
  public static func check(_ path: String) throws {
    guard path.hasSuffix(".npy") || path.hasSuffix(".safetensors") else {
      throw ConfigurationError("--output", is: path, rule: "it must end in .npy or .safetensors.")
    }
    try NewFile.check(path)
  }

  /// Names the file when all of it is written.
  public static func write(_ embedding: TextEmbedding, to path: String) throws {
    if path.hasSuffix(".npy") {
      return try AtomicFile.write(
        NumPyFile.bytes(embedding.values, rows: embedding.rows, columns: embedding.columns), to: path)
    }
    var layout = ParameterLayout()
    layout.append(ParameterSpec("embeddings", [embedding.rows, embedding.columns], decay: false, .zeros))
    let store = ParameterStore(layout)
    let view = store.view(0)
    for (i, value) in embedding.values.enumerated() { view[i] = value }
    let temporary = path + ".tmp-\(UUID().uuidString)"
    do {
      try SafetensorsWriter.write(NamedTensor.all(of: store), to: temporary)
      try AtomicFile.rename(temporary, to: path)
    } catch {
      unlink(temporary)
      throw error
    }
  }
}
