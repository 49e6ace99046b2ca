import Checkpoints
import Core
import Foundation
import HuggingFace
import Models
import Objectives
import Storage
import Tensors
import Training

// Frozen networks from folders. Their weights are a part of what a run is: a checkpoint carries them, and their digests
// with them.
extension TrainingRun {
  private var frozenSources: [(name: String, source: NetworkSet.FrozenSource)] {
    objective.networks.auxiliaries.compactMap { auxiliary in
      guard case .frozen(let source?) = auxiliary.rule else { return nil }
      return (auxiliary.name, source)
    }
  }

  /// Reads the weights of frozen networks from their folders. On rank 0, at the start of a run.
  func loadFrozenNetworks() throws {
    for (name, source) in frozenSources { try load(source, into: trainer.parameters.auxiliary(name)) }
  }

  private func load(_ frozen: NetworkSet.FrozenSource, into store: ParameterStore) throws {
    let source = try HuggingFaceSource(ModelFolder.resolve(frozen.path) { record?.warn($0) })
    try source.requireEncoder(frozen.configuration)
    // The folder's own network may have learned more rows, such as the vector of hidden patches.
    var layout = ParameterLayout()
    _ = Transformer(source.configuration, head: false, into: &layout)
    let whole = ParameterStore(layout)
    let report = try source.load(into: whole, as: source.configuration, encoderOnly: true)
    for warning in report.warnings { record?.warn(warning) }
    for entry in store.layout.entries {
      guard let own = layout.entry(named: entry.name), own.count >= entry.count else {
        preconditionFailure("an encoder of the same shape has no \(entry.name)")
      }
      store.view(entry.index).copy(from: whole.view(own.index).first(store.view(entry.index).rows))
    }
  }

  /// SHA-256 of the weights of each frozen network that came from a folder, by its name; nil for none.
  var frozenDigests: [String: String]? {
    let all = frozenSources.map { ($0.name, Self.digest(trainer.parameters.auxiliary($0.name))) }
    return all.isEmpty ? nil : Dictionary(uniqueKeysWithValues: all)
  }

  private static func digest(_ store: ParameterStore) -> String {
    var hash = SHA256()
    hash.update(UnsafeRawBufferPointer(start: store.memory, count: 4 * store.layout.count))
    return hash.finish()
  }

  /// Refuses a folder whose weights are no longer those that the run began with. A folder that is gone is not needed:
  /// the checkpoint has the weights. On rank 0.
  func checkFrozenNetworks(_ state: TrainingState) throws {
    for (name, source) in frozenSources where FileManager.default.fileExists(atPath: source.path) {
      guard let recorded = state.frozenNetworks?[name] else { continue }
      let store = ParameterStore(trainer.parameters.auxiliary(name).layout)
      try load(source, into: store)
      guard Self.digest(store) == recorded else {
        throw ConfigurationError(
          source.key, is: source.path,
          rule:
            "it holds other weights than the run began with. Restore that folder, remove it (the checkpoints have the weights), or give the run another name."
        )
      }
    }
  }
}
