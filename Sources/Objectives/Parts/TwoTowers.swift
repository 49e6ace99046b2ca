import Core
import Kernels
import Layers
import Models
import Tensors

/// A generator that predicts each token from both sides without seeing it: two causal transformers, one over the sample
/// from left to right, one from right to left, whose neighbouring states stand side by side under one vocabulary head.
///
/// Shapes: states [n, 2H], row i holding the first tower's state at i - 1 and the second's at i + 1; zero where a
/// sample, its padding or, with attention inside documents, a document ends. The inputs are `inputs[1]` and `inputs[2]`
/// of an example.
struct TwoTowers: Sendable {
  let head: VocabularyHead
  let rightward: Transformer
  let leftward: Transformer
  var width: Int { rightward.configuration.hiddenSize }

  /// Everything above the embedding, in the order in which backward completes it.
  struct Trunk {
    let head: VocabularyHead
    let rightward: Transformer.Trunk
    let leftward: Transformer.Trunk

    init(_ shape: ModelConfiguration, prefix: String, into layout: inout ParameterLayout) {
      var causal = shape
      causal.attentionMask = .causal
      head = VocabularyHead("\(prefix)head", causal, inputs: 2 * causal.hiddenSize, into: &layout)
      rightward = Transformer.Trunk(causal, prefix: "\(prefix)rightward.", head: false, into: &layout)
      leftward = Transformer.Trunk(causal, prefix: "\(prefix)leftward.", head: false, into: &layout)
    }
  }

  init(_ trunk: Trunk, reading embedding: InputEmbedding, in layout: inout ParameterLayout) {
    rightward = Transformer(trunk.rightward, reading: embedding, in: &layout)
    leftward = Transformer(trunk.leftward, reading: embedding, in: &layout)
    head = trunk.head.tie(to: embedding.token, in: &layout)
  }

  /// The sample in its order, and turned around with its own position ids.
  static func inputs(_ clean: SampleBatch, documentMasking: Bool) -> [SequenceInput] {
    let rightward = clean.input(attentionMask: .causal, documentMasking: documentMasking)
    func turned<Element>(_ rows: [Element]) -> [Element] {
      (0..<clean.count).flatMap { rows[$0 * clean.length..<($0 + 1) * clean.length].reversed() }
    }
    let leftward = SequenceInput(
      sampleIDs: clean.sampleIDs, length: clean.length, tokens: turned(rightward.tokens),
      positionIDs: turned(rightward.positionIDs),
      ranges: AttentionRanges(
        samples: clean.count, length: clean.length, documentIDs: turned(clean.withoutLookahead(clean.documentIDs)),
        causal: true,
        documentMasking: documentMasking))
    return [rightward, leftward]
  }

  final class Workspace {
    let rightward: Transformer.Workspace
    let leftward: Transformer.Workspace
    let states: TensorView, gradient: TensorView
    let head: VocabularyHead.Saved

    init(_ towers: TwoTowers, samples: Int, length: Int, _ arena: Arena) {
      let c = towers.rightward.configuration
      rightward = Transformer.Workspace(towers.rightward, samples: samples, length: length, arena)
      leftward = Transformer.Workspace(towers.leftward, samples: samples, length: length, arena)
      states = arena.matrix(samples * length, 2 * c.hiddenSize)
      gradient = arena.matrix(samples * length, 2 * c.hiddenSize)
      head = VocabularyHead.Saved(towers.head, c, rows: samples * length, arena)
    }
  }

  /// The loss sum of the target tokens; backward where the pass has a sink. Takes passes 1 and 2.
  func loss(
    _ example: TrainingExample, _ targets: TermTargets, _ pass: ObjectivePass, scale: Float, _ w: Workspace,
    reader: @escaping VocabularyHead.LogitReader
  ) -> Double {
    let (first, second) = (example.inputs[1], example.inputs[2])
    let (right, left) = (pass.trained(1), pass.trained(2))
    let (a, b) = (rightward.forward(first, right, w.rightward), leftward.forward(second, left, w.leftward))
    let states = w.states.first(first.rows)
    states.fill(0)
    forEachNeighbour(first, second) { row, before, after in
      if let before { (states.base + row * 2 * width).update(from: a.base + before * width, count: width) }
      if let after { (states.base + row * 2 * width + width).update(from: b.base + after * width, count: width) }
    }
    let d = w.gradient.first(first.rows)
    d.fill(0)
    let loss = head.loss(states, targets.tokens, scale: scale, right, w.head, gradient: d, reader: reader)
    guard let da = rightward.beginGradient(first, right, w.rightward),
      let db = leftward.beginGradient(second, left, w.leftward)
    else { return loss }
    // Each state stands in one row of the pairs at most.
    forEachNeighbour(first, second) { row, before, after in
      if let before { (da.base + before * width).update(from: d.base + row * 2 * width, count: width) }
      if let after { (db.base + after * width).update(from: d.base + row * 2 * width + width, count: width) }
    }
    rightward.backward(first, right, w.rightward)
    leftward.backward(second, left, w.leftward)
    return loss
  }

  /// For each row of the sample, the rows of the two towers that have read everything before it, and everything after
  /// it.
  private func forEachNeighbour(_ first: SequenceInput, _ second: SequenceInput, _ body: (Int, Int?, Int?) -> Void) {
    let length = first.length
    for row in 0..<first.rows {
      let (start, i) = (row - row % length, row % length)
      let turned = start + length - 1 - i
      let hasBefore = Int(first.ranges.first[row]) < i
      let hasAfter = Int(second.ranges.first[turned]) < length - 1 - i
      body(row, hasBefore ? row - 1 : nil, hasAfter ? turned - 1 : nil)
    }
  }
}
