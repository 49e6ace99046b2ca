import Glibc
import Tensors

/// Cosines and sines of rotary positions: angle(p, k) = p · base^(-2k / d) for k in 0 ..< d/2.
///
/// Reference: Su et al., "RoFormer", 2021, arXiv 2104.09864; halves are paired as (k, k + d/2), as in Llama.
public struct RotaryTable: Sendable {
  public let headDim: Int
  let cosines: [Float]
  let sines: [Float]

  public init(context: Int, headDim: Int, base: Float) {
    self.headDim = headDim
    let half = headDim / 2
    var (c, s) = ([Float](), [Float]())
    for p in 0..<context {
      for k in 0..<half {
        // Float angles, as the models in use were trained with.
        let frequency = 1 / Float(pow(Double(base), Double(2 * k) / Double(headDim)))
        let angle = Double(Float(p) * frequency)
        c.append(Float(cos(angle)))
        s.append(Float(sin(angle)))
      }
    }
    (cosines, sines) = (c, s)
  }
}

/// Rotates the first `heads` blocks of d columns of `x` in place by the angle of each row's position: of queries, keys
/// and values [n, 3·H·d] the first 2·H are queries and keys.
/// With `inverse` it is its own backward pass, applied to gradients.
public func rotate(_ x: TensorView, heads: Int, positions: [Int32], table: RotaryTable, inverse: Bool = false) {
  let d = table.headDim
  let half = d / 2
  precondition(
    x.columns >= heads * d && positions.count == x.rows, "rotary positions need \(heads) heads of \(d) columns")
  for row in 0..<x.rows {
    let offset = Int(positions[row]) * half
    for head in 0..<heads {
      let p = x.base + row * x.columns + head * d
      for k in 0..<half {
        let c = table.cosines[offset + k]
        let s = inverse ? -table.sines[offset + k] : table.sines[offset + k]
        let (a, b) = (p[k], p[k + half])
        p[k] = a * c - b * s
        p[k + half] = b * c + a * s
      }
    }
  }
}
