import Core
import Kernels
import Tensors

/// The feed-forward layer of a block with its norm and its residual connection.
///
/// Pre-norm: y = h + F(N(h)). Post-norm: y = N(h + F(h)). Dropout acts on the output of F. Shapes: h, y [n, C].
public struct FeedForwardSublayer: Sendable {
  public let feedForward: FeedForward
  public let norm: Norm
  public let placement: ModelConfiguration.NormPlacement
  public let dropout: Float
  /// Dropout site of the output of F.
  public let site: UInt32
  /// The layer's entries, handed over as one gradient.
  public let group: Range<Int>

  /// Appends `name.feedForward` and `name.norm2` in the order in which backward completes them.
  init(
    _ name: String, _ c: ModelConfiguration, placement: ModelConfiguration.NormPlacement, site: UInt32,
    inputMajor: Bool,
    into layout: inout ParameterLayout
  ) {
    (self.placement, self.site, dropout) = (placement, site, c.dropout)
    let start = layout.entries.count
    func makeNorm() -> Norm {
      Norm("\(name).norm2", width: c.hiddenSize, kind: c.norm, epsilon: c.normEps, into: &layout)
    }
    func makeFeedForward() -> FeedForward {
      FeedForward("\(name).feedForward", c, inputMajor: inputMajor, into: &layout)
    }
    switch placement {
    case .pre:
      feedForward = makeFeedForward()
      norm = makeNorm()
    case .post:
      norm = makeNorm()
      feedForward = makeFeedForward()
    }
    group = layout.group(from: start)
  }

  /// What backward reads besides h, for up to `rows` rows.
  struct Saved {
    /// N(h) (pre) or h + F(h) (post) [rows, C].
    let norm: TensorView
    /// [rows, 2].
    let statistics: TensorView
    let feedForward: FeedForward.Saved

    init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      norm = arena.matrix(rows, c.hiddenSize)
      statistics = arena.matrix(rows, 2)
      feedForward = FeedForward.Saved(c, rows: rows, arena)
    }
  }

  struct Scratch {
    /// The output of F, and its gradient where it was dropped [rows, C].
    let output: TensorView
    /// The gradient of N(h) [rows, C].
    let dnorm: TensorView
    let feedForward: FeedForward.Scratch
  }

  /// `y` ← sublayer(h); `h` must stay unchanged until backward.
  func forward(
    _ h: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved, _ scratch: Scratch, into y: TensorView
  ) {
    let (output, saved) = (scratch.output.first(h.rows), s.norm.first(h.rows))
    if placement == .pre { norm.forward(h, pass, into: saved, statistics: s.statistics) }
    feedForward.forward(placement == .pre ? saved : h, pass, s.feedForward, into: output)
    pass.drop(output, rate: dropout, input, site: site)
    add(h, output, into: placement == .pre ? y : saved)
    if placement == .post { norm.forward(saved, pass, into: y, statistics: s.statistics) }
  }

  /// `d` holds dy and receives dh. Hands over the gradients of the group.
  func backward(h: TensorView, d: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved, _ scratch: Scratch) {
    let (output, saved, dnorm) = (scratch.output.first(h.rows), s.norm.first(h.rows), scratch.dnorm.first(h.rows))
    switch placement {
    case .pre:
      let dy = pass.dropped(d, copy: output, rate: dropout, input, site: site)
      feedForward.backward(
        x: saved, s.feedForward, dy: dy, pass, in: group, scratch.feedForward, into: .overwriting(dnorm))
      norm.backward(x: h, dy: dnorm, statistics: s.statistics, pass, in: group, into: d, accumulate: true)
    case .post:
      norm.backward(x: saved, dy: d, statistics: s.statistics, pass, in: group, into: d)
      let dy = pass.dropped(d, copy: output, rate: dropout, input, site: site)
      feedForward.backward(x: h, s.feedForward, dy: dy, pass, in: group, scratch.feedForward, into: .adding(to: d))
    }
    pass.gradients.add(group)
  }
}
