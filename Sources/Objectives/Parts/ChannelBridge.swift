import Core
import Kernels
import Layers
import Models
import Tensors

/// What predicts hidden patches of one channel: an encoder of its visible patches, and a layer of cross-attention from
/// all its positions to another encoder's outputs.
///
/// Dropout of the two differs by the indices 1 and 2 of their passes; the other encoder has 0.
struct ChannelBridge: Sendable {
  let target: Transformer
  /// Visible latents and the vector of hidden positions become queries.
  let embedding: InputEmbedding
  let block: CrossBlock
  let head: RegressionHead
  /// The shape of `embedding` and `block`.
  let shape: ModelConfiguration

  /// Declares head, `bridge.`, and the target's encoder `target.`, in the order in which backward completes them.
  ///
  /// - Parameter size: numbers of a patch.
  init(_ model: ModelConfiguration, targetLayers: Int, size: Int, into layout: inout ParameterLayout) {
    var reading = model
    (reading.inputSize, reading.embeddingSize, reading.learnedRows) = (model.hiddenSize, 0, 1)
    shape = reading
    var small = model
    small.numLayers = targetLayers
    head = RegressionHead("output", reading, size: size, into: &layout)
    block = CrossBlock("bridge", reading, into: &layout)
    embedding = InputEmbedding("bridge.embedding", reading, tiedHeads: 0, into: &layout)
    target = Transformer(small, prefix: "target.", head: false, into: &layout)
  }

  /// The queries of samples: rows of visible latents, and the learned vector at all other positions.
  ///
  /// - Parameters:
  ///   - all: the positions of each sample that have a query.
  ///   - visible: of these, the ones that the target's encoder reads.
  ///   - context: what the other encoder reads; its rows that are not padding are seen by every query.
  static func queries(
    _ clean: SampleBatch, all: [[Int]], visible: [[Int]], context: SequenceInput, _ model: ModelConfiguration
  ) -> SequenceInput {
    let hidden = zip(all, visible).map { own, shown in own.filter { !shown.contains($0) } }
    var queries = clean.patches(model, shown: all, hidden: hidden)
    // [CLS] is a row of the target's encoder; the only learned row is that of hidden positions.
    for sample in 0..<clean.count {
      for k in 0..<model.leadingRows where !queries.learned.isEmpty {
        queries.learned[sample * queries.length + k] = -1
      }
    }
    queries.values = []
    var seen = AttentionBitmask(samples: clean.count, queries: queries.length, keys: context.length)
    for sample in 0..<clean.count {
      // Real rows come first, and the first sees them all; of a sample that is all padding there are none.
      let end = clean.realPositions(sample).isEmpty ? 0 : Int(context.ranges.end[sample * context.length])
      for query in 0..<queries.length { for key in 0..<end { seen[sample, query, key] = true } }
    }
    queries.visible = seen
    return queries
  }

  /// What the bridge reads.
  struct Inputs {
    /// The visible patches of the target, and its queries.
    let visible, queries: SequenceInput
    /// The other encoder's outputs, [rows of the queries, C].
    let context: TensorView
    /// Sample i reads the outputs of sample i + `shift`, counted around.
    let shift: Int

    /// The sample whose outputs each sample reads.
    var partners: [Int] { queries.sampleIDs.indices.map { ($0 + shift) % queries.sampleIDs.count } }

    /// Rows of the context in the order of their readers.
    var rows: [Int] {
      let length = queries.length
      return partners.flatMap { Array($0 * length..<($0 + 1) * length) }
    }

    /// Which of its partner's rows each query sees.
    var seen: AttentionBitmask {
      guard let own = queries.visible else { preconditionFailure("the queries have no attention mask") }
      guard shift != 0 else { return own }
      var moved = AttentionBitmask(samples: own.samples, queries: own.queries, keys: own.keys)
      for (sample, partner) in partners.enumerated() {
        for query in 0..<own.queries {
          for key in 0..<own.keys where own[partner, query, key] { moved[sample, query, key] = true }
        }
      }
      return moved
    }
  }

