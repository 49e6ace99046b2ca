import Core
import Kernels
import Layers
import Models
import Tensors

/// A causal transformer that answers for several offsets: g(h, δ) for δ in 1…m, scored by a softmax over the vocabulary.
///
/// Offset 1 is always the model's own head, which is what is exported and what evaluation reads. Logits exist for
/// `VocabularyHead.sliceRows` rows of one offset at a time.
///
/// Legend: n rows of a micro-batch, m offsets, C width, V vocabulary.
public struct OffsetPrediction: Sendable {
  /// How the answer learns which offset is asked for.
  public enum OffsetConditioning: String, Codable, Sendable, CaseIterable {
    /// A linear head of its own, [V, C], for every offset beyond 1.
    case heads
    /// The model's head behind MLP(norm(h + e_δ)): m - 1 vectors and one small layer.
    case embedding
    /// Not at all: the model's head predicts the mixture of the next m tokens.
    case none
  }

  public let transformer: Transformer
  public let networks: NetworkSet
  public let offsets: Int
  public let offsetConditioning: OffsetConditioning
  /// Of offsets 2…m, in this order.
  private let heads: [VocabularyHead]
  private let adapter: OffsetAdapter?
  private let targetsPerRow: Int

  /// - Parameter targetsPerRow: the most that a row is asked for at once: m, or 1 where offsets are sampled.
  public init(_ model: ModelConfiguration, offsets: Int, offsetConditioning: OffsetConditioning, targetsPerRow: Int) {
    (self.offsets, self.targetsPerRow) = (offsets, targetsPerRow)
    // With one offset there is nothing to tell.
    self.offsetConditioning = offsets == 1 ? .heads : offsetConditioning
    var layout = ParameterLayout()
    var plain = model
    (plain.tieWordEmbeddings, plain.headTransform) = (false, false)
    var heads: [VocabularyHead] = []
    if self.offsetConditioning == .heads, offsets > 1 {
      for offset in 2...offsets {
        heads.append(VocabularyHead(Self.headName(offset), plain, into: &layout).tie(to: nil, in: &layout))
      }
    }
    self.heads = heads
    adapter = self.offsetConditioning == .embedding ? OffsetAdapter(Self.adapterName, model, offsets: offsets, into: &layout) : nil
    transformer = Transformer(model, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  public static let adapterName = "offset"
  public static func headName(_ offset: Int) -> String { "offset.\(offset)" }
  /// The adapter's settings for a model.
  public static func adapterShape(_ model: ModelConfiguration) -> ModelConfiguration { OffsetAdapter.shape(model) }

  /// Required flops of a training step over a target that the adapter answers, the head's not included.
  var adapterFlops: Double {
    guard offsetConditioning == .embedding else { return 0 }
    let shape = Self.adapterShape(transformer.configuration)
    return 6 * Double(shape.hiddenSize) * Double(shape.intermediateSize + FeedForward.upWidth(shape))
  }

  // MARK: - Memory

  final class Workspace: ObjectiveWorkspace {
    let transformer: Transformer.Workspace
    /// `heads`: a copy of the states that a head turns into its gradient, and the sum of these gradients.
    let copy: TensorView, sum: TensorView
    /// `embedding` and `none`: what the head reads, slot δ - 1 of a sample after the other, [samples · m · length, C].
    let slots: TensorView
    let head: VocabularyHead.Saved?
    let adapter: OffsetAdapter.Saved?
    let gathered: TensorView

    init(_ p: OffsetPrediction, samples: Int, length: Int, _ arena: Arena) {
      let (c, rows) = (p.transformer.configuration, samples * length)
      transformer = Transformer.Workspace(p.transformer, samples: samples, length: length, arena)
      copy = arena.matrix(p.heads.isEmpty ? 0 : rows, c.hiddenSize)
      sum = arena.matrix(p.heads.isEmpty ? 0 : rows, c.hiddenSize)
      let shares = p.offsetConditioning != .heads
      slots = arena.matrix(shares ? p.offsets * rows : 0, c.hiddenSize)
      head = shares ? p.transformer.head.map { VocabularyHead.Saved($0, c, rows: p.targetsPerRow * rows, arena) } : nil
      let adapted = p.adapter == nil ? 0 : min(p.targetsPerRow, p.offsets - 1) * rows
      adapter = p.adapter.map { OffsetAdapter.Saved($0, rows: adapted, arena) }
      gathered = arena.matrix(adapted, c.hiddenSize)
    }
  }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    Workspace(self, samples: samples, length: length, arena)
  }

  // MARK: - Loss

  /// The loss sum of the example's single term; backward when the pass has a sink.
  /// - Complexity: 6·V·C flops a target.
  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scale: Float, _ workspace: ObjectiveWorkspace
  ) -> Double {
    guard let w = workspace as? Workspace, let own = transformer.head, let saved = w.transformer.head else {
      preconditionFailure("prediction at offsets needs its own workspace and a vocabulary head")
    }
    let (input, targets, pass) = (example.inputs[0], example.targets[0], pass.trained())
    let hidden = transformer.forward(input, pass, w.transformer)
    let loss: Double
    if offsetConditioning == .heads {
      loss = scoreByHeads(hidden, targets, own, scale, pass, w, saved)
    } else {
      guard let saved = w.head else { preconditionFailure("a shared head needs memory for all offsets") }
      loss = scoreBySlots(hidden, targets, length: input.length, own, scale, pass, w, saved)
    }
    if pass.sink != nil { transformer.backward(input, pass, w.transformer) }
    return loss
  }

