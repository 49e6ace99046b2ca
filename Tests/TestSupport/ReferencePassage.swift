import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

// References of the objectives that reconstruct a passage from its first vector.

extension Scope {
  /// Attention of queries over other rows with its projections; (sample, query, key) → whether the key is seen.
  public func crossAttention(
    _ name: String, _ x: Value, rows: Value, _ input: SequenceInput, _ c: ModelConfiguration, site: UInt32,
    visible: (Int, Int, Int) -> Bool
  ) -> Value {
    let (q, kv) = (linear("\(name).q", x, inputMajor: false), linear("\(name).kv", rows, inputMajor: false))
    let (t, d) = (input.length, c.headDim)
    let samples = input.sampleIDs.indices.map { sample in
      let own = Array(sample * t..<(sample + 1) * t)
      let mask = (0..<t * t).map { visible(sample, $0 / t, $0 % t) }
      return Value.besides(
        (0..<c.numHeads).map { head in
          let query = q.taking(rows: own).taking(columns: head * d..<(head + 1) * d)
          let key = kv.taking(rows: own).taking(columns: head * d..<(head + 1) * d)
          let value = kv.taking(rows: own).taking(columns: c.hiddenSize + head * d..<c.hiddenSize + (head + 1) * d)
          let weights = softmax(query.times(key, transposed: true) * (1 / Double(d).squareRoot()), visible: mask)
          let factors = attentionDropout(c, t, head: head, position: input.sampleIDs[sample], site: site)
          return (factors.map { weights * tape.leaf(t, t, $0) } ?? weights).times(value)
        })
    }
    return linear("\(name).out", .stacked(samples), inputMajor: false)
  }

  /// The post-norm decoder layer.
  public func crossBlock(
    _ name: String, _ x: Value, rows: Value, _ input: SequenceInput, _ c: ModelConfiguration,
    visible: (Int, Int, Int) -> Bool
  ) -> Value {
    func branch(_ y: Value, site: UInt32) -> Value {
      dropped(y, rate: c.dropout, positions: input.sampleIDs, site: site)
    }
    let attended = crossAttention("\(name).attention", x, rows: rows, input, c, site: 16, visible: visible)
    let middle = norm("\(name).norm1", x + branch(attended, site: 17), c.norm, epsilon: c.normEps)
    let fed = feedForward("\(name).feedForward", middle, c, inputMajor: false)
    return norm("\(name).norm2", middle + branch(fed, site: 18), c.norm, epsilon: c.normEps)
  }
}

extension PassageBottleneck {
  /// The terms encoder and decoder, and the encoder's hidden states.
  func reference(_ example: TrainingExample, _ scope: Scope) -> (losses: [Value], hidden: Value) {
    let (c, clean) = (encoder.configuration, example.inputs[1])
    let (n, length) = (clean.rows, clean.length)
    let hidden = scope.hidden(example.inputs[0], c)
    var (above, third) = (scope, scope)
    (above.siteOffset, third.siteOffset) = (1 << 24, 2 << 24)
    // Row 0 of a sample is the encoder's output, the others are clean embeddings.
    let rows = Value.stacked([hidden, above.embedding("embedding", clean, c)])
      .taking(rows: (0..<n).map { $0 % length == 0 ? $0 : n + $0 })
    let passages = hidden.taking(rows: (0..<n).map { $0 / length * length })
    let queries =
      query == .embedded
      ? third.embedding("embedding", clean, c, embedded: passages)
      : passages + scope.parameter("embedding.position").taking(rows: clean.positionIDs.map(Int.init))
    let decoded = above.crossBlock("decoder", queries, rows: rows, clean, c) { clean.visible?[$0, $1, $2] ?? false }
    func loss(_ states: Value, _ t: TermTargets) -> Value {
      let logits = scope.logits("head", states, rows: t.rows, c, tied: "embedding.token")
      return scope.crossEntropy(logits, targets: t.ids, weights: t.weights)
    }
    return ([loss(hidden, example.targets[0]), loss(decoded, example.targets[1])], hidden)
  }
}

extension RetroMAE: ReferencedObjective {
  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    bottleneck.reference(example, scope).losses
  }
}

extension DupMAE: ReferencedObjective {
  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (losses, hidden) = bottleneck.reference(example, scope)
    let (c, input, t) = (encoder.configuration, example.inputs[0], example.targets[2])
    let bags = input.sampleIDs.indices.compactMap { sample -> Value? in
      let (first, words) = (sample * input.length, t.rows.indices.filter { t.rows[$0] / input.length == sample })
      guard !words.isEmpty else { return nil }
      let rows = Array(first + 1..<first + Int(input.ranges.end[first]))
      let largest = scope.columnMaxima(scope.logits("head", hidden, rows: rows, c, tied: "embedding.token"))
      // One row of logits for each word: the same, for another target.
      return scope.crossEntropy(
        largest.taking(rows: words.map { _ in 0 }), targets: words.map { t.ids[$0] },
        weights: words.map { t.weights[$0] })
    }
    return losses + [bags.dropFirst().reduce(bags[0]) { $0 + $1 }]
  }

  /// Samples that have words.
  public func wantedCount(term: Int, _ targets: TermTargets, _ clean: SampleBatch) -> Double {
    term == 2
      ? Double(Set(targets.rows.map { $0 / clean.length }).count) : targets.weights.reduce(0) { $0 + Double($1) }
  }
}
