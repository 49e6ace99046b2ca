import Core
import Kernels
import Tensors

/// Multi-head self-attention with its projections: `y = Attention(x·W_qkv + b) · W_out + b_out`.
///
/// Shapes: x, y [n, C].
public struct SelfAttention: Sendable {
  public let qkv: Linear
  public let out: Linear
  public let heads: Int
  public let dropout: Float
  /// Dropout site of the attention weights.
  public let site: UInt32
  public let rotary: RotaryTable?

  /// Appends `name.out` and `name.qkv` to the layout.
  public init(
    _ name: String, _ c: ModelConfiguration, site: UInt32, inputMajor: Bool, rotary: RotaryTable?,
    into layout: inout ParameterLayout
  ) {
    heads = c.numHeads
    dropout = c.attentionDropout
    self.site = site
    self.rotary = rotary
    out = Linear(
      "\(name).out", inputs: c.hiddenSize, outputs: c.hiddenSize, bias: c.bias, inputMajor: inputMajor,
      deviation: c.residualDeviation,
      into: &layout)
    qkv = Linear(
      "\(name).qkv", inputs: c.hiddenSize, outputs: 3 * c.hiddenSize, bias: c.bias, inputMajor: inputMajor,
      deviation: c.initializerRange, into: &layout)
  }

