import Tensors

/// Where a layer writes the gradient of its input.
public struct GradientTarget {
  public let view: TensorView
  /// Whether the gradient is added to what the view holds.
  public let accumulate: Bool

  public static func overwriting(_ view: TensorView) -> GradientTarget { GradientTarget(view: view, accumulate: false) }

  public static func adding(to view: TensorView) -> GradientTarget { GradientTarget(view: view, accumulate: true) }
}
