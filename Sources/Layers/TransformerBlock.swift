import Core
import Kernels
import Tensors

/// Attention and feed-forward with residual connections.
///
/// Pre-norm (GPT-2): h = x + A(N₁(x)), y = h + F(N₂(h)). Post-norm (BERT): h = N₁(x + A(x)), y = N₂(h + F(h)).
/// Dropout acts on the outputs of A and F before they are added. Shapes: x, h, y [n, C].
/// Reference: Xiong et al., "On layer normalization in the transformer architecture", 2020, arXiv 2002.04745.
public struct TransformerBlock: Sendable {
  public let attention: SelfAttention
  public let norm1: Norm
  public let feedForward: FeedForwardSublayer
  public let placement: ModelConfiguration.NormPlacement
  public let dropout: Float
  /// Dropout sites: +0 attention weights, +1 attention output, +2 feed-forward output.
  public let site: UInt32
  /// Entries of attention and its norm, handed over as one gradient.
  public let attentionGroup: Range<Int>

  /// Declares parameters in the order in which backward completes them.
  public init(
    _ name: String, index: Int, _ c: ModelConfiguration, inputMajor: Bool, rotary: RotaryTable?,
    into layout: inout ParameterLayout
  ) {
    placement = c.normPlacement
    dropout = c.dropout
    let site = UInt32(16 + 4 * index)
    self.site = site
    feedForward = FeedForwardSublayer(
      name, c, placement: c.normPlacement, site: site + 2, inputMajor: inputMajor, into: &layout)
    func makeNorm() -> Norm {
      Norm("\(name).norm1", width: c.hiddenSize, kind: c.norm, epsilon: c.normEps, into: &layout)
    }
    func makeAttention() -> SelfAttention {
      SelfAttention("\(name).attention", c, site: site, inputMajor: inputMajor, rotary: rotary, into: &layout)
    }
    switch placement {
    case .pre:
      attention = makeAttention()
      norm1 = makeNorm()
    case .post:
      norm1 = makeNorm()
      attention = makeAttention()
    }
    attentionGroup = layout.group(from: feedForward.group.upperBound)
  }

  /// What one block keeps from forward to backward, for up to `rows` rows.
  public struct Saved {
    /// N₁(x) (pre) or x + A(x) (post) [rows, C].
    let norm1: TensorView
    /// [rows, 2].
    let statistics1: TensorView
    let attention: SelfAttention.Saved
    /// h [rows, C].
    let residual: TensorView
    let feedForward: FeedForwardSublayer.Saved

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      norm1 = arena.matrix(rows, c.hiddenSize)
      statistics1 = arena.matrix(rows, 2)
      attention = SelfAttention.Saved(c, rows: rows, arena)
      residual = arena.matrix(rows, c.hiddenSize)
      feedForward = FeedForwardSublayer.Saved(c, rows: rows, arena)
    }
  }

  /// Scratch that all blocks of a worker share.
  public struct Scratch {
    /// The output of A, and in backward its gradient where it was dropped, or that of N₁(x) [rows, C].
    let output: TensorView
    let attention: SelfAttention.Scratch
    let feedForward: FeedForwardSublayer.Scratch

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      output = arena.matrix(rows, c.hiddenSize)
      // The gradients of the attention context and of N₂(h) are never needed at the same time.
      let shared = arena.matrix(rows, c.hiddenSize)
      attention = SelfAttention.Scratch(c, rows: rows, sharing: shared, arena)
      feedForward = FeedForwardSublayer.Scratch(
        output: output, dnorm: shared, feedForward: FeedForward.Scratch(c, rows: rows, arena))
    }
  }

  /// `y` ← block(x); `x` must stay unchanged until backward.
  public func forward(
    _ x: TensorView, _ input: SequenceInput, _ pass: Pass, cache: KeyValueCache? = nil, _ s: Saved, _ scratch: Scratch,
    into y: TensorView
  ) {
    let n = x.rows
    let (saved, residual, output) = (s.norm1.first(n), s.residual.first(n), scratch.output.first(n))
    if placement == .pre { norm1.forward(x, pass, into: saved, statistics: s.statistics1) }
    attention.forward(
      placement == .pre ? saved : x, input, pass, cache: cache, s.attention, scratch.attention, into: output)
    pass.drop(output, rate: dropout, input, site: site + 1)
    add(x, output, into: placement == .pre ? residual : saved)
    if placement == .post { norm1.forward(saved, pass, into: residual, statistics: s.statistics1) }
    feedForward.forward(residual, input, pass, s.feedForward, scratch.feedForward, into: y)
  }

  /// `d` holds dy and receives dx; parameter gradients go to the pass's sink, those of the feed-forward sublayer first.
  public func backward(
    x: TensorView, d: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved, _ scratch: Scratch
  ) {
    let n = x.rows
    let (saved, output) = (s.norm1.first(n), scratch.output.first(n))
    feedForward.backward(h: s.residual.first(n), d: d, input, pass, s.feedForward, scratch.feedForward)
    switch placement {
    case .pre:
      let dy = pass.dropped(d, copy: output, rate: dropout, input, site: site + 1)
      attention.backward(
        x: saved, s.attention, dy: dy, input, pass, in: attentionGroup, scratch.attention, into: .overwriting(output))
      norm1.backward(x: x, dy: output, statistics: s.statistics1, pass, in: attentionGroup, into: d, accumulate: true)
    case .post:
      norm1.backward(x: saved, dy: d, statistics: s.statistics1, pass, in: attentionGroup, into: d)
      let dy = pass.dropped(d, copy: output, rate: dropout, input, site: site + 1)
      attention.backward(
        x: x, s.attention, dy: dy, input, pass, in: attentionGroup, scratch.attention, into: .adding(to: d))
    }
    pass.gradients.add(attentionGroup)
  }
}
