import Core
import Kernels
import Layers
import Models
import Tensors

/// An encoder whose [CLS] vector must carry a passage, and the one-layer decoder that reconstructs the passage from it.
///
/// *Concretely:* with h the encoder's output on the masked tokens and e the embedding block on the clean ones, the
/// decoder's rows are [h₀; e₁ … e_{L-1}], its queries qᵢ made of h₀ and position i, and query i sees the keys that
/// `SequenceInput.visible` says. Encoder and decoder share the embedding block and the vocabulary head. Optionally the
/// head's logits of positions 1 … also have to give the passage's bag of words.
///
/// Reference: Xiao et al., "RetroMAE", 2022, arXiv 2205.12035; Xiao et al., "RetroMAE v2: Duplex masked auto-encoder",
/// 2022, arXiv 2211.08769.
public struct PassageBottleneck: Sendable {
  /// How a query is made of the [CLS] vector.
  public enum Query: String, Codable, Sendable, CaseIterable {
    /// h₀ plus the position's embedding (RetroMAE).
    case raw
    /// h₀ through the embedding block in place of a token: position, type, norm, dropout (DupMAE).
    case embedded
  }

  public let encoder: Transformer
  public let block: CrossBlock
  public let query: Query
  public let networks: NetworkSet
  private let position: Int
  private let hasBag: Bool

  /// - Throws: `ConfigurationError` for a model without learned positions, which queries are made of.
  public init(_ model: ModelConfiguration, query: Query, bag: Bool, objective: String) throws(ConfigurationError) {
    guard model.positionEmbedding == .learned else {
      throw ConfigurationError(
        "model.position_embedding", is: model.positionEmbedding.rawValue,
        rule: "\(objective) makes the decoder's queries of position embeddings, so it must be learned.")
    }
    guard model.resolvedEmbeddingSize == model.hiddenSize else {
      throw ConfigurationError(
        "model.embedding_size", is: model.embeddingSize,
        rule:
          "\(objective)'s decoder reads embeddings beside the encoder's output, so it must be model.hidden_size = \(model.hiddenSize)."
      )
    }
    (self.query, hasBag) = (query, bag)
    var layout = ParameterLayout()
    block = CrossBlock("decoder", model, into: &layout)
    encoder = Transformer(model, into: &layout)
    let embedding = encoder.embedding
    guard let token = embedding.token, let position = embedding.position, let head = encoder.head else {
      preconditionFailure("a model of tokens with learned positions and a head declares all three")
    }
    self.position = position
    // The embedding block once more for the clean tokens, what queries take of it, and the head for each further term.
    layout.addUses(of: embedding.group)
    switch query {
    case .raw: layout.addUses(of: position..<position + 1)
    case .embedded: for entry in embedding.group where entry != token { layout.addUses(of: entry..<entry + 1) }
    }
    layout.addUses(bag ? 2 : 1, of: head.group)
    if head.tied { layout.addUses(bag ? 2 : 1, of: token..<token + 1) }
    networks = NetworkSet(trained: layout)
  }

  /// The encoder, the decoder's one layer with its logits, and where there is a bag, logits at every position.
  func trainingFlops(_ example: TrainingExample) -> Double {
    let (c, rows) = (encoder.configuration, Double(example.inputs[0].rows))
    var layer = c
    layer.numLayers = 1
    let decoder = layer.trainingFlops(example.inputs[0], logits: example.targets[1].rows.count)
    // Backward through the logits touches one row an id and sample; the head's transform runs at every row.
    let (logits, transform) = (
      Double(c.vocabSize * c.hiddenSize), c.headTransform ? Double(c.hiddenSize * c.hiddenSize) : 0
    )
    let bag = hasBag ? rows * (2 * logits + 6 * transform) + 4 * logits * Double(example.inputs[0].sampleIDs.count) : 0
    return c.trainingFlops(example.inputs[0], logits: example.targets[0].rows.count) + decoder + bag
  }

