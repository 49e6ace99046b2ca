import Core
import Kernels
import Layers
import Tensors

/// A transformer: embedding, blocks and, for pre-norm models, a final norm; optionally a head.
///
/// It is GPT-2, BERT, ELECTRA, Llama or another combination of the switches of `ModelConfiguration`. It holds the
/// indices of its parameters; a `Pass` has their values.
public struct Transformer: Sendable {
  public let configuration: ModelConfiguration
  public let head: VocabularyHead?
  public let replacedHead: ReplacedTokenHead?
  public let finalNorm: Norm?
  /// In forward order.
  public let blocks: [TransformerBlock]
  /// From the embedding's width to the model's, where they differ.
  public let projection: Linear?
  public let embedding: InputEmbedding
  private let finalGroup: Range<Int>
  private let projectionGroup: Range<Int>

  /// Declares all parameters in the order in which backward completes them: head, final norm, last block … first block,
  /// embedding.
  ///
  /// - Parameters:
  ///   - prefix: put before every name, such as `generator.`; empty for the main network.
  ///   - head: whether there is a head (models of continuous inputs, teachers and trunks have none).
  public init(_ c: ModelConfiguration, prefix: String = "", head: Bool = true, into layout: inout ParameterLayout) {
    let trunk = Trunk(c, prefix: prefix, head: head, into: &layout)
    let embedding = InputEmbedding("\(prefix)embedding", c, tiedHeads: trunk.tiedHeads, into: &layout)
    self.init(trunk, reading: embedding, in: &layout)
  }

  /// Everything above the embedding, for networks that read the same one: their trunks are declared first, the
  /// embedding last.
  public struct Trunk: Sendable {
    fileprivate let configuration: ModelConfiguration
    fileprivate let head: VocabularyHead?
    fileprivate let replacedHead: ReplacedTokenHead?
    fileprivate let finalNorm: Norm?
    fileprivate let finalGroup: Range<Int>
    fileprivate let blocks: [TransformerBlock]
    fileprivate let projection: Linear?
    fileprivate let projectionGroup: Range<Int>
    /// Vocabulary heads that are tied to the token table: 0 or 1.
    public var tiedHeads: Int { head?.tied == true ? 1 : 0 }

    public init(
      _ c: ModelConfiguration, prefix: String = "", head hasHead: Bool = true, into layout: inout ParameterLayout
    ) {
      configuration = c
      let rotary =
        c.positionEmbedding == .rotary
        ? RotaryTable(context: c.maxPosition, headDim: c.headDim, base: c.ropeTheta) : nil
      head = hasHead && c.head == .vocabulary ? VocabularyHead("\(prefix)head", c, into: &layout) : nil
      replacedHead = hasHead && c.head == .replaced ? ReplacedTokenHead("\(prefix)head", c, into: &layout) : nil
      var start = layout.entries.count
      finalNorm =
        c.normPlacement == .pre
        ? Norm("\(prefix)norm", width: c.hiddenSize, kind: c.norm, epsilon: c.normEps, into: &layout) : nil
      finalGroup = layout.group(from: start)
      var reversed: [TransformerBlock] = []
      for index in stride(from: c.numLayers - 1, through: 0, by: -1) {
        reversed.append(
          TransformerBlock(
            "\(prefix)block.\(index)", index: index, c, inputMajor: c.inputMajorWeights, rotary: rotary, into: &layout))
      }
      blocks = reversed.reversed()
      start = layout.entries.count
      projection =
        c.resolvedEmbeddingSize == c.hiddenSize
        ? nil
        : Linear(
          "\(prefix)embedding.projection", inputs: c.resolvedEmbeddingSize, outputs: c.hiddenSize, bias: true,
          inputMajor: false, deviation: c.initializerRange,
          into: &layout)
      projectionGroup = layout.group(from: start)
    }
  }

  /// A trunk on an embedding that is declared after it.
  public init(_ trunk: Trunk, reading embedding: InputEmbedding, in layout: inout ParameterLayout) {
    configuration = trunk.configuration
    (replacedHead, finalNorm, finalGroup, blocks) = (
      trunk.replacedHead, trunk.finalNorm, trunk.finalGroup, trunk.blocks
    )
    (projection, projectionGroup, self.embedding) = (trunk.projection, trunk.projectionGroup, embedding)
    head = trunk.head?.tie(to: embedding.token, in: &layout)
  }

