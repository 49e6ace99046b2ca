import Core
import Kernels
import Tensors

/// LayerNorm or RMSNorm over the columns of each row; see `layerNorm` and `rmsNorm` in Kernels for the formulas.
/// The weight starts at one, the bias (LayerNorm only) at zero; neither decays.
public struct Norm: Sendable {
  public let kind: ModelConfiguration.Norm
  public let weight: Int
  public let bias: Int?
  public let epsilon: Float

  /// Appends `name.weight` and, for LayerNorm, `name.bias` to the layout.
  /// - Parameter uses: see `ParameterSpec.uses`.
  public init(
    _ name: String, width: Int, kind: ModelConfiguration.Norm, epsilon: Float, uses: Int = 1,
    into layout: inout ParameterLayout
  ) {
    self.kind = kind
    self.epsilon = epsilon
    weight = layout.append(ParameterSpec("\(name).weight", [width], decay: false, .ones, uses: uses))
    bias =
      kind == .layer ? layout.append(ParameterSpec("\(name).bias", [width], decay: false, .zeros, uses: uses)) : nil
  }

  /// `statistics` [n, 2] is needed again by `backward`.
  public func forward(_ x: TensorView, _ pass: Pass, into y: TensorView, statistics: TensorView) {
    let w = pass.parameters.view(weight)
    switch kind {
    case .layer:
      layerNorm(
        x, weight: w, bias: bias.map { pass.parameters.view($0) }, epsilon: epsilon, into: y, statistics: statistics)
    case .rms: rmsNorm(x, weight: w, epsilon: epsilon, into: y, statistics: statistics)
    }
  }

  /// Overwrites `dx`, or adds to it with `accumulate`. `dx` may be `dy` when it overwrites.
  public func backward(
    x: TensorView, dy: TensorView, statistics: TensorView, _ pass: Pass, in group: Range<Int>, into dx: TensorView,
    accumulate: Bool = false
  ) {
    let w = pass.parameters.view(weight)
    let dw = pass.gradient(weight, in: group)
    switch kind {
    case .layer:
      layerNormBackward(
        x: x, dy: dy, weight: w, statistics: statistics, into: dx, accumulate: accumulate, dweight: dw,
        dbias: bias.map { pass.gradient($0, in: group) })
    case .rms:
      rmsNormBackward(x: x, dy: dy, weight: w, statistics: statistics, into: dx, accumulate: accumulate, dweight: dw)
    }
  }
}
