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
    /// The selected rows of x, and in backward their gradients [rows, C].
    let selected: TensorView
    let attention: SelfAttention.Scratch
    let feedForward: FeedForwardSublayer.Scratch

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      output = arena.matrix(rows, c.hiddenSize)
      selected = arena.matrix(rows, c.hiddenSize)
      // The gradients of the attention context and of N₂(h) are never needed at the same time.
      let shared = arena.matrix(rows, c.hiddenSize)
      attention = SelfAttention.Scratch(c, rows: rows, sharing: shared, arena)
      feedForward = FeedForwardSublayer.Scratch(
        output: output, dnorm: shared, feedForward: FeedForward.Scratch(c, rows: rows, arena))
    }
  }

  /// `y` ← block(x) for the rows that the input selects, or all; `x` must stay unchanged until backward.
  ///
  /// Keys and values are made of all rows; everything else of a block acts on the selected ones alone.
  public func forward(
    _ x: TensorView, _ input: SequenceInput, _ pass: Pass, cache: KeyValueCache? = nil, _ s: Saved, _ scratch: Scratch,
    into y: TensorView
  ) {
    let m = y.rows
    let (residual, output) = (s.residual.first(m), scratch.output.first(m))
    if placement == .pre { norm1.forward(x, pass, into: s.norm1.first(x.rows), statistics: s.statistics1) }
    attention.forward(
      placement == .pre ? s.norm1.first(x.rows) : x, input, pass, cache: cache, s.attention, scratch.attention,
      into: output)
    pass.drop(output, rate: dropout, input, site: site + 1)
    add(selected(x, input, scratch), output, into: placement == .pre ? residual : s.norm1.first(m))
    if placement == .post { norm1.forward(s.norm1.first(m), pass, into: residual, statistics: s.statistics1) }
    feedForward.forward(residual, input, pass, s.feedForward, scratch.feedForward, into: y)
  }

  /// The rows of `x` that the input selects: `x` itself without a selection.
  private func selected(_ x: TensorView, _ input: SequenceInput, _ scratch: Scratch) -> TensorView {
    guard let selection = input.selection else { return x }
    let rows = scratch.selected.first(selection.count)
    gatherRows(x, at: selection.rows, into: rows)
    return rows
  }

  /// `d` [n, C] holds dy at the selected rows, or all, and receives dx; parameter gradients go to the pass's sink,
  /// those of the feed-forward sublayer first.
  public func backward(
    x: TensorView, d: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved, _ scratch: Scratch
  ) {
    let e = selected(d, input, scratch)
    let (n, m) = (x.rows, e.rows)
    feedForward.backward(h: s.residual.first(m), d: e, input, pass, s.feedForward, scratch.feedForward)
    let saved = s.norm1.first(placement == .pre ? n : m)
    if placement == .post {
      norm1.backward(x: saved, dy: e, statistics: s.statistics1, pass, in: attentionGroup, into: e)
    }
    let dy = pass.dropped(e, copy: scratch.output.first(m), rate: dropout, input, site: site + 1)
    if let selection = input.selection {
      d.fill(0)
      addRows(e, at: selection.rows, into: d)
    }
    switch placement {
    case .pre:
      let dnorm = scratch.output.first(n)
      attention.backward(
        x: saved, s.attention, dy: dy, input, pass, in: attentionGroup, scratch.attention, into: .overwriting(dnorm))
      norm1.backward(x: x, dy: dnorm, statistics: s.statistics1, pass, in: attentionGroup, into: d, accumulate: true)
    case .post:
      attention.backward(
        x: x, s.attention, dy: dy, input, pass, in: attentionGroup, scratch.attention, into: .adding(to: d))
    }
    pass.gradients.add(attentionGroup)
  }
}