  /// Offsets beyond 1 by their own heads, then offset 1 by the model's. `hidden` becomes its gradient.
  private func scoreByHeads(
    _ hidden: TensorView, _ targets: TermTargets, _ own: VocabularyHead, _ scale: Float, _ pass: Pass, _ w: Workspace,
    _ saved: VocabularyHead.Saved
  ) -> Double {
    let n = hidden.rows
    func score(_ head: VocabularyHead, _ states: TensorView, _ offset: Int) -> Double {
      let t = targets.at(offset)
      return pass.sink == nil
        ? head.loss(states, rows: t.rows, targets: t.ids, weights: t.weights, pass, saved)
        : head.lossAndGradient(states, rows: t.rows, targets: t.ids, weights: t.weights, scale: scale, pass, saved)
    }
    guard !heads.isEmpty else { return score(own, hidden, 1) }
    var total = 0.0
    w.sum.first(n).fill(0)
    for (index, head) in heads.enumerated() {
      let states = w.copy.first(n)
      states.copy(from: hidden)
      total += score(head, states, index + 2)
      if pass.sink != nil { addInPlace(w.sum.first(n), states) }
    }
    total += score(own, hidden, 1)
    if pass.sink != nil { addInPlace(hidden, w.sum.first(n)) }
    return total
  }

  /// All offsets by the model's head, which reads a slot for each. `hidden` becomes its gradient.
  private func scoreBySlots(
    _ hidden: TensorView, _ targets: TermTargets, length: Int, _ own: VocabularyHead, _ scale: Float, _ pass: Pass, _ w: Workspace,
    _ saved: VocabularyHead.Saved
  ) -> Double {
    let slots = w.slots.first(offsets * hidden.rows)
    func slot(_ row: Int, _ offset: Int) -> Int { (row / length * offsets + offset - 1) * length + row % length }
    let rows = zip(targets.rows, targets.offsets).map { slot($0, $1) }
    // Which targets an adapter answers: those beyond offset 1.
    let far = adapter == nil ? [] : targets.rows.indices.filter { targets.offsets[$0] > 1 }
    let (farRows, farOffsets) = (far.map { targets.rows[$0] }, far.map { targets.offsets[$0] })
    for (index, row) in targets.rows.enumerated() where adapter == nil || targets.offsets[index] == 1 {
      slots.row(rows[index]).copy(from: hidden.row(row))
    }
    if let adapter, let memory = w.adapter {
      let answers = adapter.forward(hidden, rows: farRows, offsets: farOffsets, pass, memory)
      for (k, index) in far.enumerated() { slots.row(rows[index]).copy(from: answers.row(k)) }
    }
    guard let sink = pass.sink else {
      return own.loss(slots, rows: rows, targets: targets.ids, weights: targets.weights, pass, saved)
    }
    let loss = own.lossAndGradient(slots, rows: rows, targets: targets.ids, weights: targets.weights, scale: scale, pass, saved)
    hidden.fill(0)
    for (index, row) in targets.rows.enumerated() where adapter == nil || targets.offsets[index] == 1 {
      addInPlace(hidden.row(row), slots.row(rows[index]))
    }
    if let adapter, let memory = w.adapter {
      let d = w.gathered.first(far.count)
      gatherRows(slots, at: far.map { rows[$0] }, into: d)
      let dx = adapter.backward(d, offsets: farOffsets, pass, sink, memory)
      for (k, row) in farRows.enumerated() { addInPlace(hidden.row(row), dx.row(k)) }
    }
    return loss
  }
}

extension TensorView {
  /// One row as a view.
  fileprivate func row(_ index: Int) -> TensorView { rows(index..<index + 1) }
}

extension TermTargets {
  /// The part at one offset, in order; everything where the targets have no offsets.
  fileprivate func at(_ offset: Int) -> (rows: [Int], ids: [Int32], weights: [Float]) {
    guard !offsets.isEmpty else { return offset == 1 ? (rows, ids, weights) : ([], [], []) }
    let mine = offsets.indices.filter { offsets[$0] == offset }
    return (mine.map { rows[$0] }, mine.map { ids[$0] }, mine.map { weights[$0] })
  }
}
