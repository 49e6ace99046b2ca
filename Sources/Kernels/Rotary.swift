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

/// Rotates queries and keys inside `qkv` [n, 3·H·d] in place by the angle of each row's position.
/// With `inverse` it is its own backward pass, applied to gradients.
public func rotate(_ qkv: TensorView, heads: Int, positions: [Int32], table: RotaryTable, inverse: Bool = false) {
  let d = table.headDim
  let half = d / 2
  let width = heads * d
  precondition(qkv.columns == 3 * width && positions.count == qkv.rows, "rotary positions need [n, 3·heads·headWidth]")
  for row in 0..<qkv.rows {
    let offset = Int(positions[row]) * half
    for head in 0..<2 * heads {
      let p = qkv.base + row * 3 * width + head * d
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
