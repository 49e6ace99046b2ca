import Core
import Kernels
import Layers
import Tensors

extension Scope {
  /// A block; `index` also decides its dropout sites.
  public func block(
    _ name: String, index: Int, _ x: Value, _ input: SequenceInput, _ c: ModelConfiguration,
    visible: (Int, Int, Int) -> Bool
  ) -> Value {
    let site = UInt32(16 + 4 * index)
    let inputMajor = c.inputMajorWeights
    func norm(_ which: String, _ v: Value) -> Value { self.norm("\(name).\(which)", v, c.norm, epsilon: c.normEps) }
    func attend(_ v: Value) -> Value {
      let y = attention("\(name).attention", v, input, c, inputMajor: inputMajor, site: site, visible: visible)
      return dropped(y, rate: c.dropout, positions: input.sampleIDs, site: site + 1)
    }
    func feed(_ v: Value) -> Value {
      let y = feedForward("\(name).feedForward", v, c, inputMajor: inputMajor)
      return dropped(y, rate: c.dropout, positions: input.sampleIDs, site: site + 2)
    }
    switch c.normPlacement {
    case .pre:
      let middle = x + attend(norm("norm1", x))
      return middle + feed(norm("norm2", middle))
    case .post:
      let middle = norm("norm1", x + attend(x))
      return norm("norm2", middle + feed(middle))
    }
  }

  /// - Parameters:
  ///   - rows: what stands in place of the input's values, such as another network's output.
  ///   - embedded: what stands in place of the tokens' embeddings.
  public func embedding(
    _ name: String, _ input: SequenceInput, _ c: ModelConfiguration, rows: Value? = nil, embedded: Value? = nil
  ) -> Value {
    var sum: Value
    if let embedded {
      sum = embedded
    } else if c.inputSize > 0 {
      sum = numbers(name, input, c, rows: rows)
    } else {
      sum = parameter("\(name).token").taking(rows: input.tokens.map(Int.init))
      if !input.roleIDs.isEmpty { sum = sum + parameter("\(name).token").taking(rows: input.roleIDs.map(Int.init)) }
    }
    if let position = optional("\(name).position") {
      sum = sum + position.taking(rows: input.positionIDs.map(Int.init))
    }
    if let type = optional("\(name).type") { sum = sum + type.taking(rows: [0]) }
    if c.normPlacement == .post { sum = norm("\(name).norm", sum, c.norm, epsilon: c.normEps) }
    return dropped(sum, rate: c.dropout, positions: input.sampleIDs, site: 1)
  }

  /// Projected numbers, with learned rows between them.
  private func numbers(_ name: String, _ input: SequenceInput, _ c: ModelConfiguration, rows: Value?) -> Value {
    let given = input.learned.isEmpty ? Array(0..<input.rows) : input.learned.indices.filter { input.learned[$0] < 0 }
    let values =
      rows
      ?? tape.leaf(
        given.count, c.inputSize,
        given.flatMap { input.values[$0 * c.inputSize..<($0 + 1) * c.inputSize].map(Double.init) })
    let projected = linear("\(name).values", values, inputMajor: false)
    guard !input.learned.isEmpty else { return projected }
    var source = input.learned.map { given.count + Int($0) }
    for (i, row) in given.enumerated() { source[row] = i }
    return Value.stacked([projected, parameter("\(name).learned")]).taking(rows: source)
  }

  /// The hidden states of a whole transformer.
  /// - Parameter embedding: of another network, which this one reads.
  public func hidden(
    prefix: String = "", embedding: String? = nil, _ input: SequenceInput, _ c: ModelConfiguration, rows: Value? = nil,
    visible: ((Int, Int, Int) -> Bool)? = nil, outputs: BlockOutputs? = nil
  ) -> Value {
    let visible =
      visible ?? { sample, query, key in
        let row = sample * input.length + query
        return Int(input.ranges.first[row]) <= key && key < Int(input.ranges.end[row])
      }
    var x = self.embedding(embedding ?? "\(prefix)embedding", input, c, rows: rows)
    if c.resolvedEmbeddingSize != c.hiddenSize { x = linear("\(prefix)embedding.projection", x, inputMajor: false) }
    for index in 0..<c.numLayers {
      x = block("\(prefix)block.\(index)", index: index, x, input, c, visible: visible)
      outputs?.values.append(x)
    }
    return c.normPlacement == .pre ? norm("\(prefix)norm", x, c.norm, epsilon: c.normEps) : x
  }

  /// Logits of rows of hidden states.
  public func logits(_ name: String, _ hidden: Value, rows: [Int], _ c: ModelConfiguration, tied: String) -> Value {
    var x = hidden.taking(rows: rows)
    if c.headTransform {
      let dense = linear("\(name).transform", x, inputMajor: false)
      x = norm(
        "\(name).norm", activation(c.activation == .geluTanh ? .geluTanh : .gelu, dense), c.norm, epsilon: c.normEps)
    }
    let z = x.times(parameter(c.tieWordEmbeddings ? tied : "\(name).weight"), transposed: true)
    return optional("\(name).bias").map { z + $0 } ?? z
  }

  /// The logits [rows, 1] of a head for replaced tokens.
  public func replacedLogits(_ name: String, _ hidden: Value, rows: [Int], _ c: ModelConfiguration) -> Value {
    let dense = linear("\(name).dense", hidden.taking(rows: rows), inputMajor: false)
    return linear("\(name).output", activation(c.activation == .geluTanh ? .geluTanh : .gelu, dense), inputMajor: false)
  }

  /// Σ wᵢ · (ln(1 + exp zᵢ) - yᵢ·zᵢ).
  public func sigmoidCrossEntropy(_ logits: Value, labels: [Double], weights: [Float]) -> Value {
    guard !labels.isEmpty else { return tape.scalar(0) }
    let losses = (logits.exponential() + 1).logarithm() - logits * tape.leaf(labels.count, 1, labels)
    return (losses * tape.leaf(labels.count, 1, weights.map(Double.init))).total()
  }

  /// Σ wᵢ · (log Σⱼ exp zᵢⱼ - zᵢ,tᵢ).
  public func crossEntropy(_ logits: Value, targets: [Int32], weights: [Float]) -> Value {
    guard !targets.isEmpty else { return tape.scalar(0) }
    let v = logits.columns
    let peaks = (0..<logits.rows).map { logits.data[$0 * v..<($0 + 1) * v].max() ?? 0 }
    let shifted = logits - tape.leaf(logits.rows, 1, peaks)
    var chosen = [Double](repeating: 0, count: logits.data.count)
    for (row, target) in targets.enumerated() { chosen[row * v + Int(target)] = 1 }
    let picked = (shifted * tape.leaf(logits.rows, v, chosen)).rowSums()
    let losses = shifted.exponential().rowSums().logarithm() - picked
    return (losses * tape.leaf(logits.rows, 1, weights.map(Double.init))).total()
  }
}

/// The output of each block, as a reference leaves it for whoever asks.
public final class BlockOutputs {
  var values: [Value] = []

  public init() {}
}
