import Core
import Glibc
import Kernels
import Layers
import Tensors

// References as plain formulas on a tape, written from the papers and not from the kernels. Legend: n rows, C width,
// B samples, T positions, H heads.

extension Scope {
  /// x·W + b with W [in, out], or its transpose as stored.
  public func linear(_ name: String, _ x: Value, inputMajor: Bool) -> Value {
    let product = x.times(parameter("\(name).weight"), transposed: !inputMajor)
    return optional("\(name).bias").map { product + $0 } ?? product
  }

  /// (x - mean) / √(variance + ε) · w + b, or x / √(mean x² + ε) · w.
  public func norm(_ name: String, _ x: Value, _ kind: ModelConfiguration.Norm, epsilon: Float) -> Value {
    let share = 1 / Double(x.columns)
    let centered = kind == .layer ? x - x.rowSums() * share : x
    let variance = (centered * centered).rowSums() * share
    let scaled = centered / (variance + Double(epsilon)).squareRoot() * parameter("\(name).weight")
    return optional("\(name).bias").map { scaled + $0 } ?? scaled
  }

  /// The activation, from the inner size or, for SwiGLU, from twice of it.
  public func activation(_ kind: ModelConfiguration.Activation, _ x: Value) -> Value {
    switch kind {
    case .geluTanh: return geluTanh(x)
    case .gelu: return x * ((x * 0.5.squareRoot()).errorFunction() + 1) * 0.5
    case .swiglu:
      let half = x.columns / 2
      let gate = x.taking(columns: 0..<half)
      return gate / ((gate * -1).exponential() + 1) * x.taking(columns: half..<2 * half)
    }
  }

  private func geluTanh(_ x: Value) -> Value {
    let argument = (x + x * x * x * 0.044715) * (2 / Double.pi).squareRoot()
    return x * (argument.hyperbolicTangent() + 1) * 0.5
  }

  public func feedForward(_ name: String, _ x: Value, _ c: ModelConfiguration, inputMajor: Bool) -> Value {
    linear(
      "\(name).down", activation(c.activation, linear("\(name).up", x, inputMajor: inputMajor)), inputMajor: inputMajor)
  }

  /// Self-attention with its projections, sample by sample and head by head.
  ///
  /// - Parameter visible: (sample, query, key) → whether the key is seen.
  public func attention(
    _ name: String, _ x: Value, _ input: SequenceInput, _ c: ModelConfiguration, inputMajor: Bool, site: UInt32,
    visible: (Int, Int, Int) -> Bool
  ) -> Value {
    let qkv = linear("\(name).qkv", x, inputMajor: inputMajor)
    let t = input.length
    let samples = input.sampleIDs.indices.map { sample in
      let rows = qkv.taking(rows: Array(sample * t..<(sample + 1) * t))
      let ids = Array(input.positionIDs[sample * t..<(sample + 1) * t])
      let mask = (0..<t * t).map { visible(sample, $0 / t, $0 % t) }
      return Value.besides(
        (0..<c.numHeads).map { head in
          let factors = attentionDropout(c, t, head: head, position: input.sampleIDs[sample], site: site)
          return self.head(rows, head, c, ids, mask, factors)
        })
    }
    return linear("\(name).out", .stacked(samples), inputMajor: inputMajor)
  }

  /// One head of one sample: [T, C / H].
  private func head(
    _ qkv: Value, _ head: Int, _ c: ModelConfiguration, _ ids: [Int32], _ visible: [Bool], _ dropoutFactors: [Double]?
  ) -> Value {
    let d = c.headDim
    func part(_ which: Int) -> Value {
      qkv.taking(columns: which * c.hiddenSize + head * d..<which * c.hiddenSize + (head + 1) * d)
    }
    var (q, k) = (part(0), part(1))
    if c.positionEmbedding == .rotary {
      (q, k) = (rotated(q, ids, base: c.ropeTheta), rotated(k, ids, base: c.ropeTheta))
    }
    var weights = softmax(q.times(k, transposed: true) * (1 / Double(d).squareRoot()), visible: visible)
    if let dropoutFactors { weights = weights * tape.leaf(ids.count, ids.count, dropoutFactors) }
    return weights.times(part(2))
  }

  /// Softmax over the visible columns of each row.
  public func softmax(_ scores: Value, visible: [Bool]) -> Value {
    let n = scores.columns
    // The largest visible score is taken off as a constant: it changes the numbers' range and nothing else.
    let peaks = (0..<scores.rows).map { row -> Double in
      var peak = -Double.infinity
      for i in row * n..<(row + 1) * n where visible[i] { peak = max(peak, scores.data[i]) }
      return peak
    }
    let mask = tape.leaf(scores.rows, n, visible.map { $0 ? 1 : 0 })
    // Hidden scores are replaced by the peak before the exponential, so that it cannot overflow.
    let e = ((scores - tape.leaf(scores.rows, 1, peaks)) * mask).exponential() * mask
    return e / e.rowSums()
  }

  /// (a, b) → (a·cos - b·sin, b·cos + a·sin) on the halves of the columns.
  public func rotated(_ x: Value, _ ids: [Int32], base: Float) -> Value {
    let half = x.columns / 2
    var angles: [Double] = []
    for id in ids {
      for k in 0..<half {
        // The angle itself is a float, by definition of the models.
        let frequency = 1 / Float(pow(Double(base), Double(2 * k) / Double(x.columns)))
        angles.append(Double(Float(id) * frequency))
      }
    }
    let cosines = tape.leaf(x.rows, half, angles.map { cos($0) })
    let sines = tape.leaf(x.rows, half, angles.map { sin($0) })
    let (a, b) = (x.taking(columns: 0..<half), x.taking(columns: half..<2 * half))
    return .besides([a * cosines - b * sines, b * cosines + a * sines])
  }

  /// Factors of the attention weights [T, T] of a head: row i of head h starts at group (h·T + i)·⌈T/32⌉.
  func attentionDropout(_ c: ModelConfiguration, _ t: Int, head: Int, position: UInt64, site: UInt32) -> [Double]? {
    guard let dropout, c.attentionDropout > 0 else { return nil }
    let random = dropout.at(position: position, site: site &+ siteOffset)
    let groups = (t + 31) / 32
    return (0..<t * t).map {
      Self.dropoutFactor(rate: c.attentionDropout, firstGroup: (head * t + $0 / t) * groups, $0 % t, random)
    }
  }
}
