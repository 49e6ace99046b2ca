import Core
import HuggingFace
import Safetensors
import Storage
import Tensors

/// Makes a folder for Hugging Face tools out of a checkpoint.
public enum CheckpointExport {
  /// Writes weights, configuration, tokeniser and model card into `target`, which must not exist yet; the
  /// folder appears when it is complete.
  ///
  /// - Parameters:
  ///   - format: `float32` copies the weights' values; `bfloat16` rounds them to nearest, ties to even.
  ///   - card: the text of `README.md`; none when nil.
  /// - Throws: `CheckpointError` when the model has no Hugging Face class, the target exists, or writing fails.
  public static func export(
    _ checkpoint: Checkpoint, to target: String, format: FloatFormat = .float32, card: ModelCard? = nil
  ) throws(CheckpointError) {
    let model = try ModelConfiguration(huggingFace: checkpoint.path)
    if let reason = model.unsupportedByHuggingFace {
      throw CheckpointError("export", checkpoint.path, "\(reason.dropLast())")
    }
    try NewFolder.write(target, "export to") { temporary throws(CheckpointError) in
      try writeWeights(of: checkpoint, to: temporary + "/" + CheckpointFile.model, format: format)
      let exportedNetworks = try ExportedNetworkFiles.all(in: checkpoint)
      try copyFiles(
        of: checkpoint, to: temporary, configuration: CheckpointFile.configuration, format: format,
        context: model.maxPosition)
      for network in exportedNetworks {
        let folder = temporary + "/" + network.name
        try Folders.create(folder)
        try SafetensorsWriter.write(
          try ExportedNetworkFiles.tensors(network, in: checkpoint, main: model),
          to: folder + "/" + CheckpointFile.model, format: format)
        try copyFiles(
          of: checkpoint, to: folder, configuration: network.name + ExportedNetworkFiles.suffix, format: format,
          context: network.configuration.maxPosition)
        try Folders.sync(folder)
      }
      if let card { try write(Array(card.markdown.utf8), to: temporary + "/README.md") }
    }
  }

  /// The small files of a checkpoint, and of its configurations one, as `config.json`. Checkpoints of older versions do
  /// not say how much their model reads.
  private static func copyFiles(
    of checkpoint: Checkpoint, to folder: String, configuration: String, format: FloatFormat, context: Int
  ) throws(CheckpointError) {
    for name in checkpoint.files.keys.sorted() where !name.hasSuffix(".safetensors") {
      guard name != configuration else {
        try write(renamed(try checkpoint.bytes(name), to: format), to: folder + "/" + CheckpointFile.configuration)
        continue
      }
      guard name != CheckpointFile.configuration, !name.hasSuffix(ExportedNetworkFiles.suffix) else { continue }
      let bytes = try checkpoint.bytes(name)
      let isTokenizer = name == CheckpointFile.tokenizerConfiguration
      try write(
        isTokenizer
          ? HuggingFaceConfiguration.tokenizerJSON(bytes, context: context, path: checkpoint.path + "/" + name) : bytes,
        to: folder + "/" + name)
    }
  }

  private static func writeWeights(of checkpoint: Checkpoint, to path: String, format: FloatFormat)
    throws(CheckpointError)
  {
    let source = try checkpoint.tensors(CheckpointFile.model)
    var layout = ParameterLayout()
    // A store knows vectors and matrices; the shapes go into the new file as they are.
    for tensor in source.tensors { layout.append(ParameterSpec(tensor.name, [tensor.count], decay: false, .zeros)) }
    let store = ParameterStore(layout)
    var parts: [NamedTensor] = []
    for (index, tensor) in source.tensors.enumerated() {
      try source.read(tensor.name, into: store.view(index))
      parts.append(NamedTensor(tensor.name, shape: tensor.shape, view: store.view(index), of: store))
    }
    try SafetensorsWriter.write(parts, to: path, format: format)
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(CheckpointError) {
    try CheckpointError.wrapping { () throws(FileError) in try AtomicFile.write(bytes, to: path) }
  }

  /// The configuration with the dtype the weights now have.
  private static func renamed(_ configuration: [UInt8], to format: FloatFormat) -> [UInt8] {
    guard let members = (try? JSONValue.parse(configuration))?.members else { return configuration }
    let changed = members.map { member in
      ["dtype", "torch_dtype"].contains(member.name) ? JSONValue.Member(member.name, .string(format.torchName)) : member
    }
    return Array(JSONValue.object(changed).pretty.utf8)
  }
}
