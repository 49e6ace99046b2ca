import Core
import HuggingFace
import Safetensors
import Tensors

/// Everything a checkpoint is made of, as values: tensors by file, small files, and the training state.
public struct CheckpointContents: Sendable {
  /// Tensors by the name of their file, such as `model.safetensors`.
  public var tensorFiles: [String: [NamedTensor]]
  /// Whole small files by name, such as `config.json` and `tokenizer.json`.
  public var byteFiles: [String: [UInt8]]
  public var state: TrainingState

  public init(tensorFiles: [String: [NamedTensor]], byteFiles: [String: [UInt8]] = [:], state: TrainingState) {
    self.tensorFiles = tensorFiles
    self.byteFiles = byteFiles
    self.state = state
  }

  /// The usual checkpoint: `model.safetensors` under the names Hugging Face expects (or the project's own,
  /// where no class fits), and everything else in `optimizer.safetensors`: moments as `<moment>.<parameter>`,
  /// auxiliary networks as `<network>.<parameter>`, and parameters that the Hugging Face class has no place
  /// for as `p.<parameter>`.
  ///
  /// - Parameters:
  ///   - moments: stores under the layout of `parameters`, by a name such as `m` or `v`.
  ///   - auxiliary: further stores, such as a teacher's weights, by names that `moments` does not use.
  public init(
    model: ModelConfiguration, parameters: ParameterStore, moments: [String: ParameterStore],
    auxiliary: [String: ParameterStore] = [:], files: [String: [UInt8]] = [:], state: TrainingState
  ) {
    let parts = NetworkParts(model: model, parameters: parameters, moments: moments, auxiliary: auxiliary)
    self.init(
      tensorFiles: [CheckpointFile.model: parts.model, CheckpointFile.optimizer: parts.optimizer], byteFiles: files,
      state: state)
  }
}

/// Which tensor goes under which name into which file. Saving and restoring walk the same list, so that
/// nothing can be saved and not restored.
struct NetworkParts {
  let model: [NamedTensor]
  let optimizer: [NamedTensor]

  init(
    model configuration: ModelConfiguration, parameters: ParameterStore, moments: [String: ParameterStore],
    auxiliary: [String: ParameterStore]
  ) {
    model = HuggingFaceNames.parts(of: parameters, configuration)
    var rest = HuggingFaceNames.uncovered(parameters.layout, configuration).map { entry in
      NamedTensor("p." + entry.name, shape: entry.spec.shape, view: parameters.view(entry.index), of: parameters)
    }
    for (name, store) in moments.merging(auxiliary, uniquingKeysWith: { first, _ in first }) {
      precondition(name != "p", "p is the prefix of parameters without a place in the exported model")
      rest += NamedTensor.all(of: store, prefix: name + ".")
    }
    precondition(
      moments.keys.allSatisfy { auxiliary[$0] == nil },
      "a moment and an auxiliary network share a name of \(moments.keys.sorted())")
    optimizer = rest
  }
}
