import Core
import Kernels
import Layers
import Models
import Tensors

/// The agreement of the visible positions of two views with a moving average that sees the whole of the other view.
///
/// *Concretely:* with a_k = q(g(m_k)), m_k the mean of the encoder's outputs at the visible positions of view k, and
/// b_k = g'(mean of the teacher's outputs at all positions of view k), the loss of a sample is 1 - cos(a₁, b₂) + 1 -
/// cos(a₂, b₁). No gradient flows through b.
///
/// Reference: Grill et al., "Bootstrap your own latent", 2020, arXiv 2006.07733.
struct ViewAgreement: Sendable {
  /// Projector g and predictor q of the trained networks.
  struct Heads: Sendable {
    let predictor: ProjectionHead
    let projector: ProjectionHead

    /// Declares `predictor` and `projector`.
    init(_ model: ModelConfiguration, inner: Int, size: Int, into layout: inout ParameterLayout) {
      predictor = ProjectionHead("predictor", model, inputs: size, inner: inner, size: size, into: &layout)
      projector = ProjectionHead(
        "projector", model, inputs: model.hiddenSize, inner: inner, size: size, into: &layout)
    }
  }

  static let teacherName = "teacher"
  /// Dropout of the second view differs from that of the first and of the decoder.
  static let viewPass: UInt32 = 2

  let heads: Heads
  let encoder: Transformer
  private let teacher: Transformer
  private let teacherProjector: ProjectionHead

  /// - Parameter following: receives the teacher's parameters, whose names are those of the trained ones.
  init(_ heads: Heads, encoder: Transformer, inner: Int, size: Int, following: inout ParameterLayout) {
    let model = encoder.configuration
    (self.heads, self.encoder) = (heads, encoder)
    teacherProjector = ProjectionHead(
      "projector", model, inputs: model.hiddenSize, inner: inner, size: size, into: &following)
    teacher = Transformer(model, head: false, into: &following)
  }

  /// Memory of a worker.
  struct Workspace {
    let view: Transformer.Workspace, teacher: Transformer.Workspace
    let pooled: TensorView, whole: TensorView
    let projector: ProjectionHead.Saved, predictor: ProjectionHead.Saved, taught: ProjectionHead.Saved

    init(_ model: ViewAgreement, samples: Int, visible: Int, length: Int, _ arena: Arena) {
      let c = model.encoder.configuration
      view = Transformer.Workspace(model.encoder, samples: samples, length: c.leadingRows + visible, arena)
      teacher = Transformer.Workspace(
        model.teacher, samples: samples, length: c.leadingRows + length, forBackward: false, arena)
      (pooled, whole) = (arena.matrix(2 * samples, c.hiddenSize), arena.matrix(samples, c.hiddenSize))
      projector = ProjectionHead.Saved(model.heads.projector, rows: 2 * samples, arena)
      predictor = ProjectionHead.Saved(model.heads.predictor, rows: 2 * samples, arena)
      taught = ProjectionHead.Saved(model.teacherProjector, rows: samples, forBackward: false, arena)
    }
  }

  /// What the networks read of two views, and the first view's output.
  struct Views {
    var first: SequenceInput
    var second: SequenceInput
    /// Both views with nothing hidden.
    var whole: [SequenceInput]
    /// Samples with a term.
    var samples: [Int]
  }

  /// b₂ of the samples, then b₁.
  private func targets(_ views: Views, _ pass: Pass, _ w: Workspace) -> [Float] {
    views.whole.reversed().flatMap { input in
      let hidden = teacher.forward(input, pass, w.teacher)
      let means = w.whole.first(views.samples.count)
      pooling(input, views).forward(hidden, into: means)
      return teacherProjector.forward(means, pass, w.taught).array
    }
  }

  private func pooling(_ input: SequenceInput, _ views: Views) -> MeanPooling {
    MeanPooling(input, samples: views.samples, leading: encoder.configuration.leadingRows)
  }

  /// The loss sum, and with a sink all gradients but those that enter the first view's output, which `addFirst` adds.
  ///
  /// - Parameter encoded: the encoder's outputs of the first view.
  func lossAndGradient(
    _ views: Views, encoded: TensorView, _ pass: ObjectivePass, scale: Float, _ w: Workspace
  ) -> Double {
    let (n, trained) = (views.samples.count, pass.trained(Self.viewPass, term: 1))
    let targets = targets(views, pass.auxiliary(Self.teacherName), w)
    let second = encoder.forward(views.second, trained, w.view)
    let pooled = w.pooled.first(2 * n)
    pooling(views.first, views).forward(encoded, into: pooled.rows(0..<n))
    pooling(views.second, views).forward(second, into: pooled.rows(n..<2 * n))
    let projected = heads.projector.forward(pooled, trained, w.projector)
    let predicted = heads.predictor.forward(projected, trained, w.predictor)
    let loss = cosine(predicted, targets, views, pass, scale: scale)
    guard let gradient = encoder.beginGradient(views.second, trained, w.view) else { return loss }
    heads.predictor.backward(x: projected, dy: predicted, trained, w.predictor, into: projected)
    heads.projector.backward(x: pooled, dy: projected, trained, w.projector, into: pooled)
    pooling(views.second, views).addBackward(pooled.rows(n..<2 * n), to: gradient)
    encoder.backward(views.second, trained, w.view)
    return loss
  }

  /// Adds the gradient of the first view's means to that of the encoder's outputs.
  func addFirst(_ views: Views, to gradient: TensorView, _ w: Workspace) {
    pooling(views.first, views).addBackward(w.pooled.first(views.samples.count), to: gradient)
  }

  /// Both directions of a sample belong to it where losses of samples are recorded.
  private func cosine(
    _ predicted: TensorView, _ targets: [Float], _ views: Views, _ pass: ObjectivePass, scale: Float
  ) -> Double {
    let n = views.samples.count
    let numbers = RegressionTargets(values: targets, weights: [Float](repeating: 1, count: 2 * n))
    var rows = [Double](repeating: 0, count: 2 * n)
    let loss = rows.withUnsafeMutableBufferPointer {
      regressionLoss(
        .cosine, predicted, numbers, scale: scale, gradient: pass.sink != nil, rowLosses: $0.baseAddress)
    }
    guard let losses = pass.losses else { return loss }
    return losses.note(
      views.samples[...], of: views.first.sampleIDs.count, [Float](repeating: 1, count: n)[...], term: 1
    ) { noted in
      for i in 0..<n { noted?[i] = rows[i] + rows[n + i] }
      return loss
    }
  }
}
