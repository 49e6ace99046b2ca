import Core
import Kernels
import Tensors

/// Attention and feed-forward with residual connections.
///
/// Pre-norm (GPT-2): h = x + A(N₁(x)), y = h + F(N₂(h)). Post-norm (BERT): h = N₁(x + A(x)), y = N₂(h + F(h)).
/// Dropout acts on the outputs of A and F before they are added.
/// Reference: Xiong et al., "On layer normalization in the transformer architecture", 2020, arXiv 2002.04745.
public struct TransformerBlock: Sendable {
  public let attention: SelfAttention
  public let feedForward: FeedForward
  public let norm1: Norm
  public let norm2: Norm
  public let placement: ModelConfiguration.NormPlacement
  public let dropout: Float
  /// Dropout sites: +0 attention weights, +1 attention output, +2 feed-forward output.
  public let site: UInt32
  /// Entries of the two halves, each handed over as one gradient.
  public let feedForwardGroup: Range<Int>
  public let attentionGroup: Range<Int>

  /// Declares parameters in the order in which backward completes them.
  public init(_ name: String, index: Int, _ c: ModelConfiguration, inputMajor: Bool, rotary: RotaryTable?, into layout: inout ParameterLayout) {
    placement = c.normPlacement
    dropout = c.dropout
    site = UInt32(16 + 4 * index)
    let start = layout.entries.count
    func norm(_ which: String) -> Norm { Norm("\(name).\(which)", width: c.hiddenSize, kind: c.norm, epsilon: c.normEps, into: &layout) }
    switch placement {
    case .pre:
      feedForward = FeedForward("\(name).feedForward", c, inputMajor: inputMajor, into: &layout)
      norm2 = norm("norm2")
      feedForwardGroup = layout.group(from: start)
      attention = SelfAttention("\(name).attention", c, inputMajor: inputMajor, rotary: rotary, into: &layout)
      norm1 = norm("norm1")
    case .post:
      norm2 = norm("norm2")
      feedForward = FeedForward("\(name).feedForward", c, inputMajor: inputMajor, into: &layout)
      feedForwardGroup = layout.group(from: start)
      norm1 = norm("norm1")
      attention = SelfAttention("\(name).attention", c, inputMajor: inputMajor, rotary: rotary, into: &layout)
    }
    attentionGroup = layout.group(from: feedForwardGroup.upperBound)
  }