  /// Memory of a worker.
  struct Workspace {
    fileprivate let target: Transformer.Workspace
    fileprivate let embedding: InputEmbedding.Saved
    fileprivate let block: CrossBlock.Saved
    fileprivate let head: RegressionHead.Saved
    /// Queries, what they read, the output, and gradients, [rows, C].
    fileprivate let queries, read, output, doutput, dread: TensorView
    /// The gradient of the target's latents.
    fileprivate let latents: TensorView

    init(_ bridge: ChannelBridge, samples: Int, visible: Int, length: Int, _ arena: Arena) {
      let (c, leading) = (bridge.shape, bridge.shape.leadingRows)
      let n = samples * (leading + length)
      target = Transformer.Workspace(bridge.target, samples: samples, length: leading + visible, arena)
      embedding = InputEmbedding.Saved(c, rows: n, arena)
      block = CrossBlock.Saved(c, rows: n, arena)
      head = RegressionHead.Saved(bridge.head, rows: samples * length, arena)
      func matrix() -> TensorView { arena.matrix(n, c.hiddenSize) }
      (queries, read, output, doutput, dread) = (matrix(), matrix(), matrix(), matrix(), matrix())
      latents = arena.matrix(samples * (leading + visible), c.hiddenSize)
    }
  }

  /// The numbers predicted at some rows of the queries.
  func predictions(_ inputs: Inputs, rows: [Int], _ pass: ObjectivePass, _ w: Workspace) -> TensorView {
    head.predict(forward(inputs, pass, w), rows: rows, pass.trained(2), w.head)
  }

  /// The outputs at the queries.
  private func forward(_ inputs: Inputs, _ pass: ObjectivePass, _ w: Workspace) -> TensorView {
    let (queries, above, n) = (inputs.queries, pass.trained(2), inputs.queries.rows)
    let (x, read, y) = (w.queries.first(n), w.read.first(n), w.output.first(n))
    let latents = target.forward(inputs.visible, pass.trained(1), w.target)
    embedding.forward(queries, above, rows: latents, w.embedding, into: x)
    gatherRows(inputs.context, at: inputs.rows, into: read)
    block.forward(x, rows: read, queries, visible: inputs.seen, above, w.block, into: y)
    return y
  }

  /// The loss sum at some rows of the queries. With a sink, gradients of all parameters, and that of the context is
  /// added to `gradient`.
  func loss(
    _ inputs: Inputs, rows: [Int], _ targets: RegressionTargets, scale: Float, _ pass: ObjectivePass, _ w: Workspace,
    gradient: TensorView?
  ) -> Double {
    let (visible, queries, below, above) = (inputs.visible, inputs.queries, pass.trained(1), pass.trained(2))
    let (n, seen, readers) = (queries.rows, inputs.seen, inputs.rows)
    let (x, read, d) = (w.queries.first(n), w.read.first(n), w.doutput.first(n))
    let y = forward(inputs, pass, w)
    d.fill(0)
    let loss = head.loss(
      .l2, y, rows: rows, targets, scale: scale, above, w.head, gradient: gradient == nil ? nil : d)
    guard let gradient, let dlatents = target.beginGradient(visible, below, w.target) else { return loss }
    let (dread, own) = (w.dread.first(n), w.latents.first(visible.rows))
    block.backward(x: x, rows: read, d: d, queries, visible: seen, above, w.block, drows: dread)
    addRows(dread, at: readers, into: gradient)
    embedding.backward(queries, d: d, above, w.embedding, drows: own)
    dlatents.copy(from: own)
    target.backward(visible, below, w.target)
    return loss
  }

  /// Required flops on an example: the target's encoder, the layer, the head.
  func trainingFlops(_ example: TrainingExample, targets: Int) -> Double {
    var layer = shape
    layer.numLayers = 1
    return target.configuration.trainingFlops(example.inputs[1], logits: 0)
      + layer.trainingFlops(example.inputs[2], logits: 0) + 6 * Double(shape.hiddenSize * head.size * targets)
  }
}
