import Core
import Foundation
import HuggingFace
import Safetensors
import Storage
import Tensors

/// A checkpoint whose files all have the digests that its `state.json` gives.
public struct Checkpoint: Sendable {
  public let path: String
  public let state: TrainingState
  /// Size and digest of every file but `state.json`.
  public let files: [String: FileRecord]

  public var step: Int { state.step }

  /// Opens a checkpoint and reads every byte of it once.
  ///
  /// - Throws: `CheckpointError` that names the first file which is missing, has another size or another digest.
  public init(verifying path: String) throws(CheckpointError) {
    try self.init(opening: path)
    for (name, record) in files.sorted(by: { $0.key < $1.key }) {
      let file = try CheckpointError.wrapping { () throws(FileError) in try MappedFile(path + "/" + name) }
      guard file.withBytes({ ChunkedDigest.of($0) }) == record.sha256 else {
        throw CheckpointError(
          "trust", path, "\(name) does not have the digest that \(CheckpointFile.state) gives; the file is damaged")
      }
    }
  }

  /// Opens a checkpoint by its `state.json` and the sizes of its files; their bytes are not read.
  public init(opening path: String) throws(CheckpointError) {
    let statePath = path + "/" + CheckpointFile.state
    switch try Folders.kind(of: statePath) {
    case .file: break
    case .absent: throw CheckpointError("trust", path, "it has no \(CheckpointFile.state), so it was never finished")
    default:
      throw CheckpointError(
        "trust", path, "its \(CheckpointFile.state) is a link or no file", remedy: "Put the file itself in its place.")
    }
    let document = try StateDocument(
      decoding: Folders.read(statePath, atMost: StateDocument.mostBytes), path: statePath)
    if let expected = RunFolder.step(ofCheckpointNamed: (path as NSString).lastPathComponent),
      expected != document.training.step
    {
      throw CheckpointError("trust", path, "its \(CheckpointFile.state) is of step \(document.training.step)")
    }
    for (name, record) in document.files.sorted(by: { $0.key < $1.key }) {
      guard isPlainFileName(name), name != CheckpointFile.state else {
        throw CheckpointError(
          "trust", path, "its \(CheckpointFile.state) lists \"\(name)\", which is not a file of a checkpoint")
      }
      let (kind, bytes) = try CheckpointError.wrapping { () throws(FileError) in try FileKind.measure(path + "/" + name)
      }
      if kind == .absent { throw CheckpointError("trust", path, "\(name) is missing") }
      guard kind == .file else {
        throw CheckpointError(
          "trust", path, "\(name) is a link or no file", remedy: "Put the file itself in its place.")
      }
      guard bytes == record.bytes else {
        throw CheckpointError("trust", path, "\(name) has \(bytes) bytes instead of \(record.bytes)")
      }
    }
    self.path = path
    self.state = document.training
    self.files = document.files
  }

  /// A small file, such as `config.json`.
  public func bytes(_ name: String) throws(CheckpointError) -> [UInt8] { try Folders.read(path + "/" + name) }

  /// A file of tensors, such as `model.safetensors`.
  public func tensors(_ name: String) throws(CheckpointError) -> SafetensorsFile {
    try SafetensorsFile(path + "/" + name)
  }

  /// Reads what `CheckpointContents(model:parameters:moments:auxiliary:files:state:)` saved back into the
  /// same stores. Weights alone can be read by passing no moments and `weightsOnly`.
  ///
  /// - Throws: `CheckpointError` when a tensor is missing, has another shape, or belongs to none of the stores.
  public func restore(
    model: ModelConfiguration, parameters: ParameterStore, moments: [String: ParameterStore],
    auxiliary: [String: ParameterStore] = [:], weightsOnly: Bool = false
  ) throws(CheckpointError) {
    let parts = NetworkParts(model: model, parameters: parameters, moments: moments, auxiliary: auxiliary)
    try restore(parts.model, from: CheckpointFile.model, every: true)
    try restore(parts.optimizer, from: CheckpointFile.optimizer, every: !weightsOnly)
  }

  private func restore(_ parts: [NamedTensor], from name: String, every: Bool) throws(CheckpointError) {
    let file = try tensors(name)
    for part in parts {
      guard let tensor = file[part.name] else {
        throw CheckpointError("restore", file.path, "it has no tensor \(part.name), which this configuration needs")
      }
      guard tensor.shape == part.shape else {
        throw CheckpointError(
          "restore", file.path,
          "tensor \(part.name) has the shape \(tensor.shape), and this configuration needs \(part.shape)")
      }
      try file.read(part.name, into: part.view)
    }
    guard every, file.tensors.count > parts.count else { return }
    let known = Set(parts.map(\.name))
    let unknown = file.tensors.map(\.name).filter { !known.contains($0) }.sorted()
    throw CheckpointError("restore", file.path, "it holds \(unknown[0]), which this configuration has no place for")
  }
}
