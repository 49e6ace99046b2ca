import Core
import Safetensors
import Tensors

extension HuggingFaceSource {
  /// Copies what the class of the main network has no place for: from `optimizer.safetensors` of a checkpoint of this
  /// project, or from the folders that an export has for exportedNetworks.
  ///
  /// - Returns: the names of parameters that the folder does not have; they are left as they are.
  /// - Throws: `CheckpointError` when one has another shape.
  public func loadRest(
    into store: ParameterStore, as target: ModelConfiguration, exportedNetworks: [ExportedNetwork]
  ) throws(CheckpointError) -> [String] {
    let rest = HuggingFaceNames.uncovered(store.layout, target)
    var missing: [String] = []
    if Folders.isFile(path + "/" + CheckpointFile.state) {
      let file = try SafetensorsFile(path + "/" + CheckpointFile.optimizer)
      for entry in rest {
        guard let tensor = file["p." + entry.name] else {
          missing.append(entry.name)
          continue
        }
        guard tensor.shape == entry.spec.shape else {
          throw CheckpointError(
            "import", file.path,
            "tensor \(tensor.name) has the shape \(tensor.shape), and the objective's options make it \(entry.spec.shape)",
            remedy: "Set [objective] to what the run was trained with.", exitCode: .usage)
        }
        try file.read(tensor.name, into: store.view(entry.index))
      }
      return missing
    }
    let found = exportedNetworks.filter { Folders.exists(path + "/" + $0.name) }
    for network in found {
      _ = try HuggingFaceSource(path + "/" + network.name).load(
        into: store, as: network.configuration, prefix: network.prefix)
    }
    return rest.map(\.name).filter { name in !found.contains { name.hasPrefix($0.prefix) } }
  }
}