  /// What backward reads besides x, for up to `rows` rows.
  public struct Saved {
    /// Queries, keys and values, rotated [rows, 3C]; with a selection keys and values [rows, 2C], then queries.
    let qkv: TensorView
    /// Attention context [rows, C] and statistics [rows·H, 2].
    let result: AttentionResult

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      qkv = arena.matrix(rows, 3 * c.hiddenSize)
      result = AttentionResult(rows: rows, heads: c.numHeads, size: c.hiddenSize, arena)
    }
  }

  /// Memory of the kernels, and of gradients in backward.
  public struct Scratch {
    /// Gradient of the attention context [rows, C].
    let dcontext: TensorView
    /// The gradients of `Saved.qkv`.
    let dqkv: TensorView
    /// The selected rows of x, and their gradient [rows, C].
    let selected: TensorView
    let kernel: TensorView

    /// - Parameter dcontext: [rows, C]; may be shared with other layers, but is not the `dy` or `dx` of a backward
    ///   pass.
    public init(_ c: ModelConfiguration, rows: Int, sharing dcontext: TensorView, _ arena: Arena) {
      self.dcontext = dcontext
      dqkv = arena.matrix(rows, 3 * c.hiddenSize)
      selected = arena.matrix(rows, c.hiddenSize)
      let size = attentionScratch(length: c.leadingRows + c.maxPosition)
      kernel = arena.matrix(size.rows, size.columns)
    }
  }

  /// - Parameter cache: for generation: the rows are the next positions of one sequence, and attend to all earlier
  ///   ones.
  public func forward(
    _ x: TensorView, _ input: SequenceInput, _ pass: Pass, cache: KeyValueCache? = nil, _ s: Saved, _ scratch: Scratch,
    into y: TensorView
  ) {
    let result = s.result.first(y.rows)
    if let cache {
      let projected = s.qkv.first(x.rows)
      qkv.forward(x, pass, into: projected)
      if let rotary { Kernels.rotate(projected, heads: 2 * heads, positions: input.positionIDs, table: rotary) }
      cachedAttention(qkv: projected, heads: heads, cache: cache, into: result.context, scratch: scratch.kernel)
    } else {
      attention(
        project(x, input, pass, s, scratch), heads: heads, mask: .ranges(input.ranges, input.selection),
        dropout: pass.attentionDropout(rate: dropout, input, site: site), into: result, scratch: scratch.kernel)
    }
    out.forward(result.context, pass, into: y)
  }

  /// Queries of the computed rows, keys and values of all, rotated.
  private func project(_ x: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved, _ scratch: Scratch)
    -> QueryKeyValue
  {
    guard let selection = input.selection else {
      let projected = s.qkv.first(x.rows)
      qkv.forward(x, pass, into: projected)
      if let rotary { Kernels.rotate(projected, heads: 2 * heads, positions: input.positionIDs, table: rotary) }
      return QueryKeyValue(qkv: projected)
    }
    let (c, selected) = (x.columns, scratch.selected.first(selection.count))
    let (q, kv) = Self.split(s.qkv, rows: x.rows, selection)
    gatherRows(x, at: selection.rows, into: selected)
    qkv.forward(selected, outputs: 0..<c, pass, into: q)
    qkv.forward(x, outputs: c..<3 * c, pass, into: kv)
    rotate(q: q, kv: kv, input)
    return QueryKeyValue(q: q, kv: kv)
  }

  /// Queries of the selected rows, and keys and values of all `rows`, in the memory of all three.
  private static func split(_ qkv: TensorView, rows: Int, _ selection: RowSelection) -> (q: TensorView, kv: TensorView)
  {
    let c = qkv.columns / 3
    let q = TensorView(base: qkv.base + 2 * rows * c, rows: selection.count, columns: c)
    return (q, TensorView(base: qkv.base, rows: rows, columns: 2 * c))
  }

  private func rotate(q: TensorView, kv: TensorView, _ input: SequenceInput, inverse: Bool = false) {
    guard let rotary else { return }
    Kernels.rotate(q, heads: heads, positions: input.computedPositionIDs, table: rotary, inverse: inverse)
    Kernels.rotate(kv, heads: heads, positions: input.positionIDs, table: rotary, inverse: inverse)
  }

  /// The gradient of x [n, C] from `dy` of the computed rows; parameter gradients go into the scratch of `group`. `dx`
  /// may add to `dy` itself where all rows are computed.
  public func backward(
    x: TensorView, _ s: Saved, dy: TensorView, _ input: SequenceInput, _ pass: Pass, in group: Range<Int>,
    _ scratch: Scratch,
    into dx: GradientTarget
  ) {
    let (n, c) = (x.rows, x.columns)
    let (result, dcontext) = (s.result.first(dy.rows), scratch.dcontext.first(dy.rows))
    out.backward(x: result.context, dy: dy, pass, in: group, into: dcontext)
    func propagate(_ x: QueryKeyValue, into dx: QueryKeyValue) {
      attentionBackward(
        x, result, dout: dcontext, heads: heads, mask: .ranges(input.ranges, input.selection),
        dropout: pass.attentionDropout(rate: dropout, input, site: site), into: dx, scratch: scratch.kernel)
    }
    guard let selection = input.selection else {
      let dqkv = scratch.dqkv.first(n)
      propagate(QueryKeyValue(qkv: s.qkv.first(n)), into: QueryKeyValue(qkv: dqkv))
      if let rotary {
        Kernels.rotate(dqkv, heads: 2 * heads, positions: input.positionIDs, table: rotary, inverse: true)
      }
      return qkv.backward(x: x, dy: dqkv, pass, in: group, into: dx.view, accumulate: dx.accumulate)
    }
    let (q, kv) = Self.split(s.qkv, rows: n, selection)
    let (dq, dkv) = Self.split(scratch.dqkv, rows: n, selection)
    propagate(QueryKeyValue(q: q, kv: kv), into: QueryKeyValue(q: dq, kv: dkv))
    rotate(q: dq, kv: dkv, input, inverse: true)
    qkv.backward(
      x: x, dy: dkv, outputs: c..<3 * c, pass, in: group, into: dx.view, accumulate: dx.accumulate)
    // The selected rows are read for the weights' gradient first, and then overwritten by their own gradient.
    let selected = scratch.selected.first(selection.count)
    gatherRows(x, at: selection.rows, into: selected)
    qkv.backward(x: selected, dy: dq, outputs: 0..<c, pass, in: group, into: selected)
    addRows(selected, at: selection.rows, into: dx.view)
  }
}
