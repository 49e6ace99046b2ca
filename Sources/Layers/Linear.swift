import Kernels
import Tensors

/// A linear layer: `y = x · W + b` with `x` [n, in], `y` [n, out]. The weight is stored [out, in] as PyTorch's
/// `Linear`, or [in, out] when `inputMajor`, as in GPT-2's files; gemm reads either without a copy.
/// Initial weights are normal with mean 0 and the given deviation, biases are zero.
public struct Linear: Sendable {
  public let weight: Int
  public let bias: Int?
  public let inputMajor: Bool

  /// Appends `name.weight` and, if wanted, `name.bias` to the layout.
  public init(
    _ name: String, inputs: Int, outputs: Int, bias hasBias: Bool, inputMajor: Bool, deviation: Float,
    into layout: inout ParameterLayout
  ) {
    weight = layout.append(
      ParameterSpec(
        "\(name).weight", inputMajor ? [inputs, outputs] : [outputs, inputs], decay: true, .normal(deviation)))
    bias = hasBias ? layout.append(ParameterSpec("\(name).bias", [outputs], decay: false, .zeros)) : nil
    self.inputMajor = inputMajor
  }

  /// `y` ← x·W + b.
  public func forward(_ x: TensorView, _ pass: Pass, into y: TensorView) {
    if let bias { broadcastRow(pass.parameters.view(bias), into: y) }
    gemm(x, pass.parameters.view(weight), transposeB: !inputMajor, into: y, beta: bias == nil ? 0 : 1)
  }

  /// Some outputs: `y` [n, k] ← x·W + b for k columns of W and b.
  func forward(_ x: TensorView, outputs: Range<Int>, _ pass: Pass, into y: TensorView) {
    if let bias { broadcastRow(part(pass.parameters.view(bias), outputs), into: y) }
    gemm(
      Submatrix(x), columns(outputs, of: pass.parameters.view(weight)), transposeB: !inputMajor, into: Submatrix(y),
      beta: bias == nil ? 0 : 1)
  }

  /// The part of the parameter gradients that belongs to some outputs, from their `dy` [n, k], and `dx` ← dy·Wᵀ of them
  /// (added with `accumulate`). `dx` may be `x`.
  func backward(
    x: TensorView, dy: TensorView, outputs: Range<Int>, _ pass: Pass, in group: Range<Int>, into dx: TensorView,
    accumulate: Bool = false
  ) {
    let dw = columns(outputs, of: pass.gradient(weight, in: group))
    if inputMajor {
      gemm(Submatrix(x), Submatrix(dy), transposeA: true, into: dw)
    } else {
      gemm(Submatrix(dy), Submatrix(x), transposeA: true, into: dw)
    }
    if let bias { sumRows(dy, into: part(pass.gradient(bias, in: group), outputs)) }
    gemm(
      Submatrix(dy), columns(outputs, of: pass.parameters.view(weight)), transposeB: inputMajor, into: Submatrix(dx),
      beta: accumulate ? 1 : 0)
  }

  /// The weights of some outputs.
  private func columns(_ outputs: Range<Int>, of w: TensorView) -> Submatrix {
    inputMajor
      ? Submatrix(of: w, rows: 0..<w.rows, column: outputs.lowerBound, columns: outputs.count)
      : Submatrix(of: w, rows: outputs, column: 0, columns: w.columns)
  }

  private func part(_ vector: TensorView, _ range: Range<Int>) -> TensorView {
    TensorView(base: vector.base + range.lowerBound, rows: 1, columns: range.count)
  }

  /// Parameter gradients dW = xᵀ·dy and db = Σ dy into the scratch of `group`, and, if wanted, `dx` ← dy·Wᵀ (added with
  /// `accumulate`).
  public func backward(
    x: TensorView, dy: TensorView, _ pass: Pass, in group: Range<Int>, into dx: TensorView?, accumulate: Bool = false
  ) {
    let dw = pass.gradient(weight, in: group)
    if inputMajor {
      gemm(x, dy, transposeA: true, into: dw)
    } else {
      gemm(dy, x, transposeA: true, into: dw)
    }
    if let bias { sumRows(dy, into: pass.gradient(bias, in: group)) }
    if let dx {
      gemm(dy, pass.parameters.view(weight), transposeB: inputMajor, into: dx, beta: accumulate ? 1 : 0)
    }
  }
}
