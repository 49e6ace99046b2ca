import Core
import Kernels
import Layers
import Models
import Tensors
import TestSupport
import Testing

@Suite struct TransformerTests {
  enum Family: String, CaseIterable { case gpt2, bert, llama }

  private func model(_ family: Family, dropout: Float = 0) -> ModelConfiguration {
    var c: ModelConfiguration
    switch family {
    case .gpt2: c = .gpt2(vocabSize: 13, maxPosition: 7, hiddenSize: 6, numLayers: 2, numHeads: 3, dropout: dropout)
    case .bert: c = .bert(vocabSize: 13, maxPosition: 7, hiddenSize: 6, numLayers: 2, numHeads: 3, dropout: dropout)
    case .llama:
      c = .llama(vocabSize: 13, maxPosition: 7, hiddenSize: 8, numLayers: 2, numHeads: 2, intermediateSize: 11)
    }
    c.intermediateSize = 11
    return c
  }

  private func input(_ c: ModelConfiguration, samples: Int = 3, length: Int = 7) -> SequenceInput {
    var numbers = SeededNumbers(8)
    let documentIDs = (0..<samples * length).map { Int32($0 % length < 4 ? 0 : 1) }
    return SequenceInput(
      sampleIDs: (0..<samples).map { UInt64($0 + 40) }, length: length,
      tokens: numbers.below(c.vocabSize, count: samples * length),
      ranges: AttentionRanges(
        samples: samples, length: length, documentIDs: documentIDs, causal: c.attentionMask == .causal,
        documentMasking: false))
  }

  /// Loss, every parameter's gradient, and the differences of the reference, through the whole model.
  @Test(arguments: Family.allCases, [0, 0.125] as [Float])
  func gradients(family: Family, dropout: Float) { checkGradients(model(family, dropout: dropout), selects: false) }

  /// The same where the last block computes the rows with targets alone: nothing of the mathematics changes, the masks
  /// of dropout included.
  @Test(arguments: Family.allCases, [0, 0.125] as [Float])
  func gradientsOfSelectedRows(family: Family, dropout: Float) {
    checkGradients(model(family, dropout: dropout), selects: true)
  }

  private func checkGradients(_ c: ModelConfiguration, selects: Bool) {
    var layout = ParameterLayout()
    let transformer = Transformer(c, into: &layout)
    let input = input(c)
    let rows = [0, 2, 3, 11, 20]
    let (targets, weights): ([Int32], [Float]) = ([1, 12, 0, 5, 5], [1, 0.5, 2, 1, 1])
    let computed = selects ? input.selecting(rows) : input
    #expect((computed.selection != nil) == selects)
    let check = LayerCase(
      "\(c.attentionMask), \(c.norm)", layout, input: (0, 0), output: (1, 1), longestSum: 3 * input.rows,
      depth: 4 * (c.numLayers + 1),
      differences: .directions(3),
      dropout: c.dropout > 0 ? CounterGenerator(seed: 2, purpose: .dropout) : nil,
      reference: { scope, _ in
        let logits = scope.logits("head", scope.hidden(input, c), rows: rows, c, tied: "embedding.token")
        return scope.crossEntropy(logits, targets: targets, weights: weights)
      },
      layer: { pass, _, dy, arena in
        let w = Transformer.Workspace(transformer, samples: 4, length: 7, arena)
        guard let head = transformer.head, let saved = w.head else { return ([], []) }
        let hidden = transformer.forward(computed, pass, w)
        let loss = head.loss(
          hidden, .init(rows: rows, ids: targets, weights: weights), scale: dy[0], pass, saved,
          gradient: transformer.beginGradient(computed, pass, w))
        transformer.backward(computed, pass, w)
        return ([loss], [])
      })
    #expect(checkLayer(check) == [])
  }

  /// Gradients complete in the order of the layout, and so does the watermark that the sum over ranks follows. Inside
  /// the head's group the projection comes before its bias.
  @Test(arguments: Family.allCases)
  func completionFollowsTheLayout(family: Family) throws {
    let c = model(family)
    var layout = ParameterLayout()
    let transformer = Transformer(c, into: &layout)
    let store = ParameterStore(layout)
    store.initialize(seed: 1)
    let arena = Arena(floats: 1 << 16)
    let w = Transformer.Workspace(transformer, samples: 3, length: 7, arena)
    let (sink, input) = (RecordingSink(layout), input(c))
    let pass = Pass(store, sink: sink)
    let head = try #require(transformer.head)
    let hidden = transformer.forward(input, pass, w)
    _ = head.loss(
      hidden, .init(rows: [1], ids: [2], weights: [1]), scale: 1, pass, try #require(w.head),
      gradient: transformer.beginGradient(input, pass, w))
    transformer.backward(input, pass, w)
    #expect(sink.wrongUses() == [])
    let own = head.group
    #expect(sink.completed.filter { !own.contains($0) } == layout.entries.map(\.index).filter { !own.contains($0) })
    #expect(Set(sink.completed.prefix(own.count)) == Set(own))
    withExtendedLifetime(arena) {}
  }

