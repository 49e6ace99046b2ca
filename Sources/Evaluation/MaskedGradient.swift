import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// Adds up one backward pass in double precision: every parameter for itself, or all of them in the few dimensions of a
/// sketch.
///
/// Invariant: one thread uses it; `base` points into `arena`, which holds the layout's largest group.
final class DoubleGradientSink: GradientSink {
  private let layout: ParameterLayout
  private let sketch: SignSketch?
  private let arena: Arena
  private let base: UnsafeMutablePointer<Float>
  /// The gradient, laid out as the parameters, or its sketch.
  private(set) var sums: [Double]

  init(_ layout: ParameterLayout, sketch: SignSketch?) {
    (self.layout, self.sketch) = (layout, sketch)
    arena = Arena(floats: layout.largestGroup)
    base = arena.matrix(1, layout.largestGroup).base
    sums = [Double](repeating: 0, count: sketch?.dimensions ?? layout.count)
  }

  func clear() { for i in sums.indices { sums[i] = 0 } }

  func scratch(for group: Range<Int>) -> UnsafeMutablePointer<Float> {
    precondition(
      layout.floats(group).count <= layout.largestGroup, "the entries \(group) were never declared as a group")
    return base
  }

  func add(_ group: Range<Int>) {
    let start = layout.entries[group.lowerBound].offset
    for index in group {
      let entry = layout.entries[index]
      let gradient = TensorView(base: base + (entry.offset - start), rows: 1, columns: entry.count)
      add(gradient, at: entry.offset)
    }
  }

  func addRows(_ rows: [Int32], _ gradient: TensorView, of entry: Int) {
    let e = layout.entries[entry]
    precondition(
      gradient.rows == rows.count && gradient.columns == e.columns, "one gradient row of \(e.columns) per row")
    for (i, row) in rows.enumerated() { add(gradient.rows(i..<i + 1), at: e.offset + Int(row) * e.columns) }
  }

  private func add(_ gradient: TensorView, at offset: Int) {
    if let sketch {
      for i in 0..<gradient.count { sketch.add(Double(gradient[i]), at: offset + i, to: &sums) }
    } else {
      for i in 0..<gradient.count { sums[offset + i] += Double(gradient[i]) }
    }
  }
}

/// The gradient, in all parameters, of a masked network's mean loss over the hidden positions of one text. Dropout is
/// off.
struct MaskedGradient: Sendable {
  private let encoder: Transformer
  private let head: VocabularyHead
  private let parameters: ParameterStore
  private let tokens: MaskableTokens
  private let replacement: Replacement
  private let sketch: SignSketch?

  /// Elements of a gradient.
  var dimensions: Int { sketch?.dimensions ?? parameters.layout.count }

  /// - Returns: nil for a network without a vocabulary head.
  init?(_ model: MeasuredModel, _ tokens: MaskableTokens, _ replacement: Replacement, sketch: SignSketch?) {
    guard let head = model.encoder.head else { return nil }
    (encoder, self.head, parameters) = (model.encoder, head, model.parameters)
    (self.tokens, self.replacement, self.sketch) = (tokens, replacement, sketch)
  }

  /// Memory of one thread.
  final class Workspace {
    fileprivate let transformer: Transformer.Workspace
    fileprivate let sink: DoubleGradientSink
    private let arena: Arena

    fileprivate init(_ gradient: MaskedGradient) {
      let encoder = gradient.encoder
      (arena, transformer) = Arena.sized {
        Transformer.Workspace(encoder, samples: 1, length: encoder.configuration.maxPosition, $0)
      }
      sink = DoubleGradientSink(gradient.parameters.layout, sketch: gradient.sketch)
    }
  }

  func makeWorkspace() -> Workspace { Workspace(self) }

  /// - Parameters:
  ///   - hidden: positions of `text` that are predicted, in rising order.
  ///   - random: decides between [MASK], a random token and the token itself.
  func callAsFunction(_ text: [Int32], hiding hidden: [Int], _ random: CounterGenerator, _ workspace: Workspace)
    -> [Double]
  {
    guard let saved = workspace.transformer.head else {
      preconditionFailure("a masked gradient needs a vocabulary head")
    }
    var shown = text
    for i in hidden { shown[i] = replacement(text[i], at: i, tokens, random) }
    let ranges = AttentionRanges(
      samples: 1, length: text.count, documentIDs: [Int32](repeating: 0, count: text.count), causal: false,
      documentMasking: false)
    let input = SequenceInput(sampleIDs: [0], length: text.count, tokens: shown, ranges: ranges)
    workspace.sink.clear()
    let pass = Pass(parameters, sink: workspace.sink)
    let states = encoder.forward(input, pass, workspace.transformer)
    let targets = VocabularyHead.Targets(
      rows: hidden, ids: hidden.map { text[$0] }, weights: [Float](repeating: 1, count: hidden.count))
    _ = head.loss(
      states, targets, scale: 1 / Float(hidden.count), pass, saved,
      gradient: encoder.beginGradient(input, pass, workspace.transformer))
    encoder.backward(input, pass, workspace.transformer)
    return workspace.sink.sums
  }
}
