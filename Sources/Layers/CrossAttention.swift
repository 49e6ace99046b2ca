import Core
import Kernels
import Tensors

/// Multi-head attention of queries over the rows of another sequence, each query with its own set of visible rows:
/// `y = Attention(x·W_q + b_q, r·W_kv + b_kv) · W_out + b_out`.
///
/// Shapes: x, y [n, C]; rows r [m, C].
public struct CrossAttention: Sendable {
  public let q: Linear
  public let kv: Linear
  public let out: Linear
  public let heads: Int
  public let dropout: Float
  /// Dropout site of the attention weights.
  public let site: UInt32

  /// Appends `name.out`, `name.q` and `name.kv` to the layout.
  public init(_ name: String, _ c: ModelConfiguration, site: UInt32, into layout: inout ParameterLayout) {
    heads = c.numHeads
    dropout = c.attentionDropout
    self.site = site
    func linear(_ part: String, _ outputs: Int) -> Linear {
      Linear(
        "\(name).\(part)", inputs: c.hiddenSize, outputs: outputs, bias: c.bias, inputMajor: false,
        deviation: c.initializerRange, into: &layout)
    }
    out = linear("out", c.hiddenSize)
    q = linear("q", c.hiddenSize)
    kv = linear("kv", 2 * c.hiddenSize)
  }

  /// What the layer reads; it must stay unchanged until backward.
  public struct Inputs {
    /// What queries are made of [n, C].
    public var x: TensorView
    /// What keys and values are made of [m, C].
    public var rows: TensorView
    /// Which rows each query sees.
    public var visible: AttentionBitmask

    public init(x: TensorView, rows: TensorView, visible: AttentionBitmask) {
      (self.x, self.rows, self.visible) = (x, rows, visible)
    }
  }

  /// Where the gradients of the inputs go.
  public struct Gradients {
    /// [n, C]: the gradient of x is added.
    public var addingTo: TensorView
    /// [m, C]: the gradient of the rows is written.
    public var rows: TensorView

    public init(addingTo: TensorView, rows: TensorView) { (self.addingTo, self.rows) = (addingTo, rows) }
  }

  /// What backward reads besides the inputs, for up to `rows` queries and as many keys.
  public struct Saved {
    /// [rows, C].
    let q: TensorView
    /// Keys and values [rows, 2C].
    let kv: TensorView
    /// Attention context [rows, C] and statistics [rows·H, 2].
    let result: AttentionResult

    public init(_ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      q = arena.matrix(rows, c.hiddenSize)
      kv = arena.matrix(rows, 2 * c.hiddenSize)
      result = AttentionResult(rows: rows, heads: c.numHeads, size: c.hiddenSize, arena)
    }
  }

  /// Memory of the kernels, and of gradients in backward.
  public struct Scratch {
    /// Gradient of the attention context [rows, C].
    let dcontext: TensorView
    let dq: TensorView
    let dkv: TensorView
    let kernel: TensorView

    /// - Parameter dcontext: [rows, C]; may be shared with other layers, but is not the `dy` or a gradient of a
    ///   backward pass.
    public init(_ c: ModelConfiguration, rows: Int, sharing dcontext: TensorView, _ arena: Arena) {
      self.dcontext = dcontext
      dq = arena.matrix(rows, c.hiddenSize)
      dkv = arena.matrix(rows, 2 * c.hiddenSize)
      let size = attentionScratch(length: c.leadingRows + c.maxPosition)
      kernel = arena.matrix(size.rows, size.columns)
    }
  }

  public func forward(
    _ inputs: Inputs, _ input: SequenceInput, _ pass: Pass, _ s: Saved, _ scratch: Scratch, into y: TensorView
  ) {
    let (queries, pairs) = (s.q.first(inputs.x.rows), s.kv.first(inputs.rows.rows))
    let result = s.result.first(inputs.x.rows)
    q.forward(inputs.x, pass, into: queries)
    kv.forward(inputs.rows, pass, into: pairs)
    attention(
      QueryKeyValue(q: queries, kv: pairs), heads: heads, mask: .bits(inputs.visible),
      dropout: pass.attentionDropout(rate: dropout, input, site: site), into: result, scratch: scratch.kernel)
    out.forward(result.context, pass, into: y)
  }

  /// The gradients of the inputs from `dy` [n, C], which may be the view that they are added to.
  public func backward(
    _ inputs: Inputs, _ s: Saved, dy: TensorView, _ input: SequenceInput, _ pass: Pass, in group: Range<Int>,
    _ scratch: Scratch,
    into gradients: Gradients
  ) {
    let (n, m) = (inputs.x.rows, inputs.rows.rows)
    let (result, dcontext, dq, dkv) = (
      s.result.first(n), scratch.dcontext.first(n), scratch.dq.first(n), scratch.dkv.first(m)
    )
    out.backward(x: result.context, dy: dy, pass, in: group, into: dcontext)
    attentionBackward(
      QueryKeyValue(q: s.q.first(n), kv: s.kv.first(m)), result, dout: dcontext, heads: heads,
      mask: .bits(inputs.visible),
      dropout: pass.attentionDropout(rate: dropout, input, site: site), into: QueryKeyValue(q: dq, kv: dkv),
      scratch: scratch.kernel)
    q.backward(x: inputs.x, dy: dq, pass, in: group, into: gradients.addingTo, accumulate: true)
    kv.backward(x: inputs.rows, dy: dkv, pass, in: group, into: gradients.rows)
  }
}
