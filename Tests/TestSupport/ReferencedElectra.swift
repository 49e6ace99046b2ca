import Core
import Glibc
import Kernels
import Layers
import Models
import Objectives

// Objectives with a generator as formulas. What is drawn is held: it is a constant of the loss.

extension Scope {
  /// The id with the largest zⱼ / temperature - ln(-ln uⱼ), of those that may be drawn; uⱼ is word j at the sample's
  /// position and site 1 + i.
  func drawn(
    _ logits: ArraySlice<Double>, temperature: Double, _ random: CounterGenerator?, position: UInt64, at i: Int,
    never: Set<Int32>
  ) -> Int32 {
    guard let own = random?.at(position: position, site: UInt32(1 + i)) else { return -1 }
    let sums = logits.enumerated().map { j, z -> Double in
      let u = (Double(own.word(j)) + 0.5) / 4_294_967_296
      return never.contains(Int32(j)) ? -.infinity : z / temperature - log(-log(u))
    }
    return Int32(sums.indices.max { sums[$0] < sums[$1] } ?? -1)
  }
}

extension Electra: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration { generatorCheckModel() }

  public static var overfitRate: Float { 0.2 }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (input, drawn, classified) = (example.inputs[0], example.targets[0], example.targets[1])
    var below = scope
    below.siteOffset = 1 << 24
    let shape = generator.configuration
    let states = below.hidden(prefix: "generator.", embedding: "embedding", input, shape)
    let logits = below.logits("generator.head", states, rows: drawn.rows, shape, tied: "embedding.token")
    let proposed = scope.holding("proposed") {
      drawn.rows.enumerated().map { index, row in
        let never = Set(ToyTokens.vocabulary.special).union(options.disallowCorrect ? [drawn.ids[index]] : [])
        return Double(
          scope.drawn(
            logits.data[index * logits.columns..<(index + 1) * logits.columns], temperature: options.temperature,
            example.random,
            position: input.sampleIDs[row / input.length], at: row % input.length, never: never))
      }
    }
    var replaced = input
    for (row, token) in zip(drawn.rows, proposed) { replaced.tokens[row] = Int32(token) }
    let c = encoder.configuration
    let scores = scope.replacedLogits("head", scope.hidden(replaced, c), rows: classified.rows, c)
    let labels = zip(classified.rows, classified.ids).map { replaced.tokens[$0] == $1 ? 0.0 : 1.0 }
    return [
      below.crossEntropy(logits, targets: drawn.ids, weights: drawn.weights),
      scope.sigmoidCrossEntropy(scores, labels: labels, weights: classified.weights),
    ]
  }
}

extension Electric: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration { generatorCheckModel() }

  public static var overfitRate: Float { 0.2 }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (shown, generated, classified) = (example.inputs[0], example.targets[0], example.targets[1])
    let logits = towers(example, scope, rows: generated.rows)
    let v = logits.columns
    func row(_ index: Int) -> ArraySlice<Double> { logits.data[index * v..<(index + 1) * v] }
    let proposed = scope.holding("proposed") {
      generated.rows.enumerated().map { index, place in
        guard shown.tokens[place] == ToyTokens.vocabulary.mask else { return Double(shown.tokens[place]) }
        return Double(
          scope.drawn(
            row(index), temperature: options.temperature, example.random,
            position: shown.sampleIDs[place / shown.length],
            at: place % shown.length, never: Set(ToyTokens.vocabulary.special)))
      }
    }
    let offsets = scope.holding("log q") {
      proposed.enumerated().map { index, token in
        let total = log(row(index).reduce(0) { $0 + exp($1) })
        return logits.data[index * v + Int(token)] - total + log(options.maskRatio / (1 - options.maskRatio))
      }
    }
    var replaced = shown
    for (place, token) in zip(generated.rows, proposed) { replaced.tokens[place] = Int32(token) }
    let c = encoder.configuration
    let scores =
      scope.replacedLogits("head", scope.hidden(replaced, c), rows: classified.rows, c)
      + scope.tape.leaf(offsets.count, 1, offsets)
    return [
      scope.crossEntropy(logits, targets: generated.ids, weights: generated.weights),
      scope.sigmoidCrossEntropy(scores, labels: classified.values.map(Double.init), weights: classified.weights),
    ]
  }

  /// Logits of the generator: position i from what was read before it and after it.
  private func towers(_ example: TrainingExample, _ scope: Scope, rows: [Int]) -> Value {
    let (first, second) = (example.inputs[1], example.inputs[2])
    var shape = generatorShape
    shape.attentionMask = .causal
    var (right, left) = (scope, scope)
    (right.siteOffset, left.siteOffset) = (1 << 24, 2 << 24)
    let a = right.hidden(prefix: "generator.rightward.", embedding: "embedding", first, shape)
    let b = left.hidden(prefix: "generator.leftward.", embedding: "embedding", second, shape)
    let nothing = scope.tape.leaf(1, shape.hiddenSize, [Double](repeating: 0, count: shape.hiddenSize))
    let (length, zero) = (first.length, first.rows)
    func real(_ row: Int) -> Int32 { first.ranges.first[row] }
    let before = rows.map { $0 % length > 0 && real($0 - 1) == real($0) ? $0 - 1 : zero }
    let after = rows.map { row -> Int in
      guard row % length < length - 1, real(row + 1) == real(row) else { return zero }
      return row / length * length + length - 1 - (row % length + 1)
    }
    let pairs = Value.besides([
      Value.stacked([a, nothing]).taking(rows: before), Value.stacked([b, nothing]).taking(rows: after),
    ])
    return scope.logits("generator.head", pairs, rows: Array(rows.indices), shape, tied: "embedding.token")
  }
}

/// So large that a quarter of it still has something to normalise.
private func generatorCheckModel() -> ModelConfiguration {
  var c = ModelConfiguration.bert(
    vocabSize: ToyTokens.vocabulary.size, maxPosition: 11, hiddenSize: 16, numLayers: 2, numHeads: 4)
  (c.intermediateSize, c.embeddingSize) = (20, 10)
  return c
}
