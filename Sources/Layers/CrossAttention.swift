import Core
import Kernels
import Tensors

/// Multi-head attention of queries over the rows of another sequence, each query seeing its own set of them:
/// `y = Attention(x·W_q + b_q, r·W_kv + b_kv) · W_out + b_out`.
///
/// Shapes: x, y [n, C], rows r [m, C]; `q` [n, C]; `kv` [m, 2C], keys first; `mixed` [n, C]; `statistics` [n·H, 2].
/// Saved for backward: x, r, q, kv, mixed, statistics.
public struct CrossAttention: Sendable {
  public let q: Linear
  public let kv: Linear
  public let out: Linear
  public let heads: Int
  public let dropout: Float

  public init(_ name: String, _ c: ModelConfiguration, into layout: inout ParameterLayout) {
    heads = c.numHeads
    dropout = c.attentionDropout
    func linear(_ part: String, _ outputs: Int) -> Linear {
      Linear(
        "\(name).\(part)", inputs: c.hiddenSize, outputs: outputs, bias: c.bias, inputMajor: false, deviation: c.initializerRange, into: &layout)
    }
    out = linear("out", c.hiddenSize)
    q = linear("q", c.hiddenSize)
    kv = linear("kv", 2 * c.hiddenSize)
  }

  public func forward(
    _ x: TensorView, rows: TensorView, _ input: SequenceInput, visible: AttentionBitmask, _ pass: Pass, site: UInt32, q projected: TensorView,
    kv pairs: TensorView, mixed: TensorView, statistics: TensorView, scratch: TensorView, into y: TensorView
  ) {
    q.forward(x, pass, into: projected)
    kv.forward(rows, pass, into: pairs)
    maskedAttention(
      q: projected, kv: pairs, heads: heads, visible: visible, dropout: pass.attentionDropout(rate: dropout, input, site: site),
      into: mixed, statistics: statistics, scratch: scratch)
    out.forward(mixed, pass, into: y)
  }

  /// - Parameters:
  ///   - dmixed, dq: scratch [n, C]; neither may be `dy`.
  ///   - dkv: scratch [m, 2C].
  ///   - dx: receives the gradient of x, added.
  ///   - drows: receives the gradient of the rows.
  public func backward(
    x: TensorView, rows: TensorView, q projected: TensorView, kv pairs: TensorView, mixed: TensorView, statistics: TensorView,
    dy: TensorView, _ input: SequenceInput, visible: AttentionBitmask, _ pass: Pass, site: UInt32, in group: Range<Int>, dmixed: TensorView,
    dq: TensorView, dkv: TensorView, scratch: TensorView, addingTo dx: TensorView, into drows: TensorView
  ) {
    out.backward(x: mixed, dy: dy, pass, in: group, into: dmixed)
    maskedAttentionBackward(
      q: projected, kv: pairs, out: mixed, dout: dmixed, heads: heads, visible: visible,
      dropout: pass.attentionDropout(rate: dropout, input, site: site), statistics: statistics, into: dq, dkv: dkv, scratch: scratch)
    q.backward(x: x, dy: dq, pass, in: group, into: dx, accumulate: true)
    kv.backward(x: rows, dy: dkv, pass, in: group, into: drows)
  }
}
