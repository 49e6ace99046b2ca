import Core
import Storage
import Tensors

/// Companions in a checkpoint: their shape in `<name>.config.json`, their parameters among those the main network's class has no
/// place for. In an export each has a folder of its own that its class opens, shared parameters included.
public enum CompanionFiles {
  static let suffix = "." + CheckpointFile.configuration

  /// The files that a checkpoint has for exportedNetworks.
  public static func configurations(_ exportedNetworks: [ExportedNetwork], vocabulary: Vocabulary?) -> [String: [UInt8]] {
    Dictionary(
      uniqueKeysWithValues: exportedNetworks.map {
        ($0.name + suffix, HuggingFaceConfiguration.json(for: $0.configuration, vocabulary: vocabulary, as: $0.family))
      })
  }

  /// The exportedNetworks a checkpoint says it has.
  static func all(in checkpoint: Checkpoint) throws(CheckpointError) -> [ExportedNetwork] {
    var found: [ExportedNetwork] = []
    for name in checkpoint.files.keys.sorted() where name.hasSuffix(suffix) {
      let (bytes, path) = (try checkpoint.bytes(name), checkpoint.path + "/" + name)
      let configuration = try ModelConfiguration(huggingFaceJSON: bytes, path: path)
      guard let document = try? JSONValue.parse(bytes), let family = HuggingFaceClass(document, configuration),
        configuration.isComputed(by: family)
      else { throw CheckpointError("export", path, "it does not name a class that this project writes") }
      found.append(ExportedNetwork(String(name.dropLast(suffix.count)), configuration, family))
    }
    return found
  }

  /// The companion's tensors as its class names them: its own from the file of everything else, shared ones from the main network's.
  static func tensors(_ companion: ExportedNetwork, in checkpoint: Checkpoint, main: ModelConfiguration) throws(CheckpointError) -> [NamedTensor] {
    let (own, shared) = (try checkpoint.tensors(CheckpointFile.optimizer), try checkpoint.tensors(CheckpointFile.model))
    let places = Dictionary(HuggingFaceNames.tensors(for: main).map { ($0.internalName, $0.fileName) }, uniquingKeysWith: { first, _ in first })
    let wanted = HuggingFaceNames.tensors(for: companion.configuration, as: companion.family)
    var layout = ParameterLayout()
    var sources: [(file: SafetensorsFile, name: String)] = []
    for name in wanted.map(\.internalName) where layout.entry(named: name) == nil {
      let ownName = "p." + companion.prefix + name
      let source = own[ownName].map { ($0, own) } ?? places[name].flatMap { shared[$0] }.map { ($0, shared) }
      guard let (tensor, file) = source, (1...2).contains(tensor.shape.count) else {
        throw CheckpointError("export", checkpoint.path, "it has no \(ownName), which \(companion.name)\(suffix) needs")
      }
      layout.append(ParameterSpec(name, tensor.shape, decay: false, .zeros))
      sources.append((file, tensor.name))
    }
    let store = ParameterStore(layout)
    for (index, source) in sources.enumerated() { try source.file.read(source.name, into: store.view(index)) }
    var parts: [NamedTensor] = []
    for tensor in wanted {
      guard let entry = layout.entry(named: tensor.internalName), let rows = Optional(tensor.rows ?? 0..<entry.spec.shape[0]),
        rows.upperBound <= entry.spec.shape[0], let view = tensor.view(in: store), view.count == tensor.shape.reduce(1, *)
      else {
        throw CheckpointError(
          "export", checkpoint.path, "\(companion.prefix)\(tensor.internalName) does not have the shape that \(companion.name)\(suffix) makes it")
      }
      parts.append(NamedTensor(tensor.fileName, shape: tensor.shape, view: view, of: store))
    }
    return parts
  }
}

extension HuggingFaceSource {
  /// Copies what the class of the main network has no place for: from `optimizer.safetensors` of a checkpoint of this project, or
  /// from the folders that an export has for exportedNetworks.
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
            "import", file.path, "tensor \(tensor.name) has the shape \(tensor.shape), and the objective's options make it \(entry.spec.shape)",
            remedy: "Set [objective] to what the run was trained with.", exitCode: .usage)
        }
        try file.read(tensor.name, into: store.view(entry.index))
      }
      return missing
    }
    let found = exportedNetworks.filter { Folders.exists(path + "/" + $0.name) }
    for companion in found {
      _ = try HuggingFaceSource(path + "/" + companion.name).load(into: store, as: companion.configuration, prefix: companion.prefix)
    }
    return rest.map(\.name).filter { name in !found.contains { name.hasPrefix($0.prefix) } }
  }
}

extension HuggingFaceClass {
  /// The class that a `config.json` names by type and head; nil for a type without one.
  init?(_ document: JSONValue, _ configuration: ModelConfiguration) {
    let family = Self.allCases.first {
      $0.modelType == document["model_type"]?.string && ($0.modelType != "electra" || ($0 == .electra) == (configuration.head == .replaced))
    }
    guard let family else { return nil }
    self = family
  }
}