  /// Hidden states without memory for backward, and position by position with a cache, are those of the plain forward.
  @Test(arguments: Family.allCases)
  func otherForwards(family: Family) {
    let c = model(family)
    var layout = ParameterLayout()
    let transformer = Transformer(c, into: &layout)
    let store = ParameterStore(layout)
    fillForCheck(store, seed: 3)
    let arena = Arena(floats: 1 << 17)
    arena.fill(.nan)
    let whole = input(c, samples: 1)
    let expected = transformer.forward(
      whole, Pass(store), Transformer.Workspace(transformer, samples: 1, length: 7, arena)
    ).array
    let small = Transformer.Workspace(transformer, samples: 1, length: 7, forBackward: false, arena)
    #expect(transformer.forward(whole, Pass(store), small).array == expected)
    guard c.attentionMask == .causal else { return }
    let caches = (0..<c.numLayers).map { _ in KeyValueCache(context: 7, width: c.hiddenSize, arena) }
    for i in 0..<7 {
      let one = SequenceInput(
        sampleIDs: [0], length: 1, tokens: [whole.tokens[i]], positionIDs: [Int32(i)],
        ranges: AttentionRanges(samples: 1, length: 1, documentIDs: [0], causal: true, documentMasking: false))
      let row = transformer.forward(one, Pass(store), caches: caches, small).array
      let wanted = expected[i * c.hiddenSize..<(i + 1) * c.hiddenSize].map(Double.init)
      #expect(mismatch("row \(i)", row, wanted, tolerance: Tolerance.float(sum: 21, depth: 8)) == nil)
    }
    withExtendedLifetime(arena) {}
  }

  /// A sample's hidden states have the same bits alone and in a batch, dropout included.
  @Test(arguments: Family.allCases)
  func samplesAreIndependent(family: Family) {
    let c = model(family, dropout: 0.25)
    var layout = ParameterLayout()
    let transformer = Transformer(c, into: &layout)
    let store = ParameterStore(layout)
    fillForCheck(store, seed: 3)
    let arena = Arena(floats: 1 << 17)
    let w = Transformer.Workspace(transformer, samples: 3, length: 7, arena)
    let pass = Pass(store, dropout: CounterGenerator(seed: 6, purpose: .dropout))
    let batch = input(c)
    let all = transformer.forward(batch, pass, w).array
    for sample in 0..<3 {
      var one = input(c, samples: 1)
      one.sampleIDs = [batch.sampleIDs[sample]]
      one.tokens = Array(batch.tokens[sample * 7..<(sample + 1) * 7])
      let alone = transformer.forward(one, pass, w).array
      let same = all[sample * 7 * c.hiddenSize..<(sample + 1) * 7 * c.hiddenSize].map(Double.init)
      #expect(mismatch("sample \(sample)", alone, same, tolerance: Tolerance.float(sum: 21, depth: 8)) == nil)
    }
    withExtendedLifetime(arena) {}
  }

  /// Names and shapes that checkpoints rely on, and the count of parameters of the published models.
  @Test func publishedSizes() {
    func count(_ c: ModelConfiguration) -> Int {
      var layout = ParameterLayout()
      _ = Transformer(c, into: &layout)
      return layout.parameterCount
    }
    #expect(
      count(.gpt2(vocabSize: 50257, maxPosition: 1024, hiddenSize: 768, numLayers: 12, numHeads: 12)) == 124_439_808)
    // BERT-base with its head: 109,514,298 as BertForMaskedLM counts it.
    #expect(
      count(.bert(vocabSize: 30522, maxPosition: 512, hiddenSize: 768, numLayers: 12, numHeads: 12)) == 109_514_298)
    // Llama 7B.
    #expect(
      count(
        .llama(
          vocabSize: 32000, maxPosition: 2048, hiddenSize: 4096, numLayers: 32, numHeads: 32, intermediateSize: 11008))
        == 6_738_415_616)
  }

  @Test func flops() {
    let c = ModelConfiguration.gpt2(vocabSize: 100, maxPosition: 8, hiddenSize: 16, numLayers: 3, numHeads: 2)
    // Twelve C² per layer, the head, and half of 12·C·T per layer for causal attention.
    #expect(
      c.trainingFlopsPerToken(length: 8, headFraction: 1) == 6.0 * Double(3 * 12 * 256 + 1600) + 0.5 * 12 * 3 * 16 * 8)
    var d = ModelConfiguration.bert(vocabSize: 100, maxPosition: 8, hiddenSize: 16, numLayers: 3, numHeads: 2)
    (d.embeddingSize, d.head) = (4, .replaced)
    // Twelve C² per layer, the way from the embedding, and the head where it is used.
    #expect(
      d.trainingFlopsPerToken(length: 8, headFraction: 0.5) == 6.0 * Double(3 * 12 * 256 + 64 + 136) + 12 * 3 * 16 * 8)
  }

  /// All weights are drawn with the model's deviation, those that end a residual branch of a pre-norm model with
  /// 1/√(2·layers) of it.
  @Test(arguments: [0.02, 0.125] as [Float], ModelConfiguration.NormPlacement.allCases)
  func initialDeviation(range: Float, placement: ModelConfiguration.NormPlacement) {
    var c = ModelConfiguration.gpt2(vocabSize: 500, maxPosition: 64, hiddenSize: 64, numLayers: 2, numHeads: 2)
    (c.initializerRange, c.normPlacement) = (range, placement)
    var layout = ParameterLayout()
    _ = Transformer(c, into: &layout)
    let store = ParameterStore(layout)
    store.initialize(seed: 5)
    for (index, entry) in layout.entries.enumerated() where entry.spec.decay {
      let values = store.view(index).array
      let deviation = (values.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(values.count)).squareRoot()
      let endsBranch = entry.spec.name.hasSuffix("attention.out.weight") || entry.spec.name.hasSuffix("down.weight")
      let expected = Double(range) * (endsBranch && placement == .pre ? 0.5 : 1)
      #expect(abs(deviation / expected - 1) < 0.05, "\(entry.spec.name): \(deviation), not \(expected)")
    }
  }
}
