import Glibc
import Kernels
import Tensors
import TestSupport
import Testing

@Suite struct ActivationTests {
  private func exact(_ kind: PointwiseActivation, _ x: Double) -> (value: Double, slope: Double) {
    switch kind {
    case .gelu:
      let cumulative = 0.5 * erfc(-x * 0.5.squareRoot())
      return (x * cumulative, cumulative + x * Glibc.exp(-0.5 * x * x) / (2 * Double.pi).squareRoot())
    case .geluTanh:
      let c = (2 / Double.pi).squareRoot()
      let t = tanh(c * (x + 0.044715 * x * x * x))
      return (0.5 * x * (1 + t), 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x))
    case .tanh:
      let t = Glibc.tanh(x)
      return (t, 1 - t * t)
    }
  }

  /// Units allowed for a derivative. The tanh form has the factor x · (1 - s) · slope, where 1 - s keeps half a unit of
  /// error and the rest reaches 20 before the product vanishes.
  private func slopeUnits(_ kind: PointwiseActivation) -> Double { kind == .geluTanh ? 24 : 8 }

  /// Value and derivative at every length, against Φ and tanh of libm: absolute 4 ulp of max(1, |x|).
  @Test(arguments: [PointwiseActivation.gelu, .geluTanh, .tanh], lengths)
  func gelu(kind: PointwiseActivation, n: Int) {
    let m = Matrices(seed: UInt64(n) + 1)
    let (x, dy, y, plain) = (m.normal(1, n, deviation: 3), m.normal(1, n), m.empty(1, n), m.empty(1, n))
    let dx = m.with(x.array, 1, n)
    activate(kind, x, into: plain)
    activate(kind, dx, into: y, keepingSlope: true)
    multiply(dx, by: dy)
    #expect(y.array == plain.array)
    for i in 0..<n {
      let (value, slope) = exact(kind, Double(x[i]))
      #expect(abs(Double(y[i]) - value) <= 4 * Tolerance.ulp * max(1, abs(Double(x[i]))))
      #expect(
        abs(Double(dx[i]) - slope * Double(dy[i])) <= slopeUnits(kind) * Tolerance.ulp * max(1, abs(Double(dy[i]))))
    }
    let inPlace = m.with(x.array, 1, n)
    activate(kind, inPlace, into: inPlace)
    #expect(inPlace.array == y.array)
  }

  /// A fine grid over the whole range, and what lies far outside of it.
  @Test(arguments: [PointwiseActivation.gelu, .geluTanh, .tanh])
  func grid(kind: PointwiseActivation) {
    let m = Matrices()
    let x = m.with((-6000...6000).map { Float($0) / 500 }, 1, 12_001)
    let (y, dx) = (m.empty(1, 12_001), m.with(x.array, 1, 12_001))
    activate(kind, dx, into: y, keepingSlope: true)
    var (worst, worstSlope) = (0.0, 0.0)
    for i in 0..<x.count {
      let (value, slope) = exact(kind, Double(x[i]))
      worst = max(worst, abs(Double(y[i]) - value) / max(1, abs(value)) / Tolerance.ulp)
      worstSlope = max(worstSlope, abs(Double(dx[i]) - slope) / Tolerance.ulp)
    }
    #expect(worst < 4 && worstSlope < slopeUnits(kind))
    let (far, image) = (m.with([-100, 100, 1e30], 1, 3), m.empty(1, 3))
    activate(kind, far, into: image)
    let limits: [Float] = kind == .tanh ? [-1, 1, 1] : [0, 100, 1e30]
    #expect(abs(image[0] - limits[0]) < 1e-30 && image[1] == limits[1] && image[2] == limits[2])
  }

  @Test(arguments: lengths)
  func swiGLU(n: Int) {
    let m = Matrices(seed: UInt64(n) + 2)
    let (x, dy, y, plain) = (m.normal(3, 2 * n, deviation: 2), m.normal(3, n), m.empty(3, n), m.empty(3, n))
    let dx = m.with(x.array, 3, 2 * n)
    swiglu(x, into: plain)
    swiglu(dx, into: y, keepingSlope: true)
    #expect(y.array == plain.array)
    let slopes = m.with(dx.array, 3, 2 * n)
    swigluBackward(slopes: dx, dy: dy, into: dx)
    let apart = m.empty(3, 2 * n)
    swigluBackward(slopes: slopes, dy: dy, into: apart)
    #expect(apart.array == dx.array)
    for row in 0..<3 {
      for i in 0..<n {
        let (g, u, d) = (Double(x[row, i]), Double(x[row, n + i]), Double(dy[row, i]))
        let s = 1 / (1 + Glibc.exp(-g))
        let bound = 8 * Tolerance.ulp * max(1, abs(g)) * max(1, abs(u)) * max(1, abs(d))
        #expect(abs(Double(y[row, i]) - g * s * u) <= bound)
        #expect(abs(Double(dx[row, i]) - d * u * s * (1 + g * (1 - s))) <= bound)
        #expect(abs(Double(dx[row, n + i]) - d * g * s) <= bound)
      }
    }
  }
}
