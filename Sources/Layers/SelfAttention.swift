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
    /// Queries, keys and values, rotated [rows, 3C].
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
    /// [rows, 3C].
    let dqkv: TensorView
    let kernel: TensorView

    /// - Parameter dcontext: [rows, C]; may be shared with other layers, but is not the `dy` or `dx` of a backward
    ///   pass.
    public init(_ c: ModelConfiguration, rows: Int, sharing dcontext: TensorView, _ arena: Arena) {
      self.dcontext = dcontext
      dqkv = arena.matrix(rows, 3 * c.hiddenSize)
      let size = attentionScratch(length: c.maxPosition)
      kernel = arena.matrix(size.rows, size.columns)
    }
  }

  /// - Parameter cache: for generation: the rows are the next positions of one sequence, and attend to all earlier
  ///   ones.
  public func forward(
    _ x: TensorView, _ input: SequenceInput, _ pass: Pass, cache: KeyValueCache? = nil, _ s: Saved, _ scratch: Scratch,
    into y: TensorView
  ) {
    let (projected, result) = (s.qkv.first(x.rows), s.result.first(x.rows))
    qkv.forward(x, pass, into: projected)
    if let rotary { rotate(projected, heads: heads, positions: input.positionIDs, table: rotary) }
    if let cache {
      cachedAttention(qkv: projected, heads: heads, cache: cache, into: result.context, scratch: scratch.kernel)
    } else {
      attention(
        QueryKeyValue(qkv: projected), heads: heads, mask: .ranges(input.ranges),
        dropout: pass.attentionDropout(rate: dropout, input, site: site), into: result, scratch: scratch.kernel)
    }
    out.forward(result.context, pass, into: y)
  }

  /// The gradient of x from `dy` [n, C]; parameter gradients go into the scratch of `group`. `dx` may add to `dy`
  /// itself.
  public func backward(
    x: TensorView, _ s: Saved, dy: TensorView, _ input: SequenceInput, _ pass: Pass, in group: Range<Int>,
    _ scratch: Scratch,
    into dx: GradientTarget
  ) {
    let n = x.rows
    let (result, dcontext, dqkv) = (s.result.first(n), scratch.dcontext.first(n), scratch.dqkv.first(n))
    out.backward(x: result.context, dy: dy, pass, in: group, into: dcontext)
    attentionBackward(
      QueryKeyValue(qkv: s.qkv.first(n)), result, dout: dcontext, heads: heads, mask: .ranges(input.ranges),
      dropout: pass.attentionDropout(rate: dropout, input, site: site), into: QueryKeyValue(qkv: dqkv),
      scratch: scratch.kernel)
    if let rotary { rotate(dqkv, heads: heads, positions: input.positionIDs, table: rotary, inverse: true) }
    qkv.backward(x: x, dy: dqkv, pass, in: group, into: dx.view, accumulate: dx.accumulate)
  }
}
