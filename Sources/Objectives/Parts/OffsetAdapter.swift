import Core
import Kernels
import Layers
import Tensors

/// What a state says about an offset: MLP(norm(h + e_δ)), to be read by the vocabulary head.
///
/// Without the non-linear layer an added vector would be a bias on the logits, the same for every prefix. Offset 1 has
/// no vector: it is the head's without an adapter. The inner size is the model's width.
///
/// Shapes: k rows with targets, C width. Declared before the network, whose backward runs after this one.
struct OffsetAdapter: Sendable {
  let feedForward: FeedForward
  let norm: Norm
  /// [m - 1, C]: row δ - 2 is e_δ.
  let embedding: Int
  private let group: Range<Int>
  private let rows: Int
  private let shape: ModelConfiguration

  /// The model's settings with an inner size of its width.
  static func shape(_ model: ModelConfiguration) -> ModelConfiguration {
    var shape = model
    shape.intermediateSize = model.hiddenSize
    return shape
  }

  init(_ name: String, _ model: ModelConfiguration, offsets: Int, into layout: inout ParameterLayout) {
    shape = Self.shape(model)
    rows = offsets - 1
    let start = layout.entries.count
    feedForward = FeedForward(name, shape, inputMajor: false, into: &layout)
    norm = Norm("\(name).norm", width: model.hiddenSize, kind: model.norm, epsilon: model.normEps, into: &layout)
    group = layout.group(from: start)
    embedding = layout.append(
      ParameterSpec("\(name).embedding", [rows, model.hiddenSize], decay: true, .normal(model.initializerRange)))
  }

  struct Saved {
    fileprivate let sum: TensorView, normed: TensorView, statistics: TensorView, output: TensorView,
      scattered: TensorView
    fileprivate let feedForward: FeedForward.Saved, scratch: FeedForward.Scratch

    init(_ adapter: OffsetAdapter, rows: Int, _ arena: Arena) {
      let c = adapter.shape
      sum = arena.matrix(rows, c.hiddenSize)
      normed = arena.matrix(rows, c.hiddenSize)
      statistics = arena.matrix(rows, 2)
      feedForward = FeedForward.Saved(c, rows: rows, arena)
      output = arena.matrix(rows, c.hiddenSize)
      scratch = FeedForward.Scratch(c, rows: rows, arena)
      scattered = arena.matrix(adapter.rows, c.hiddenSize)
    }
  }

  /// [k, C] for the given rows of `hidden` at the given offsets, in the workspace.
  func forward(_ hidden: TensorView, rows: [Int], offsets: [Int], _ pass: Pass, _ s: Saved) -> TensorView {
    let k = rows.count
    gatherRows(hidden, at: rows, into: s.sum.first(k))
    gatherRows(pass.parameters.view(embedding), offsets.map { Int32($0 - 2) }, into: s.sum.first(k), accumulate: true)
    norm.forward(s.sum.first(k), pass, into: s.normed.first(k), statistics: s.statistics)
    feedForward.forward(s.normed.first(k), pass, s.feedForward, into: s.output.first(k))
    return s.output.first(k)
  }

  /// The gradient of the rows that were read, in the workspace, from that of the output, `d`; hands over those of the
  /// parameters.
  func backward(_ d: TensorView, offsets: [Int], _ pass: Pass, _ sink: any GradientSink, _ s: Saved) -> TensorView {
    let k = d.rows
    let dx = s.output.first(k)
    if k == 0 {
      for entry in group { sink.view(entry, in: group, pass.parameters.layout).fill(0) }
    } else {
      feedForward.backward(
        x: s.normed.first(k), s.feedForward, dy: d, pass, in: group, s.scratch, into: .overwriting(dx))
      norm.backward(x: s.sum.first(k), dy: dx, statistics: s.statistics, pass, in: group, into: dx)
    }
    sink.add(group)
    let ids = scatterRows(offsets.map { Int32($0 - 2) }, dy: dx, into: s.scattered)
    sink.addRows(ids, s.scattered.first(ids.count), of: embedding)
    return dx
  }
}
