import Checkpoints
import Core
import HuggingFace
import Models
import Safetensors
import Storage
import Tensors

/// A folder that timm opens as a model.
enum TimmFolder {
  /// Writes the encoder's weights and `config.json` into `target`, which must not exist; the folder appears when it is
  /// complete.
  ///
  /// - Throws: `DataError` for a model that timm's class does not compute; errors of reading and writing.
  static func write(_ checkpoint: Checkpoint, to target: String, format: FloatFormat) throws {
    let source = try HuggingFaceSource(checkpoint.path)
    let model = source.configuration
    let missing = TimmVisionTransformer.unsupported(model)
    guard missing.isEmpty else {
      throw DataError(
        checkpoint.path,
        "is no vision transformer that timm computes; its VisionTransformer needs \(missing.joined(separator: ", ")).")
    }
    var layout = ParameterLayout()
    _ = Transformer(model, head: false, into: &layout)
    let store = ParameterStore(layout)
    _ = try source.load(into: store, as: model, encoderOnly: true)
    let parts = TimmVisionTransformer.tensors(model).map { tensor -> NamedTensor in
      guard let view = tensor.view(in: store) else {
        preconditionFailure("the model declares no parameter \(tensor.internalName)")
      }
      return NamedTensor(tensor.fileName, shape: tensor.shape, view: view, of: store)
    }
    let processor =
      checkpoint.files[ImageProcessor.fileName] == nil
      ? nil : ImageProcessor.statistics(try checkpoint.bytes(ImageProcessor.fileName))
    let configuration = TimmVisionTransformer.configuration(
      model, mean: processor?.mean, deviation: processor?.deviation)
    try NewFolder.write(target, "export to") { temporary throws(CheckpointError) in
      try SafetensorsWriter.write(parts, to: temporary + "/model.safetensors", format: format)
      try CheckpointError.wrapping { () throws(FileError) in
        try AtomicFile.write(configuration, to: temporary + "/config.json")
      }
    }
  }
}
