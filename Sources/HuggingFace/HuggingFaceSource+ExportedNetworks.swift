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
    if isCheckpoint { return try copy(rest, prefix: "p.", into: store) }
    let found = exportedNetworks.filter { Folders.exists(path + "/" + $0.name) }
    for network in found {
      _ = try HuggingFaceSource(path + "/" + network.name).load(
        into: store, as: network.configuration, prefix: network.prefix)
    }
    return rest.map(\.name).filter { name in !found.contains { name.hasPrefix($0.prefix) } }
  }

  /// Copies an auxiliary network, such as a teacher, from `optimizer.safetensors` of a checkpoint of this project.
  ///
  /// - Returns: the names of parameters that the folder does not have, all of them where it is no checkpoint; they are
  ///   left as they are.
  /// - Throws: `CheckpointError` when one has another shape.
  public func loadAuxiliary(_ name: String, into store: ParameterStore) throws(CheckpointError) -> [String] {
    guard isCheckpoint else { return store.layout.entries.map { "\(name).\($0.name)" } }
    return try copy(store.layout.entries, prefix: "\(name).", into: store).map { "\(name).\($0)" }
  }

  private var isCheckpoint: Bool { Folders.isFile(path + "/" + CheckpointFile.state) }

  /// The names of those entries that `optimizer.safetensors` does not have under this prefix.
  private func copy(
    _ entries: [ParameterLayout.Entry], prefix: String, into store: ParameterStore
  ) throws(CheckpointError) -> [String] {
    let file = try SafetensorsFile(path + "/" + CheckpointFile.optimizer)
    var missing: [String] = []
    for entry in entries {
      guard let tensor = file[prefix + entry.name] else {
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
}