  /// Everything one worker keeps from forward to backward, for up to `samples` samples of up to `length` rows.
  public final class Workspace {
    public let rows: Int
    let embedding: InputEmbedding.Saved
    /// The embedding's rows where a projection reads them.
    let embedded: TensorView
    /// The input of each block, and the output of the last [rows, C].
    let stream: [TensorView]
    let blocks: [TransformerBlock.Saved]
    let scratch: TransformerBlock.Scratch
    let finalStatistics: TensorView
    /// The selected rows of the hidden states, and their gradients [rows, C].
    let selected: TensorView
    /// The hidden states.
    public let hidden: TensorView
    /// The gradient of the hidden states, to which every head adds its own; without memory where there is no backward
    /// pass.
    public let gradient: TensorView
    public let head: VocabularyHead.Saved?
    public let replacedHead: ReplacedTokenHead.Saved?

    /// - Parameters:
    ///   - forBackward: without it all blocks share one set of saved tensors.
    ///   - taps: blocks whose outputs `tap` gives after forward; with `forBackward` all of them are kept.
    public init(
      _ model: Transformer, samples: Int, length: Int, forBackward: Bool = true, taps: Set<Int> = [], _ arena: Arena
    ) {
      let c = model.configuration
      rows = samples * length
      let rows = rows
      embedding = InputEmbedding.Saved(c, rows: rows, arena)
      embedded = arena.matrix(model.projection == nil ? 0 : rows, c.resolvedEmbeddingSize)
      scratch = TransformerBlock.Scratch(c, rows: rows, arena)
      if forBackward {
        stream = (0...c.numLayers).map { _ in arena.matrix(rows, c.hiddenSize) }
        blocks = (0..<c.numLayers).map { _ in TransformerBlock.Saved(c, rows: rows, arena) }
      } else {
        let (a, b) = (arena.matrix(rows, c.hiddenSize), arena.matrix(rows, c.hiddenSize))
        stream = (0...c.numLayers).map {
          taps.contains($0 - 1) ? arena.matrix(rows, c.hiddenSize) : $0 % 2 == 0 ? a : b
        }
        let saved = TransformerBlock.Saved(c, rows: rows, arena)
        blocks = (0..<c.numLayers).map { _ in saved }
      }
      finalStatistics = arena.matrix(rows, 2)
      selected = arena.matrix(rows, c.hiddenSize)
      hidden = arena.matrix(rows, c.hiddenSize)
      gradient = arena.matrix(forBackward ? rows : 0, c.hiddenSize)
      head = model.head.map { VocabularyHead.Saved($0, c, rows: rows, arena) }
      replacedHead = model.replacedHead.map { _ in ReplacedTokenHead.Saved(c, rows: rows, arena) }
    }
  }

  /// The hidden states [rows, C] of the last layer, in the workspace; zero for rows that the input does not select.
  /// - Complexity: 2 flops per matrix parameter and row, and attention.
  ///
  /// With `caches`, one per block, the rows are the next positions of one sequence (generation).
  /// With `rows` [n, inputSize], the embedding reads them in place of the input's values: a decoder on top of an
  /// encoder.
  @discardableResult
  public func forward(
    _ input: SequenceInput, _ pass: Pass, caches: [KeyValueCache]? = nil, rows: TensorView? = nil, _ w: Workspace
  ) -> TensorView {
    let n = input.rows
    precondition(n <= w.rows, "\(n) rows in a workspace for \(w.rows)")
    precondition(
      input.length <= configuration.leadingRows + configuration.maxPosition,
      "\(input.length) positions, the model has \(configuration.leadingRows + configuration.maxPosition)"
    )
    let (whole, m) = (input.selectingAll, input.selection?.count ?? n)
    let embedded = projection == nil ? w.stream[0].first(n) : w.embedded.first(n)
    embedding.forward(whole, pass, rows: rows, w.embedding, into: embedded)
    projection?.forward(embedded, pass, into: w.stream[0].first(n))
    for (i, block) in blocks.enumerated() {
      let isLast = i == blocks.count - 1
      block.forward(
        w.stream[i].first(n), isLast ? input : whole, pass, cache: caches?[i], w.blocks[i], w.scratch,
        into: w.stream[i + 1].first(isLast ? m : n))
    }
    let (last, hidden) = (w.stream[blocks.count].first(m), w.hidden.first(n))
    let output = input.selection == nil ? hidden : w.selected.first(m)
    if let finalNorm {
      finalNorm.forward(last, pass, into: output, statistics: w.finalStatistics)
    } else {
      output.copy(from: last)
    }
    if let selection = input.selection {
      hidden.fill(0)
      addRows(output, at: selection.rows, into: hidden)
    }
    return hidden
  }

