import Core
import Foundation
import Safetensors
import Storage
import Tensors

/// The weights of a Hugging Face folder: one safetensors file, or several with an index.
public struct HuggingFaceSource: Sendable {
  public let path: String
  public let configuration: ModelConfiguration
  /// The class that `config.json` names by type and architecture; nil for a folder without one.
  let family: (any ModelFamily.Type)?
  private let files: [SafetensorsFile]
  /// Which file a tensor is in, by its name.
  private let place: [String: Int]

  /// - Throws: `CheckpointError` when the configuration is not supported, there are no safetensors, or one is damaged.
  public init(_ path: String) throws(CheckpointError) {
    self.path = path
    let configuration = try ModelConfiguration(huggingFace: path)
    self.configuration = configuration
    family = try HuggingFaceSettings(folder: path).family
    files = try Self.open(path)
    var place: [String: Int] = [:]
    for (index, file) in files.enumerated() {
      for tensor in file.tensors {
        guard place.updateValue(index, forKey: tensor.name) == nil else {
          throw CheckpointError("import", file.path, "tensor \(tensor.name) is in another file of the folder too")
        }
      }
    }
    self.place = place
  }

  /// Refuses a `config.json` that describes more weights than the files hold, before memory is taken for them.
  public func requireWeights() throws(CheckpointError) {
    let held = files.reduce(0.0) { $0 + $1.tensors.reduce(0.0) { $0 + Double($1.count) } }
    let described = configuration.leastParameters
    guard described <= held else {
      throw CheckpointError(
        "import", path,
        "config.json describes a model of at least \(Int(described)) weights, and the files hold \(Int(held))",
        remedy: "Fetch the folder again: the two do not belong together.")
    }
  }

  /// Names of all tensors, sorted.
  public var names: [String] { place.keys.sorted() }

  func file(of name: String) -> SafetensorsFile? { place[name].map { files[$0] } }

  func description(of name: String) -> TensorDescription? { file(of: name)?[name] }

  private static func open(_ path: String) throws(CheckpointError) -> [SafetensorsFile] {
    let single = path + "/" + CheckpointFile.model
    if Folders.isFile(single) { return [try SafetensorsFile(single)] }
    let index = single + ".index.json"
    guard Folders.isFile(index) else { throw try noWeights(path) }
    var files: [SafetensorsFile] = []
    for name in try shards(index) { files.append(try SafetensorsFile(path + "/" + name)) }
    return files
  }

  private static func noWeights(_ path: String) throws(CheckpointError) -> CheckpointError {
    let pickled = try Folders.names(in: path).contains { $0.hasPrefix("pytorch_model") && $0.contains(".bin") }
    return pickled
      ? CheckpointError(
        "import", path, "its weights are a pickle (pytorch_model.bin), which can run code when it is read",
        remedy:
          "Convert it in Python: AutoModelForPreTraining.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)."
      )
      : CheckpointError("import", path, "it has neither model.safetensors nor model.safetensors.index.json")
  }

  /// The files an index names, each once; none may lead out of the folder.
  private static func shards(_ index: String) throws(CheckpointError) -> [String] {
    let document: JSONValue
    do { document = try JSONValue.parse(try Folders.read(index)) } catch let error as CheckpointError {
      throw error
    } catch {
      throw CheckpointError("import", index, "it is not valid JSON: \(error)")
    }
    guard let map = document["weight_map"]?.members, !map.isEmpty else {
      throw CheckpointError("import", index, "it has no weight_map")
    }
    var names = Set<String>()
    for member in map {
      guard let name = member.value.string, isPlainFileName(name), name.hasSuffix(".safetensors") else {
        throw CheckpointError(
          "import", index, "tensor \(member.name) is said to be in \(member.value.compact)",
          remedy: "Only safetensors files beside the index are read.")
      }
      names.insert(name)
    }
    return names.sorted()
  }
}