  /// What one block keeps from forward to backward, for up to `rows` rows.
  public struct Saved {
    /// The normalised input (pre) or the sum before the norm (post) of each half, and the norms' statistics.
    let first: TensorView, second: TensorView, statistics1: TensorView, statistics2: TensorView
    let qkv: TensorView, mixed: TensorView, attentionStatistics: TensorView
    /// The stream between the halves.
    let middle: TensorView
    let up: TensorView, inner: TensorView

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      first = arena.matrix(rows, c.hiddenSize)
      second = arena.matrix(rows, c.hiddenSize)
      statistics1 = arena.matrix(rows, 2)
      statistics2 = arena.matrix(rows, 2)
      qkv = arena.matrix(rows, 3 * c.hiddenSize)
      mixed = arena.matrix(rows, c.hiddenSize)
      attentionStatistics = arena.matrix(rows * c.numHeads, 2)
      middle = arena.matrix(rows, c.hiddenSize)
      up = arena.matrix(rows, FeedForward.upWidth(c))
      inner = arena.matrix(rows, c.intermediateSize)
    }
  }

  /// Scratch that all blocks of a worker share.
  public struct Scratch {
    let a: TensorView, b: TensorView, qkv: TensorView, inner: TensorView, up: TensorView, attention: TensorView

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      a = arena.matrix(rows, c.hiddenSize)
      b = arena.matrix(rows, c.hiddenSize)
      qkv = arena.matrix(rows, 3 * c.hiddenSize)
      inner = arena.matrix(rows, c.intermediateSize)
      up = c.activation == .swiglu ? arena.matrix(rows, FeedForward.upWidth(c)) : inner
      let size = attentionScratch(length: c.maxPosition)
      attention = arena.matrix(size.rows, size.columns)
    }
  }

  /// `y` ← block(x); `x` must stay as it is until backward.
  public func forward(
    _ x: TensorView, _ input: SequenceInput, _ pass: Pass, cache: KeyValueCache? = nil, _ s: Saved, _ scratch: Scratch, into y: TensorView
  ) {
    let n = x.rows
    let (first, second, middle, branch) = (s.first.first(n), s.second.first(n), s.middle.first(n), scratch.a.first(n))
    let source = placement == .pre ? first : x
    if placement == .pre { norm1.forward(x, pass, into: first, statistics: s.statistics1) }
    attention.forward(
      source, input, pass, site: site, cache: cache, qkv: s.qkv.first(n), mixed: s.mixed.first(n), statistics: s.attentionStatistics,
      scratch: scratch.attention, into: branch)
    pass.drop(branch, rate: dropout, input, site: site + 1)
    if placement == .pre {
      add(x, branch, into: middle)
      norm2.forward(middle, pass, into: second, statistics: s.statistics2)
      feedForward.forward(second, pass, up: s.up.first(n), inner: s.inner.first(n), into: branch)
      pass.drop(branch, rate: dropout, input, site: site + 2)
      add(middle, branch, into: y)
    } else {
      add(x, branch, into: first)
      norm1.forward(first, pass, into: middle, statistics: s.statistics1)
      feedForward.forward(middle, pass, up: s.up.first(n), inner: s.inner.first(n), into: branch)
      pass.drop(branch, rate: dropout, input, site: site + 2)
      add(middle, branch, into: second)
      norm2.forward(second, pass, into: y, statistics: s.statistics2)
    }
  }

  /// `d` holds dy and receives dx; parameter gradients go to the pass's sink, feed-forward half first.
  public func backward(x: TensorView, d: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved, _ scratch: Scratch) {
    let n = x.rows
    let (first, second, middle) = (s.first.first(n), s.second.first(n), s.middle.first(n))
    let pre = placement == .pre
    let (branch, other) = (scratch.a.first(n), scratch.b.first(n))

    if !pre { norm2.backward(x: second, dy: d, statistics: s.statistics2, pass, in: feedForwardGroup, into: d) }
    let fromFeedForward = dropped(d, into: branch, input, pass, site: site + 2)
    feedForward.backward(
      x: pre ? second : middle, up: s.up.first(n), inner: s.inner.first(n), dy: fromFeedForward, pass, in: feedForwardGroup,
      dinner: scratch.inner.first(n), dup: scratch.up.first(n), into: pre ? other : d, accumulate: !pre)
    if pre {
      norm2.backward(x: middle, dy: other, statistics: s.statistics2, pass, in: feedForwardGroup, into: d, accumulate: true)
    }
    pass.gradients.add(feedForwardGroup)

    if !pre { norm1.backward(x: first, dy: d, statistics: s.statistics1, pass, in: attentionGroup, into: d) }
    let fromAttention = dropped(d, into: branch, input, pass, site: site + 1)
    attention.backward(
      x: pre ? first : x, qkv: s.qkv.first(n), mixed: s.mixed.first(n), statistics: s.attentionStatistics, dy: fromAttention, input, pass,
      site: site, in: attentionGroup, dmixed: other, dqkv: scratch.qkv.first(n), scratch: scratch.attention, into: pre ? branch : d,
      accumulate: !pre)
    if pre {
      norm1.backward(x: x, dy: branch, statistics: s.statistics1, pass, in: attentionGroup, into: d, accumulate: true)
    }
    pass.gradients.add(attentionGroup)
  }

  /// The gradient of a branch's output: `d` itself, or a masked copy where the branch was dropped.
  private func dropped(_ d: TensorView, into copy: TensorView, _ input: SequenceInput, _ pass: Pass, site: UInt32) -> TensorView {
    guard pass.dropout != nil, dropout > 0 else { return d }
    copy.copy(from: d)
    pass.drop(copy, rate: dropout, input, site: site)
    return copy
  }
}
