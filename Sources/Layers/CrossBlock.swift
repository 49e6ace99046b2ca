import Core
import Kernels
import Tensors

/// One decoder layer of BERT's form whose queries are not its keys: h = N₁(x + A(x, rows)), y = N₂(h + F(h)).
///
/// It is post-norm whatever the placement of the model around it. Dropout acts on the outputs of A and F before they are added.
/// Reference: the enhanced decoder of Xiao et al., "RetroMAE", 2022, arXiv 2205.12035.
public struct CrossBlock: Sendable {
  public let attention: CrossAttention
  public let feedForward: FeedForward
  public let norm1: Norm
  public let norm2: Norm
  public let dropout: Float
  /// Dropout sites: +0 attention weights, +1 attention output, +2 feed-forward output.
  public let site: UInt32 = 16
  /// Entries of the two halves, each handed over as one gradient.
  public let feedForwardGroup: Range<Int>
  public let attentionGroup: Range<Int>

  /// Declares parameters in the order in which backward completes them.
  public init(_ name: String, _ c: ModelConfiguration, into layout: inout ParameterLayout) {
    dropout = c.dropout
    let start = layout.entries.count
    func norm(_ which: String) -> Norm { Norm("\(name).\(which)", width: c.hiddenSize, kind: c.norm, epsilon: c.normEps, into: &layout) }
    norm2 = norm("norm2")
    feedForward = FeedForward("\(name).feedForward", c, inputMajor: false, into: &layout)
    feedForwardGroup = layout.group(from: start)
    norm1 = norm("norm1")
    attention = CrossAttention("\(name).attention", c, into: &layout)
    attentionGroup = layout.group(from: feedForwardGroup.upperBound)
  }

  /// What the block keeps from forward to backward, and its scratch, for up to `rows` queries and as many keys.
  public struct Saved {
    /// The sums before the norms, and the norms' statistics.
    let first: TensorView, second: TensorView, statistics1: TensorView, statistics2: TensorView
    let q: TensorView, kv: TensorView, mixed: TensorView, attentionStatistics: TensorView
    let middle: TensorView, up: TensorView, inner: TensorView
    let branch: TensorView, a: TensorView, b: TensorView, dkv: TensorView, dinner: TensorView, dup: TensorView, attention: TensorView

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      func matrix(_ columns: Int) -> TensorView { arena.matrix(rows, columns) }
      (first, second, statistics1, statistics2) = (matrix(c.hiddenSize), matrix(c.hiddenSize), matrix(2), matrix(2))
      (q, kv, mixed) = (matrix(c.hiddenSize), matrix(2 * c.hiddenSize), matrix(c.hiddenSize))
      attentionStatistics = arena.matrix(rows * c.numHeads, 2)
      (middle, up, inner) = (matrix(c.hiddenSize), matrix(FeedForward.upWidth(c)), matrix(c.intermediateSize))
      (branch, a, b, dkv) = (matrix(c.hiddenSize), matrix(c.hiddenSize), matrix(c.hiddenSize), matrix(2 * c.hiddenSize))
      dinner = matrix(c.intermediateSize)
      dup = c.activation == .swiglu ? matrix(FeedForward.upWidth(c)) : dinner
      let size = attentionScratch(length: c.maxPosition)
      attention = arena.matrix(size.rows, size.columns)
    }
  }

  /// `y` ← block(x, rows); `x` and `rows` must stay as they are until backward.
  public func forward(
    _ x: TensorView, rows: TensorView, _ input: SequenceInput, visible: AttentionBitmask, _ pass: Pass, _ s: Saved, into y: TensorView
  ) {
    let n = x.rows
    let (first, second, middle, branch) = (s.first.first(n), s.second.first(n), s.middle.first(n), s.branch.first(n))
    attention.forward(
      x, rows: rows, input, visible: visible, pass, site: site, q: s.q.first(n), kv: s.kv.first(rows.rows), mixed: s.mixed.first(n),
      statistics: s.attentionStatistics, scratch: s.attention, into: branch)
    pass.drop(branch, rate: dropout, input, site: site + 1)
    add(x, branch, into: first)
    norm1.forward(first, pass, into: middle, statistics: s.statistics1)
    feedForward.forward(middle, pass, up: s.up.first(n), inner: s.inner.first(n), into: branch)
    pass.drop(branch, rate: dropout, input, site: site + 2)
    add(middle, branch, into: second)
    norm2.forward(second, pass, into: y, statistics: s.statistics2)
  }

  /// `d` holds dy and receives dx; `drows` receives the gradient of the rows. Parameter gradients go to the pass's sink.
  public func backward(
    x: TensorView, rows: TensorView, d: TensorView, _ input: SequenceInput, visible: AttentionBitmask, _ pass: Pass, _ s: Saved,
    drows: TensorView
  ) {
    let n = x.rows
    let (first, second, middle) = (s.first.first(n), s.second.first(n), s.middle.first(n))
    norm2.backward(x: second, dy: d, statistics: s.statistics2, pass, in: feedForwardGroup, into: d)
    feedForward.backward(
      x: middle, up: s.up.first(n), inner: s.inner.first(n), dy: dropped(d, input, pass, s, site: site + 2), pass, in: feedForwardGroup,
      dinner: s.dinner.first(n), dup: s.dup.first(n), into: d, accumulate: true)
    pass.gradients.add(feedForwardGroup)

    norm1.backward(x: first, dy: d, statistics: s.statistics1, pass, in: attentionGroup, into: d)
    attention.backward(
      x: x, rows: rows, q: s.q.first(n), kv: s.kv.first(rows.rows), mixed: s.mixed.first(n), statistics: s.attentionStatistics,
      dy: dropped(d, input, pass, s, site: site + 1), input, visible: visible, pass, site: site, in: attentionGroup, dmixed: s.a.first(n),
      dq: s.b.first(n), dkv: s.dkv.first(rows.rows), scratch: s.attention, addingTo: d, into: drows)
    pass.gradients.add(attentionGroup)
  }

  /// The gradient of a branch's output: a copy of `d`, masked where the branch was dropped.
  private func dropped(_ d: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved, site: UInt32) -> TensorView {
    let copy = s.branch.first(d.rows)
    copy.copy(from: d)
    pass.drop(copy, rate: dropout, input, site: site)
    return copy
  }
}
