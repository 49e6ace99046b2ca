import Core
import Glibc

/// Hides the positions at which filtered noise is small: masks with a chosen spatial correlation that depend neither
/// on the data nor on anything learned.
///
/// *Concretely:* W is white noise on a torus twice as long as the grid along each axis, G_σ * W its convolution with a
/// Gaussian. Red: G_σ * W; blue: W - G_σ * W; green: G_σ * W - G_τ * W, a band; purple: W minus that band. The grid is
/// cut out of a corner, and the positions with the largest values are visible. White is what `GridMask.random` draws.
///
/// Reference: Hinojosa et al., "ColorMAE", 2024, arXiv 2407.13036.
public struct NoiseMask: PositionMask {
  /// Which frequencies noise has.
  public enum Color: String, Codable, Sendable, CaseIterable { case white, red, green, blue, purple }

  /// Which frequencies the noise has.
  public let color: Color
  /// σ, and τ of the band, in positions.
  public let sigma: Double, wideSigma: Double

  /// The site of a sample's noise.
  private static let site: UInt32 = 1

  /// - Precondition: 0 < sigma < wideSigma.
  public init(_ color: Color, sigma: Double, wideSigma: Double) {
    (self.color, self.sigma, self.wideSigma) = (color, sigma, wideSigma)
  }

  /// - Complexity: O(2^axes · positions · σ), and a sort.
  public func hidden(_ count: Int, of grid: [Int], _ random: CounterGenerator) -> [Int] {
    guard color != .white else { return GridMask(.random).hidden(count, of: grid, random) }
    let values = field(grid, random)
    let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    return order.prefix(count).sorted()
  }

  /// The noise at each position of the grid.
  public func field(_ grid: [Int], _ random: CounterGenerator) -> [Double] {
    let torus = grid.map { 2 * $0 }
    let stream = random.at(position: random.position, site: Self.site)
    // Sums of four uniform numbers, of which no two should be equal.
    let white = (0..<torus.reduce(1, *)).map { i in
      (0..<4).reduce(-2.0) { $0 + stream.uniformDouble(4 * i + $1) }
    }
    func combined(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 - $1 } }
    let smooth = blurred(white, torus, sigma)
    let filtered: [Double] =
      switch color {
      case .white: white
      case .red: smooth
      case .blue: combined(white, smooth)
      case .green: combined(smooth, blurred(white, torus, wideSigma))
      case .purple: combined(white, combined(smooth, blurred(white, torus, wideSigma)))
      }
    return cropped(filtered, torus, to: grid)
  }

  /// Convolution with a Gaussian around a torus, axis by axis.
  private func blurred(_ values: [Double], _ sizes: [Int], _ sigma: Double) -> [Double] {
    let reach = Int((3 * sigma).rounded(.up))
    let weights = (-reach...reach).map { exp(-Double($0 * $0) / (2 * sigma * sigma)) }
    let total = weights.reduce(0, +)
    var (result, stride) = (values, 1)
    for n in sizes.reversed() {
      let source = result
      for i in result.indices {
        let place = i / stride % n
        let first = i - place * stride
        result[i] =
          weights.enumerated().reduce(0) { sum, weight in
            let k = ((place + weight.offset - reach) % n + n) % n
            return sum + weight.element * source[first + k * stride]
          } / total
      }
      stride *= n
    }
    return result
  }

  private func cropped(_ values: [Double], _ sizes: [Int], to grid: [Int]) -> [Double] {
    (0..<grid.reduce(1, *)).map { position in
      var (rest, index, stride) = (position, 0, 1)
      for axis in grid.indices.reversed() {
        index += rest % grid[axis] * stride
        (rest, stride) = (rest / grid[axis], stride * sizes[axis])
      }
      return values[index]
    }
  }
}
