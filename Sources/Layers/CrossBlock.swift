import Core
import Kernels
import Tensors

/// A post-norm decoder layer with cross-attention: h = N₁(x + A(x, rows)), y = N₂(h + F(h)), whatever the placement of
/// the model around it.
///
/// Dropout acts on the outputs of A and F before they are added. Shapes: x, h, y [n, C]; rows [m, C].
/// Reference: the enhanced decoder of Xiao et al., "RetroMAE", 2022, arXiv 2205.12035.
public struct CrossBlock: Sendable {
  public let attention: CrossAttention
  public let norm1: Norm
  public let feedForward: FeedForwardSublayer
  public let dropout: Float
  /// Dropout sites: +0 attention weights, +1 attention output, +2 feed-forward output.
  public let site: UInt32 = 16
  /// Entries of attention and its norm, handed over as one gradient.
  public let attentionGroup: Range<Int>

  /// Declares parameters in the order in which backward completes them.
  public init(_ name: String, _ c: ModelConfiguration, into layout: inout ParameterLayout) {
    dropout = c.dropout
    feedForward = FeedForwardSublayer(name, c, placement: .post, site: site + 2, inputMajor: false, into: &layout)
    norm1 = Norm("\(name).norm1", width: c.hiddenSize, kind: c.norm, epsilon: c.normEps, into: &layout)
    attention = CrossAttention("\(name).attention", c, site: site, into: &layout)
    attentionGroup = layout.group(from: feedForward.group.upperBound)
  }

  /// What the block keeps from forward to backward, and its scratch, for up to `rows` queries and as many keys.
  public struct Saved {
    /// x + A(x, rows), the norm input [rows, C].
    let normInput: TensorView
    /// [rows, 2].
    let statistics1: TensorView
    let attention: CrossAttention.Saved
    /// h [rows, C].
    let residual: TensorView
    let feedForward: FeedForwardSublayer.Saved
    /// The output of A, and its gradient where it was dropped [rows, C].
    let output: TensorView
    let attentionScratch: CrossAttention.Scratch
    let feedForwardScratch: FeedForwardSublayer.Scratch

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      normInput = arena.matrix(rows, c.hiddenSize)
      statistics1 = arena.matrix(rows, 2)
      attention = CrossAttention.Saved(c, rows: rows, arena)
      residual = arena.matrix(rows, c.hiddenSize)
      feedForward = FeedForwardSublayer.Saved(c, rows: rows, arena)
      output = arena.matrix(rows, c.hiddenSize)
      let shared = arena.matrix(rows, c.hiddenSize)
      attentionScratch = CrossAttention.Scratch(c, rows: rows, sharing: shared, arena)
      feedForwardScratch = FeedForwardSublayer.Scratch(
        output: output, dnorm: shared, feedForward: FeedForward.Scratch(c, rows: rows, arena))
    }
  }

  /// `y` ← block(x, rows); `x` and `rows` must stay unchanged until backward.
  public func forward(
    _ x: TensorView, rows: TensorView, _ input: SequenceInput, visible: AttentionBitmask, _ pass: Pass, _ s: Saved,
    into y: TensorView
  ) {
    let n = x.rows
    let (normInput, residual, output) = (s.normInput.first(n), s.residual.first(n), s.output.first(n))
    attention.forward(
      CrossAttention.Inputs(x: x, rows: rows, visible: visible), input, pass, s.attention, s.attentionScratch,
      into: output)
    pass.drop(output, rate: dropout, input, site: site + 1)
    add(x, output, into: normInput)
    norm1.forward(normInput, pass, into: residual, statistics: s.statistics1)
    feedForward.forward(residual, input, pass, s.feedForward, s.feedForwardScratch, into: y)
  }

  /// `d` holds dy and receives dx; `drows` receives the gradient of the rows. Parameter gradients go to the pass's
  /// sink.
  public func backward(
    x: TensorView, rows: TensorView, d: TensorView, _ input: SequenceInput, visible: AttentionBitmask, _ pass: Pass,
    _ s: Saved,
    drows: TensorView
  ) {
    let n = x.rows
    feedForward.backward(h: s.residual.first(n), d: d, input, pass, s.feedForward, s.feedForwardScratch)
    norm1.backward(x: s.normInput.first(n), dy: d, statistics: s.statistics1, pass, in: attentionGroup, into: d)
    let dy = pass.dropped(d, copy: s.output.first(n), rate: dropout, input, site: site + 1)
    attention.backward(
      CrossAttention.Inputs(x: x, rows: rows, visible: visible), s.attention, dy: dy, input, pass, in: attentionGroup,
      s.attentionScratch,
      into: CrossAttention.Gradients(addingTo: d, rows: drows))
    pass.gradients.add(attentionGroup)
  }
}
