import Core
import HuggingFace
import Safetensors
import Tensors

extension Checkpoint {
  /// The first tensor, of weights, moments and auxiliary networks, whose saved bits are not those in memory; nil when
  /// all are.
  ///
  /// - Throws: `CheckpointError` when a file cannot be read, or is not of this configuration.
  public func firstDifference(
    model: ModelConfiguration, parameters: ParameterStore, moments: [String: ParameterStore],
    auxiliary: [String: ParameterStore] = [:]
  ) throws(CheckpointError) -> String? {
    let parts = NetworkParts(model: model, parameters: parameters, moments: moments, auxiliary: auxiliary)
    for (name, tensors) in [(CheckpointFile.model, parts.model), (CheckpointFile.optimizer, parts.optimizer)] {
      let file = try self.tensors(name)
      for tensor in tensors {
        let saved = try file.floats(tensor.name)
        // Bits, not values: a NaN is equal to itself here, and a zero not to its negative.
        let equal =
          saved.count == tensor.view.count
          && saved.indices.allSatisfy { saved[$0].bitPattern == tensor.view[$0].bitPattern }
        if !equal { return "\(tensor.name) of \(name)" }
      }
    }
    return nil
  }
}