  /// The output [rows, C] of block `layer` after a forward pass, before the final norm.
  /// - Precondition: the workspace keeps it.
  public func tap(_ layer: Int, _ input: SequenceInput, _ w: Workspace) -> TensorView {
    w.stream[layer + 1].first(input.rows)
  }

  /// Zero, for heads to add their gradients of the hidden states to; nil for a pass without backward.
  public func beginGradient(_ input: SequenceInput, _ pass: Pass, _ w: Workspace) -> TensorView? {
    guard pass.sink != nil else { return nil }
    let gradient = w.gradient.first(input.rows)
    gradient.fill(0)
    return gradient
  }

  /// Gradients of all parameters below the heads, from the gradient of the hidden states in `w.gradient`, which is
  /// overwritten.
  ///
  /// - Parameters:
  ///   - drows: receives the gradient of the rows that were read.
  ///   - injected: gradients [rows, C] of the outputs of single blocks, as `tap` gives them, by block.
  public func backward(
    _ input: SequenceInput, _ pass: Pass, _ w: Workspace, drows: TensorView? = nil, injected: [Int: TensorView] = [:]
  ) {
    let n = input.rows
    let d = w.gradient.first(n)
    backwardFinalNorm(d, input, pass, w)
    let whole = input.selectingAll
    for i in blocks.indices.reversed() {
      if let more = injected[i] { addInPlace(d, more) }
      let isLast = i == blocks.count - 1
      blocks[i].backward(x: w.stream[i].first(n), d: d, isLast ? input : whole, pass, w.blocks[i], w.scratch)
    }
    guard let projection, let sink = pass.sink else {
      return embedding.backward(whole, d: d, pass, w.embedding, drows: drows)
    }
    // The rows are read for the weights' gradient first, and then overwritten by their own gradient.
    let embedded = w.embedded.first(n)
    projection.backward(x: embedded, dy: d, pass, in: projectionGroup, into: embedded)
    sink.add(projectionGroup)
    embedding.backward(whole, d: embedded, pass, w.embedding, drows: drows)
  }
}

extension Transformer {
  /// `d` [n, C], the gradient of the hidden states, becomes that of the last block's output at the selected rows.
  private func backwardFinalNorm(_ d: TensorView, _ input: SequenceInput, _ pass: Pass, _ w: Workspace) {
    guard let finalNorm, let sink = pass.sink else { return }
    let m = input.selection?.count ?? input.rows
    let e = input.selection == nil ? d : w.selected.first(m)
    if let selection = input.selection { gatherRows(d, at: selection.rows, into: e) }
    finalNorm.backward(
      x: w.stream[blocks.count].first(m), dy: e, statistics: w.finalStatistics, pass, in: finalGroup, into: e)
    if let selection = input.selection {
      d.fill(0)
      addRows(e, at: selection.rows, into: d)
    }
    sink.add(finalGroup)
  }
}

extension ModelConfiguration {
  /// Required flops of training per token: six for each matrix parameter that a token uses, plus attention
  /// (12·C·T per layer, half of it when causal). `headFraction` is the share of positions whose logits are computed.
  ///
  /// - Parameter outputFraction: the share of rows of the last block that are computed.
  public func trainingFlopsPerToken(length: Int, headFraction: Double, outputFraction: Double = 1) -> Double {
    let c = Double(hiddenSize)
    let inner = Double(intermediateSize) * (activation == .swiglu ? 3 : 2)
    let table = Double(resolvedEmbeddingSize)
    let matrices =
      Double(numLayers) * (4 * c * c + inner * c) + (resolvedEmbeddingSize == hiddenSize ? 0 : table * c)
      + Double(inputSize) * table
    let top =
      head == .replaced
      ? headFraction * (c * c + c) : headFraction * (Double(vocabSize) * table + (headTransform ? c * table : 0))
    let attention = 12 * c * Double(length) * (attentionMask == .causal ? 0.5 : 1)
    // Of the last block only keys and values are made of every row.
    let unused = (1 - outputFraction) * (6 * (2 * c * c + inner * c) + attention)
    return 6 * (matrices + top) + Double(numLayers) * attention - unused
  }
}
