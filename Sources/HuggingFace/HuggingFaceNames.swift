import Core
import Safetensors
import Tensors

/// Under which names `transformers` looks for the parameters of a model.
public enum HuggingFaceNames {
  /// The tensors of `configuration`'s family, or of another that computes it too, in model order; empty when it has
  /// none.
  public static func tensors(for configuration: ModelConfiguration, as wanted: (any ModelFamily.Type)? = nil)
    -> [HuggingFaceTensor]
  {
    (wanted ?? configuration.huggingFaceFamily)?.tensors(configuration) ?? []
  }

  /// What goes into `model.safetensors`: Hugging Face's names, or the project's own where no class fits.
  ///
  /// - Precondition: the store holds every parameter the class needs, in the shape it needs.
  public static func parts(of store: ParameterStore, _ configuration: ModelConfiguration) -> [NamedTensor] {
    let tensors = tensors(for: configuration)
    guard !tensors.isEmpty else { return NamedTensor.all(of: store) }
    return tensors.map { tensor in
      guard let view = tensor.view(in: store) else {
        preconditionFailure(
          "the model declares no parameter \(tensor.internalName), which \(tensor.fileName) is made of")
      }
      return NamedTensor(tensor.fileName, shape: tensor.shape, view: view, of: store)
    }
  }

  /// Parameters that have no place in the Hugging Face class, such as an objective's own head.
  public static func uncovered(_ layout: ParameterLayout, _ configuration: ModelConfiguration) -> [ParameterLayout
    .Entry]
  {
    let tensors = tensors(for: configuration)
    guard !tensors.isEmpty else { return [] }
    let covered = Set(tensors.map(\.internalName))
    return layout.entries.filter { !covered.contains($0.name) }
  }
}