  public final class Workspace: ObjectiveWorkspace {
    let encoder: Transformer.Workspace
    let clean: InputEmbedding.Saved, queried: InputEmbedding.Saved?
    let rows: TensorView, queries: TensorView, drows: TensorView, decoded: TensorView, passages: TensorView,
      sum: TensorView
    let block: CrossBlock.Saved
    let scattered: TensorView, decodedGradient: TensorView, bag: VocabularyHead.BagSaved?

    init(_ part: PassageBottleneck, samples: Int, length: Int, _ arena: Arena) {
      let (c, n) = (part.encoder.configuration, samples * length)
      encoder = Transformer.Workspace(part.encoder, samples: samples, length: length, arena)
      clean = InputEmbedding.Saved(c, rows: n, arena)
      queried = part.query == .embedded ? InputEmbedding.Saved(c, rows: n, arena) : nil
      func matrix(_ rows: Int) -> TensorView { arena.matrix(rows, c.hiddenSize) }
      (rows, queries, drows, decoded) = (matrix(n), matrix(n), matrix(n), matrix(n))
      (passages, sum) = (matrix(samples), matrix(1))
      block = CrossBlock.Saved(c, rows: n, arena)
      scattered = matrix(part.query == .raw ? n : 0)
      decodedGradient = matrix(n)
      bag = part.hasBag ? part.encoder.head.map { VocabularyHead.BagSaved($0, arena) } : nil
    }
  }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    Workspace(self, samples: samples, length: length, arena)
  }

  /// The loss sums of the terms encoder, decoder and, with one, bag of words; backward when the pass has a sink.
  ///
  /// `inputs` are the masked and the clean passage. Words of the bag are noted at their first positions.
  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    guard let w = workspace as? Workspace, let head = encoder.head, let saved = w.encoder.head else {
      preconditionFailure("a passage bottleneck needs its own workspace and a vocabulary head")
    }
    // Three passes through shared layers: their dropout sites differ by the pass's index.
    let (below, above) = (pass.trained(0), pass.trained(1, term: 1))
    let (input, clean) = (example.inputs[0], example.inputs[1])
    let (masked, all) = (example.targets[0], example.targets[1])
    let hidden = encoder.forward(input, below, w.encoder)
    let decoded = decode(clean, hidden, pass, w)
    let gradient = encoder.beginGradient(input, below, w.encoder)
    let bagLoss = bag(example, hidden, pass, scales, w, gradient)
    let d = w.decodedGradient.first(clean.rows)
    d.fill(0)
    let decoderLoss = head.loss(decoded, all.tokens, scale: scales[1], above, saved, gradient: d)
    if pass.sink != nil { backwardDecoder(clean, d, pass, w) }
    let encoderLoss = head.loss(hidden, masked.tokens, scale: scales[0], below, saved, gradient: gradient)
    guard let gradient else { return [encoderLoss, decoderLoss] + bagLoss }
    for sample in clean.sampleIDs.indices { addInPlace(gradient.row(sample * input.length), w.passages.row(sample)) }
    encoder.backward(input, below, w.encoder)
    return [encoderLoss, decoderLoss] + bagLoss
  }

  // MARK: - Decoder

  private func decode(_ clean: SequenceInput, _ hidden: TensorView, _ pass: ObjectivePass, _ w: Workspace) -> TensorView
  {
    guard let visible = clean.visible else { preconditionFailure("the clean passage has no attention mask") }
    let (n, length, above) = (clean.rows, clean.length, pass.trained(1, term: 1))
    let (rows, queries, decoded) = (w.rows.first(n), w.queries.first(n), w.decoded.first(n))
    encoder.embedding.forward(clean, above, w.clean, into: rows)
    for sample in clean.sampleIDs.indices {
      let passage = hidden.row(sample * length)
      rows.row(sample * length).copy(from: passage)
      broadcastRow(passage, into: queries.rows(sample * length..<(sample + 1) * length))
    }
    if let queried = w.queried {
      encoder.embedding.forward(clean, pass.trained(2), embedded: queries, queried, into: queries)
    } else {
      gatherRows(pass.parameters.trained.view(position), clean.positionIDs, into: queries, accumulate: true)
    }
    block.forward(queries, rows: rows, clean, visible: visible, above, w.block, into: decoded)
    return decoded
  }

  /// From the gradient `d` of the decoder's output to those of the decoder, the clean embeddings and the queries;
  /// `w.passages` receives that of the [CLS] vectors.
  private func backwardDecoder(_ clean: SequenceInput, _ d: TensorView, _ pass: ObjectivePass, _ w: Workspace) {
    guard let visible = clean.visible, let sink = pass.sink else {
      preconditionFailure("backward needs an attention mask and a sink")
    }
    let (n, length, above) = (clean.rows, clean.length, pass.trained(1, term: 1))
    let drows = w.drows.first(n)
    block.backward(
      x: w.queries.first(n), rows: w.rows.first(n), d: d, clean, visible: visible, above, w.block, drows: drows)
    for sample in clean.sampleIDs.indices {
      w.passages.row(sample).copy(from: drows.row(sample * length))
      drows.row(sample * length).fill(0)
    }
    encoder.embedding.backward(clean, d: drows, above, w.clean)
    if let queried = w.queried {
      encoder.embedding.backward(clean, d: d, pass.trained(2), queried, embedded: true)
    } else {
      let distinct = scatterRows(clean.positionIDs, dy: d, into: w.scattered)
      sink.addRows(distinct, w.scattered.first(distinct.count), of: position)
    }
    for sample in clean.sampleIDs.indices {
      sumRows(d.rows(sample * length..<(sample + 1) * length), into: w.sum)
      addInPlace(w.passages.row(sample), w.sum)
    }
  }

  // MARK: - Bag of words

  /// The loss sum of the bag, if there is one; its gradient is added to `gradient`.
  private func bag(
    _ example: TrainingExample, _ hidden: TensorView, _ pass: ObjectivePass, _ scales: [Float], _ w: Workspace,
    _ gradient: TensorView?
  ) -> [Double] {
    guard hasBag, let head = encoder.head, let saved = w.encoder.head, let own = w.bag else { return [] }
    let (input, targets) = (example.inputs[0], example.targets[2])
    let loss = head.bagLoss(
      hidden, BagTargets(bags: bags(targets, input), rows: targets.rows, ids: targets.ids, weights: targets.weights),
      scale: scales[2],
      pass.trained(0, term: 2), saved, own, gradient: gradient)
    return [loss]
  }

  /// For each sample that has words, its real positions from 1 on, and its words.
  private func bags(_ targets: TermTargets, _ input: SequenceInput) -> [Bag] {
    var (bags, start) = ([Bag](), 0)
    for sample in input.sampleIDs.indices {
      let first = sample * input.length
      let end = targets.rows[start...].firstIndex { $0 >= first + input.length } ?? targets.rows.count
      if end > start { bags.append(Bag(rows: first + 1..<first + Int(input.ranges.end[first]), words: start..<end)) }
      start = end
    }
    return bags
  }
}

extension TensorView {
  fileprivate func row(_ i: Int) -> TensorView { rows(i..<i + 1) }
}

/// An objective that is a `PassageBottleneck` behind a corruption of its own.
public protocol PassageObjective: Objective {
  var bottleneck: PassageBottleneck { get }
}

extension PassageObjective {
  public var networks: NetworkSet { bottleneck.networks }
  public var encoder: Transformer { bottleneck.encoder }

  public func trainingFlops(_ example: TrainingExample) -> Double { bottleneck.trainingFlops(example) }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    bottleneck.workspace(samples: samples, length: length, arena)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    bottleneck.lossAndGradient(example, pass, scales: scales, workspace)
  }
}
