import Core
import Kernels
import Layers
import Models
import Tensors

/// A causal transformer that predicts several offsets: g(h, δ) for δ in 1…m, scored by a softmax over the vocabulary.
///
/// Offset 1 is always the model's own head, which is what is exported and what evaluation reads. Logits exist for
/// `VocabularyHead.sliceRows` rows of one offset at a time.
///
/// Legend: n rows of a micro-batch, m offsets, C width, V vocabulary.
public struct OffsetPrediction: Sendable {
  /// How the prediction is conditioned on the offset.
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

  /// - Parameter targetsPerRow: the most targets of a row at once: m, or 1 where offsets are sampled.
  public init(_ model: ModelConfiguration, offsets: Int, offsetConditioning: OffsetConditioning, targetsPerRow: Int) {
    (self.offsets, self.targetsPerRow) = (offsets, targetsPerRow)
    // With one offset there is nothing to condition on.
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
    adapter =
      self.offsetConditioning == .embedding
      ? OffsetAdapter(Self.adapterName, model, offsets: offsets, into: &layout) : nil
    transformer = Transformer(model, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  public static let adapterName = "offset"
  public static func headName(_ offset: Int) -> String { "offset.\(offset)" }
  /// The adapter's settings for a model.
  public static func adapterShape(_ model: ModelConfiguration) -> ModelConfiguration { OffsetAdapter.shape(model) }

  /// Required flops of a training step over a target that the adapter predicts, the head's not included.
  var adapterFlops: Double {
    guard offsetConditioning == .embedding else { return 0 }
    let shape = Self.adapterShape(transformer.configuration)
    return 6 * Double(shape.hiddenSize) * Double(shape.intermediateSize + FeedForward.upWidth(shape))
  }

  // MARK: - Memory

  final class Workspace: ObjectiveWorkspace {
    let transformer: Transformer.Workspace
    /// `embedding` and `none`: what the head reads, slot δ - 1 of a sample after the other, [samples · m · length, C],
    /// and its gradient.
    let slots: TensorView, slotGradients: TensorView
    let head: VocabularyHead.Saved?
    let adapter: OffsetAdapter.Saved?
    let gathered: TensorView

    init(_ p: OffsetPrediction, samples: Int, length: Int, _ arena: Arena) {
      let (c, rows) = (p.transformer.configuration, samples * length)
      transformer = Transformer.Workspace(p.transformer, samples: samples, length: length, arena)
      let shares = p.offsetConditioning != .heads
      slots = arena.matrix(shares ? p.offsets * rows : 0, c.hiddenSize)
      slotGradients = arena.matrix(shares ? p.offsets * rows : 0, c.hiddenSize)
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
  /// - Complexity: 6·V·C flops per target.
  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scale: Float, _ workspace: ObjectiveWorkspace
  ) -> Double {
    guard let w = workspace as? Workspace, let own = transformer.head, let saved = w.transformer.head else {
      preconditionFailure("prediction at offsets needs its own workspace and a vocabulary head")
    }
    let (input, targets, pass) = (example.inputs[0], example.targets[0], pass.trained())
    let hidden = transformer.forward(input, pass, w.transformer)
    let gradient = transformer.beginGradient(input, pass, w.transformer)
    let loss =
      offsetConditioning == .heads
      ? scoreByHeads(hidden, targets, own, scale, pass, gradient, saved)
      : scoreByOffset(hidden, targets, length: input.length, own, scale, pass, w, gradient)
    if pass.sink != nil { transformer.backward(input, pass, w.transformer) }
    return loss
  }

  /// Offsets beyond 1 by their own heads, then offset 1 by the model's.
  private func scoreByHeads(
    _ hidden: TensorView, _ targets: TermTargets, _ own: VocabularyHead, _ scale: Float, _ pass: Pass,
    _ gradient: TensorView?,
    _ saved: VocabularyHead.Saved
  ) -> Double {
    let all = heads.enumerated().map { ($0.offset + 2, $0.element) } + [(1, own)]
    return all.reduce(0) { total, item in
      total + item.1.loss(hidden, targets.at(item.0), scale: scale, pass, saved, gradient: gradient)
    }
  }

  /// All offsets by the model's head, which reads a slot for each.
  private func scoreByOffset(
    _ hidden: TensorView, _ targets: TermTargets, length: Int, _ own: VocabularyHead, _ scale: Float, _ pass: Pass,
    _ w: Workspace,
    _ gradient: TensorView?
  ) -> Double {
    guard let saved = w.head else { preconditionFailure("a shared head needs memory for all offsets") }
    let (slots, dslots) = (w.slots.first(offsets * hidden.rows), w.slotGradients.first(offsets * hidden.rows))
    func slot(_ row: Int, _ offset: Int) -> Int { (row / length * offsets + offset - 1) * length + row % length }
    let rows = zip(targets.rows, targets.offsets).map { slot($0, $1) }
    // Which targets an adapter predicts: those beyond offset 1.
    let far = adapter == nil ? [] : targets.rows.indices.filter { targets.offsets[$0] > 1 }
    let near = targets.rows.indices.filter { adapter == nil || targets.offsets[$0] == 1 }
    let (farRows, farOffsets) = (far.map { targets.rows[$0] }, far.map { targets.offsets[$0] })
    for index in near { slots.row(rows[index]).copy(from: hidden.row(targets.rows[index])) }
    if let adapter, let memory = w.adapter {
      let states = adapter.forward(hidden, rows: farRows, offsets: farOffsets, pass, memory)
      for (k, index) in far.enumerated() { slots.row(rows[index]).copy(from: states.row(k)) }
    }
    dslots.fill(0)
    let loss = own.loss(
      slots, .init(rows: rows, ids: targets.ids, weights: targets.weights), scale: scale, pass, saved, gradient: dslots)
    guard let sink = pass.sink, let gradient else { return loss }
    for index in near { addInPlace(gradient.row(targets.rows[index]), dslots.row(rows[index])) }
    if let adapter, let memory = w.adapter {
      let d = w.gathered.first(far.count)
      gatherRows(dslots, at: far.map { rows[$0] }, into: d)
      let dx = adapter.backward(d, offsets: farOffsets, pass, sink, memory)
      for (k, row) in farRows.enumerated() { addInPlace(gradient.row(row), dx.row(k)) }
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
  fileprivate func at(_ offset: Int) -> VocabularyHead.Targets {
    guard !offsets.isEmpty else { return offset == 1 ? tokens : .init(rows: [], ids: [], weights: []) }
    let mine = offsets.indices.filter { offsets[$0] == offset }
    return .init(rows: mine.map { rows[$0] }, ids: mine.map { ids[$0] }, weights: mine.map { weights[$0] })
  }
}
