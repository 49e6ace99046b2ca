import Core
import Tensors

/// A tensor of a Hugging Face model and the part of a parameter that it is.
public struct HuggingFaceTensor: Sendable, Equatable {
  /// The name in `model.safetensors`.
  public let fileName: String
  /// The parameter's name in this project.
  public let internalName: String
  /// Rows of the parameter (elements, of a vector); nil for the whole.
  public let rows: Range<Int>?
  /// The shape in the file.
  public let shape: [Int]

  /// The part as a view; nothing is copied.
  /// - Parameter prefix: stands before the parameter's name in the store.
  public func view(in store: ParameterStore, prefix: String = "") -> TensorView? {
    guard let entry = store.layout.entry(named: prefix + internalName) else { return nil }
    let whole = store.view(entry.index)
    guard let rows else { return whole }
    return entry.spec.shape.count == 1 ? whole.shaped(whole.count, 1).rows(rows) : whole.rows(rows)
  }
}

/// The tensors of a class in the making.
///
/// Every tensor is a contiguous range of rows of a parameter here, so that saving and loading copy no matrix.
struct TensorList {
  let model: ModelConfiguration
  private(set) var tensors: [HuggingFaceTensor] = []

  init(_ model: ModelConfiguration) { self.model = model }

  mutating func add(_ fileName: String, _ internalName: String, _ shape: [Int], rows: Range<Int>? = nil) {
    tensors.append(HuggingFaceTensor(fileName: fileName, internalName: internalName, rows: rows, shape: shape))
  }

  /// A linear layer: weight and, where the model has them, bias, of `outputs` outputs from row `first` on.
  mutating func addLinear(_ fileName: String, _ internalName: String, inputs: Int, outputs: Int, first: Int? = nil) {
    let rows = first.map { $0..<$0 + outputs }
    let shape = model.inputMajorWeights ? [inputs, outputs] : [outputs, inputs]
    add(fileName + ".weight", internalName + ".weight", shape, rows: rows)
    if model.bias { add(fileName + ".bias", internalName + ".bias", [outputs], rows: rows) }
  }

  mutating func addNorm(_ fileName: String, _ internalName: String, width: Int? = nil) {
    add(fileName + ".weight", internalName + ".weight", [width ?? model.hiddenSize])
    if model.norm == .layer { add(fileName + ".bias", internalName + ".bias", [width ?? model.hiddenSize]) }
  }
}
