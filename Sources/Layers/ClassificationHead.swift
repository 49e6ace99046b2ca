import Core
import Kernels
import Tensors

/// Class scores from one vector per sample, in the form of the `transformers` classes for sequence classification.
///
/// *Concretely:* with x [n, C] and D dropout,
/// - `linear`: W·D(x) + b;
/// - `pooler`: W·D(tanh(V·x + c)) + b, as `BertForSequenceClassification` computes it from [CLS];
/// - `dense`: W·D(gelu(V·D(x) + c)) + b, as `ElectraForSequenceClassification` does;
/// - `score`: W·x, as `GPT2ForSequenceClassification` and `LlamaForSequenceClassification` do from the last token.
///
/// Shapes: W [classes, C], V [C, C]. V and c are named `<name>.dense`, W and b `<name>`.
public struct ClassificationHead: Sendable {
  public enum Kind: String, Codable, Sendable, CaseIterable {
    case linear, pooler, dense, score
  }

  private let kind: Kind
  private let output: Linear
  private let hidden: Linear?
  private let dropoutRate: Float
  private let group: Range<Int>

  /// Dropout sites different from those of the transformer.
  private static let (outputSite, inputSite): (UInt32, UInt32) = (8, 9)

  public init(_ name: String, _ kind: Kind, classes: Int, _ c: ModelConfiguration, into layout: inout ParameterLayout) {
    let (start, width, deviation) = (layout.entries.count, c.hiddenSize, c.initializerRange)
    self.kind = kind
    output = Linear(
      name, inputs: width, outputs: classes, bias: kind != .score, inputMajor: false, deviation: deviation,
      into: &layout)
    hidden =
      kind == .pooler || kind == .dense
      ? Linear(
        "\(name).dense", inputs: width, outputs: width, bias: true, inputMajor: false, deviation: deviation,
        into: &layout) : nil
    group = layout.group(from: start)
    dropoutRate = c.dropout
  }

  /// Activations for the backward pass, [samples, C] each.
  public struct Saved {
    let dense: TensorView, active: TensorView, scores: TensorView

    public init(_ c: ModelConfiguration, classes: Int, samples: Int, _ arena: Arena) {
      dense = arena.matrix(samples, c.hiddenSize)
      active = arena.matrix(samples, c.hiddenSize)
      scores = arena.matrix(samples, classes)
    }
  }

  private var activation: PointwiseActivation { kind == .pooler ? .tanh : .gelu }

  /// The scores [n, classes]. `x` is overwritten by D(x).
  public func forward(_ x: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved) -> TensorView {
    let (n, scores) = (x.rows, s.scores.first(x.rows))
    if kind == .linear { drop(x, input, pass, Self.outputSite) }
    if kind == .dense { drop(x, input, pass, Self.inputSite) }
    guard let hidden else {
      output.forward(x, pass, into: scores)
      return scores
    }
    hidden.forward(x, pass, into: s.dense.first(n))
    activate(activation, s.dense.first(n), into: s.active.first(n), keepingSlope: pass.sink != nil)
    drop(s.active.first(n), input, pass, Self.outputSite)
    output.forward(s.active.first(n), pass, into: scores)
    return scores
  }

  /// Adds the gradients of the head's parameters to the sink, and writes d(loss)/dx to `dx` [n, C].
  /// - Parameter dScores: d(loss)/d(scores), [n, classes].
  public func backward(
    x: TensorView, dScores: TensorView, _ input: SequenceInput, _ pass: Pass, _ s: Saved, into dx: TensorView
  ) {
    let n = x.rows
    guard let hidden else {
      output.backward(x: x, dy: dScores, pass, in: group, into: dx)
      pass.gradients.add(group)
      return kind == .linear ? drop(dx, input, pass, Self.outputSite) : ()
    }
    // Read for the weights' gradient first, then overwritten by its own gradient.
    let (dense, active) = (s.dense.first(n), s.active.first(n))
    output.backward(x: active, dy: dScores, pass, in: group, into: active)
    drop(active, input, pass, Self.outputSite)
    multiply(dense, by: active)
    hidden.backward(x: x, dy: dense, pass, in: group, into: dx)
    pass.gradients.add(group)
    if kind == .dense { drop(dx, input, pass, Self.inputSite) }
  }

  /// One row per sample.
  private func drop(_ x: TensorView, _ input: SequenceInput, _ pass: Pass, _ site: UInt32) {
    guard let random = pass.dropout else { return }
    dropout(x, rate: dropoutRate, rowsPerSample: 1, sampleIDs: input.sampleIDs, site: site &+ pass.siteOffset, random)
  }
}
