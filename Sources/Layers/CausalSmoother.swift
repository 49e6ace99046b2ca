import Core
import Glibc
import Tensors

/// A moving average of a series with missing numbers that reads the present and the past, under a Gaussian whose
/// deviation is trained.
///
/// *Concretely:* s_t = Σ_l g_l·o_{t-l}·x_{t-l} / Σ_l g_l·o_{t-l} over lags l = 0 … `lag`, with o = 1 where x was
/// measured and g_l = exp(-l² / 2σ²); s_t = 0 where nothing was measured in that time. The deviation in steps is σ =
/// a + (b - a)·sigmoid(θ + θ₀): it stays inside a … b, and θ = 0, the first value, is σ = `start`.
///
/// Shapes: x, o, s [B, T]. Sums are in double precision. A number that was not measured is not read.
/// - Complexity: O(B·T·lag), twice that in backward.
public struct CausalSmoother: Sendable {
  /// The entry of θ.
  public let parameter: Int
  /// The bounds a … b of σ, in steps.
  public let range: ClosedRange<Double>
  /// The oldest step read.
  public let lag: Int
  /// θ₀.
  public let offset: Double

  /// Appends the scalar θ, `name.deviation`, to the layout.
  /// - Precondition: `start` lies inside `range` and is neither end; the lower end is above 0.
  public init(
    _ name: String, start: Double, range: ClosedRange<Double>, lag: Int, into layout: inout ParameterLayout
  ) {
    precondition(
      range.lowerBound > 0 && start > range.lowerBound && start < range.upperBound && lag >= 0,
      "a smoother of deviation \(start) in \(range) over \(lag) steps")
    (self.range, self.lag) = (range, lag)
    offset = log((start - range.lowerBound) / (range.upperBound - start))
    parameter = layout.append(ParameterSpec("\(name).deviation", [1], decay: false, .zeros))
  }

  /// σ and dσ/dθ.
  public func deviation(_ parameters: ParameterStore) -> (value: Double, slope: Double) {
    let share = 1 / (1 + exp(-Double(parameters.view(parameter)[0]) - offset))
    let width = range.upperBound - range.lowerBound
    return (range.lowerBound + width * share, width * share * (1 - share))
  }

  /// Writes s into `y` and, into `covered`, 1 where a number was measured in the time that s_t reads, else 0.
  public func forward(
    _ x: TensorView, observed: TensorView, _ pass: Pass, into y: TensorView, covered: TensorView
  ) {
    precondition(
      [observed, y, covered].allSatisfy { $0.rows == x.rows && $0.columns == x.columns },
      "a smoother needs four matrices of \(x.rows) × \(x.columns)")
    let weights = weights(deviation(pass.parameters).value)
    for row in 0..<x.rows {
      for t in 0..<x.columns {
        let (sum, weight) = sums(x, observed, row, t, weights)
        y[row, t] = weight > 0 ? Float(sum / weight) : 0
        covered[row, t] = weight > 0 ? 1 : 0
      }
    }
  }

  /// The gradient of θ from `dy`, into the scratch of `group`.
  ///
  /// *Concretely:* ds_t/dσ = Σ_l g_l·o_{t-l}·(x_{t-l} - s_t)·l²/σ³ / Σ_l g_l·o_{t-l}.
  public func backward(_ x: TensorView, observed: TensorView, dy: TensorView, _ pass: Pass, in group: Range<Int>) {
    let (sigma, slope) = deviation(pass.parameters)
    let weights = weights(sigma)
    let steeper = weights.enumerated().map { $0.element * Double($0.offset * $0.offset) / (sigma * sigma * sigma) }
    var total = 0.0
    for row in 0..<x.rows {
      for t in 0..<x.columns where dy[row, t] != 0 {
        let (sum, weight) = sums(x, observed, row, t, weights)
        guard weight > 0 else { continue }
        let (moved, movedWeight) = sums(x, observed, row, t, steeper)
        total += Double(dy[row, t]) * (moved - sum / weight * movedWeight) / weight
      }
    }
    pass.gradient(parameter, in: group)[0] = Float(total * slope)
  }

  /// g of each lag. One that is too small for a normal number is 0: such a lag is not read.
  private func weights(_ sigma: Double) -> [Double] {
    (0...lag).map { exp(-Double($0 * $0) / (2 * sigma * sigma)) }
  }

  /// Σ w_l·o·x and Σ w_l·o of the steps up to t.
  private func sums(_ x: TensorView, _ observed: TensorView, _ row: Int, _ t: Int, _ weights: [Double]) -> (
    values: Double, weights: Double
  ) {
    var (values, total) = (0.0, 0.0)
    for l in 0...min(lag, t) where observed[row, t - l] != 0 {
      values += weights[l] * Double(x[row, t - l])
      total += weights[l]
    }
    return (values, total)
  }
}
