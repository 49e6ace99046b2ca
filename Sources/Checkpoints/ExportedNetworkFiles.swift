import Core
import HuggingFace
import Safetensors
import Storage
import Tensors

/// Exported networks in a checkpoint: their shape in `<name>.config.json`, their parameters among those the main
/// network's class has no place for. In an export each has a folder of its own that its class opens, shared parameters
/// included.
public enum ExportedNetworkFiles {
  static let suffix = "." + CheckpointFile.configuration

  /// The files that a checkpoint has for exported networks, where a class opens them.
  public static func configurations(_ exportedNetworks: [ExportedNetwork], vocabulary: Vocabulary?) -> [String: [UInt8]]
  {
    var files: [String: [UInt8]] = [:]
    for network in exportedNetworks {
      guard let family = ModelFamilies.named(network.family), network.configuration.isComputed(by: family) else {
        continue
      }
      files[network.name + suffix] = HuggingFaceConfiguration.json(
        for: network.configuration, vocabulary: vocabulary, as: family)
    }
    return files
  }

  /// The exported networks a checkpoint says it has.
  static func all(in checkpoint: Checkpoint) throws(CheckpointError) -> [ExportedNetwork] {
    var found: [ExportedNetwork] = []
    for name in checkpoint.files.keys.sorted() where name.hasSuffix(suffix) {
      let (bytes, path) = (try checkpoint.bytes(name), checkpoint.path + "/" + name)
      let configuration = try ModelConfiguration(huggingFaceJSON: bytes, path: path)
      guard let document = try? JSONValue.parse(bytes),
        let family = HuggingFaceSettings(document: document, path: path).family,
        configuration.isComputed(by: family)
      else { throw CheckpointError("export", path, "it does not name a class that this project writes") }
      found.append(ExportedNetwork(String(name.dropLast(suffix.count)), configuration, family.name))
    }
    return found
  }

  /// The network's tensors as its class names them: its own from the file of everything else, shared ones from the main
  /// network's.
  static func tensors(_ network: ExportedNetwork, in checkpoint: Checkpoint, main: ModelConfiguration)
    throws(CheckpointError) -> [NamedTensor]
  {
    let (own, shared) = (try checkpoint.tensors(CheckpointFile.optimizer), try checkpoint.tensors(CheckpointFile.model))
    let places = Dictionary(
      HuggingFaceNames.tensors(for: main).map { ($0.internalName, $0.fileName) },
      uniquingKeysWith: { first, _ in first })
    let wanted = HuggingFaceNames.tensors(for: network.configuration, as: ModelFamilies.named(network.family))
    var layout = ParameterLayout()
    var sources: [(file: SafetensorsFile, name: String)] = []
    for name in wanted.map(\.internalName) where layout.entry(named: name) == nil {
      let ownName = "p." + network.prefix + name
      let source = own[ownName].map { ($0, own) } ?? places[name].flatMap { shared[$0] }.map { ($0, shared) }
      guard let (tensor, file) = source, (1...2).contains(tensor.shape.count) else {
        throw CheckpointError("export", checkpoint.path, "it has no \(ownName), which \(network.name)\(suffix) needs")
      }
      layout.append(ParameterSpec(name, tensor.shape, decay: false, .zeros))
      sources.append((file, tensor.name))
    }
    let store = ParameterStore(layout)
    for (index, source) in sources.enumerated() { try source.file.read(source.name, into: store.view(index)) }
    var parts: [NamedTensor] = []
    for tensor in wanted {
      guard let entry = layout.entry(named: tensor.internalName),
        let rows = Optional(tensor.rows ?? 0..<entry.spec.shape[0]),
        rows.upperBound <= entry.spec.shape[0], let view = tensor.view(in: store),
        view.count == tensor.shape.reduce(1, *)
      else {
        throw CheckpointError(
          "export", checkpoint.path,
          "\(network.prefix)\(tensor.internalName) does not have the shape that \(network.name)\(suffix) makes it")
      }
      parts.append(NamedTensor(tensor.fileName, shape: tensor.shape, view: view, of: store))
    }
    return parts
  }
}
