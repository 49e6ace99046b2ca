import Core
import Kernels
import Tensors

/// Multi-head self-attention with its projections: `y = Attention(x·W_qkv + b) · W_out + b_out`.
///
/// Shapes: x, y [n, C]; `qkv` [n, 3C]; `mixed` [n, C]; `statistics` [n·H, 2]. Saved for backward: x, qkv (rotated), mixed, statistics.
public struct SelfAttention: Sendable {
  public let qkv: Linear
  public let out: Linear
  public let heads: Int
  public let dropout: Float
  public let rotary: RotaryTable?

  public init(_ name: String, _ c: ModelConfiguration, inputMajor: Bool, rotary: RotaryTable?, into layout: inout ParameterLayout) {
    heads = c.numHeads
    dropout = c.attentionDropout
    self.rotary = rotary
    out = Linear(
      "\(name).out", inputs: c.hiddenSize, outputs: c.hiddenSize, bias: c.bias, inputMajor: inputMajor, deviation: c.residualDeviation,
      into: &layout)
    qkv = Linear(
      "\(name).qkv", inputs: c.hiddenSize, outputs: 3 * c.hiddenSize, bias: c.bias, inputMajor: inputMajor, deviation: c.initializerRange, into: &layout)
  }

  /// - Parameter cache: for generation: the rows are the next positions of one sequence, and attend to all earlier ones.
  public func forward(
    _ x: TensorView, _ input: SequenceInput, _ pass: Pass, site: UInt32, cache: KeyValueCache? = nil, qkv projected: TensorView,
    mixed: TensorView, statistics: TensorView, scratch: TensorView, into y: TensorView
  ) {
    qkv.forward(x, pass, into: projected)
    if let rotary { rotate(projected, heads: heads, positions: input.positionIDs, table: rotary) }
    if let cache {
      cachedAttention(qkv: projected, heads: heads, cache: cache, into: mixed, scratch: scratch)
    } else {
      attention(
        qkv: projected, heads: heads, ranges: input.ranges, dropout: pass.attentionDropout(rate: dropout, input, site: site),
        into: mixed, statistics: statistics, scratch: scratch)
    }
    out.forward(mixed, pass, into: y)
  }

  /// - Parameters:
  ///   - dmixed: scratch [n, C]; may not be `dy`.
  ///   - dqkv: scratch [n, 3C].
  public func backward(
    x: TensorView, qkv projected: TensorView, mixed: TensorView, statistics: TensorView, dy: TensorView, _ input: SequenceInput,
    _ pass: Pass, site: UInt32, in group: Range<Int>, dmixed: TensorView, dqkv: TensorView, scratch: TensorView, into dx: TensorView,
    accumulate: Bool
  ) {
    out.backward(x: mixed, dy: dy, pass, in: group, into: dmixed)
    attentionBackward(
      qkv: projected, out: mixed, dout: dmixed, heads: heads, ranges: input.ranges,
      dropout: pass.attentionDropout(rate: dropout, input, site: site), statistics: statistics, into: dqkv, scratch: scratch)
    if let rotary { rotate(dqkv, heads: heads, positions: input.positionIDs, table: rotary, inverse: true) }
    qkv.backward(x: x, dy: dqkv, pass, in: group, into: dx, accumulate: accumulate)
  }
}
