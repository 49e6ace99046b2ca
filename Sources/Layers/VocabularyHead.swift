import Core
import Kernels
import Tensors

/// The loss term of token prediction: projection to the vocabulary, softmax cross-entropy and both gradients.
///
/// *Concretely:* for each row with a loss weight, z = T(h)·Wᵀ (+ b) with T the identity or BERT's transform (dense,
/// activation, norm), loss = Σ wᵢ · CE(zᵢ, tᵢ). Logits are computed for these rows only, `sliceRows` rows at a time.
/// W [V, E] is the token embedding when tied; its width E is C except in models with narrower embeddings, which need a
/// transform.
public struct VocabularyHead: Sendable {
  public let weight: Int
  /// The head's own entries, all adjacent: bias, transform, norm, and the weight if untied.
  public let group: Range<Int>
  public let bias: Int?
  public let transform: Linear?
  public let norm: Norm?
  public let tied: Bool
  public let vocabulary: Int
  private let width: Int
  let biasGroup: Range<Int>
  private let transformGroup: Range<Int>
  private let activation: PointwiseActivation

  /// Declares the head's own parameters. A tied weight is declared later, by the embedding; `tie` then names it.
  /// - Parameter inputs: width of the hidden states where it is not the model's; needs a transform.
  public init(_ name: String, _ c: ModelConfiguration, inputs: Int? = nil, into layout: inout ParameterLayout) {
    let start = layout.entries.count
    width = inputs ?? c.hiddenSize
    precondition(
      c.headTransform || c.resolvedEmbeddingSize == width,
      "a head without a transform needs embeddings of the model's width")
    tied = c.tieWordEmbeddings
    vocabulary = c.vocabSize
    activation = c.activation == .geluTanh ? .geluTanh : .gelu
    bias = c.headTransform ? layout.append(ParameterSpec("\(name).bias", [c.vocabSize], decay: false, .zeros)) : nil
    biasGroup = layout.group(from: start)
    weight =
      tied
      ? -1
      : layout.append(
        ParameterSpec(
          "\(name).weight", [c.vocabSize, c.resolvedEmbeddingSize], decay: true, .normal(c.initializerRange)))
    let transformStart = layout.entries.count
    norm =
      c.headTransform
      ? Norm("\(name).norm", width: c.resolvedEmbeddingSize, kind: c.norm, epsilon: c.normEps, into: &layout) : nil
    transform =
      c.headTransform
      ? Linear(
        "\(name).transform", inputs: width, outputs: c.resolvedEmbeddingSize, bias: c.bias, inputMajor: false,
        deviation: c.initializerRange, into: &layout)
      : nil
    transformGroup = layout.group(from: transformStart)
    group = start..<layout.entries.count
  }

  private init(tying head: VocabularyHead, to token: Int) {
    (weight, group, bias, transform, norm) = (token, head.group, head.bias, head.transform, head.norm)
    (tied, vocabulary, width, biasGroup) = (head.tied, head.vocabulary, head.width, head.biasGroup)
    (transformGroup, activation) = (head.transformGroup, head.activation)
  }

  /// This head with the index of its weight: the embedding's entry when tied.
  public func tie(to token: Int?, in layout: inout ParameterLayout) -> VocabularyHead {
    guard tied else {
      layout.group(weight..<weight + 1)
      return self
    }
    guard let token else { preconditionFailure("a tied head needs a token embedding") }
    layout.group(token..<token + 1)
    return VocabularyHead(tying: self, to: token)
  }

  /// Rows of logits in memory at a time, about 32 MiB: the table is read and its gradient written once for each slice.
  /// They decide the order of sums, and depend on the vocabulary size alone.
  public var sliceRows: Int { max(16, min(512, (8 << 20) / max(vocabulary, 1) & ~15)) }

  public struct Saved {
    let gathered: TensorView, dense: TensorView, active: TensorView, normed: TensorView, statistics: TensorView
    let gradient: TensorView, logits: TensorView, biasSum: TensorView, biasSlice: TensorView

    public init(_ head: VocabularyHead, _ c: ModelConfiguration, rows: Int, _ arena: Arena) {
      let transformRows = c.headTransform ? rows : 0
      gathered = arena.matrix(rows, head.width)
      dense = arena.matrix(transformRows, c.resolvedEmbeddingSize)
      active = arena.matrix(transformRows, c.resolvedEmbeddingSize)
      normed = arena.matrix(transformRows, c.resolvedEmbeddingSize)
      statistics = arena.matrix(transformRows, 2)
      gradient = arena.matrix(rows, c.resolvedEmbeddingSize)
      logits = arena.matrix(min(head.sliceRows, rows), c.vocabSize)
      biasSum = arena.matrix(c.headTransform ? 1 : 0, c.vocabSize)
      biasSlice = arena.matrix(c.headTransform ? 1 : 0, c.vocabSize)
    }
  }

  /// The input of the projection: the gathered rows of hidden states, transformed if the head has a transform.
  func features(_ hidden: TensorView, _ rows: [Int], _ pass: Pass, _ s: Saved) -> TensorView {
    let m = rows.count
    let gathered = s.gathered.first(m)
    gatherRows(hidden, at: rows, into: gathered)
    guard let transform, let norm else { return gathered }
    transform.forward(gathered, pass, into: s.dense.first(m))
    activate(activation, s.dense.first(m), into: s.active.first(m), keepingSlope: pass.sink != nil)
    norm.forward(s.active.first(m), pass, into: s.normed.first(m), statistics: s.statistics)
    return s.normed.first(m)
  }

  /// Logits of the given rows, for generation and filling masks: at most `sliceRows` rows.
  public func logits(_ hidden: TensorView, rows: [Int], _ pass: Pass, _ s: Saved) -> TensorView {
    precondition(rows.count <= sliceRows, "logits of \(rows.count) rows at once; the head holds \(sliceRows)")
    let z = s.logits.first(rows.count)
    project(features(hidden, rows, pass, s), pass, into: z)
    return z
  }

  func project(_ features: TensorView, _ pass: Pass, into logits: TensorView) {
    if let bias { broadcastRow(pass.parameters.view(bias), into: logits) }
    gemm(features, pass.parameters.view(weight), transposeB: true, into: logits, beta: bias == nil ? 0 : 1)
  }

  /// Reads logits before the loss overwrites them: the indices of their rows among the target rows, and the logits.
  public typealias LogitReader = (Range<Int>, TensorView) -> Void

  /// Targets for m distinct rows of the hidden states.
  public struct Targets {
    public var rows: [Int]
    public var ids: [Int32]
    public var weights: [Float]

    public init(rows: [Int], ids: [Int32], weights: [Float]) {
      (self.rows, self.ids, self.weights) = (rows, ids, weights)
    }
  }

  /// The weighted loss sum. With a sink, scale · d(loss)/d(hidden) is added to `gradient`.
  ///
  /// - Parameters:
  ///   - hidden: [n, C]; not changed.
  ///   - scale: λ / (count over the whole batch).
  ///   - gradient: [n, C]; required where the pass has a sink.
  /// - Complexity: 6·m·V·C flops with a sink, else 2·m·V·C.
  public func loss(
    _ hidden: TensorView, _ targets: Targets, scale: Float = 0, _ pass: Pass, _ s: Saved, gradient: TensorView? = nil,
    reader: LogitReader? = nil
  ) -> Double {
    let x = features(hidden, targets.rows, pass, s)
    guard pass.sink != nil else { return evaluate(x, hidden, targets, pass, s, reader) }
    guard let gradient else { preconditionFailure("backward through a vocabulary head needs a place for the gradient") }
    let dx = s.gradient.first(targets.rows.count)
    let total = lossAndGradient(x, into: dx, hidden, targets, scale, pass, s, reader)
    addRows(backwardTransform(dx, pass, s), at: targets.rows, into: gradient)
    return total
  }

  private func evaluate(
    _ x: TensorView, _ hidden: TensorView, _ targets: Targets, _ pass: Pass, _ s: Saved, _ reader: LogitReader?
  ) -> Double {
    slices(targets.rows.count).reduce(0) { total, slice in
      let z = s.logits.first(slice.count)
      project(x.rows(slice), pass, into: z)
      reader?(slice, z)
      return total
        + pass.loss(targets.rows[slice], of: hidden.rows, targets.weights[slice]) {
          softmaxCrossEntropy(
            logits: z, targets: targets.ids[slice], weights: targets.weights[slice], scale: 0, gradient: false,
            rowLosses: $0)
        }
    }
  }

  /// Adds the gradients of projection and bias to the sink, and writes the gradient of the features to `dx`.
  private func lossAndGradient(
    _ x: TensorView, into dx: TensorView, _ hidden: TensorView, _ targets: Targets, _ scale: Float, _ pass: Pass,
    _ s: Saved,
    _ reader: LogitReader?
  ) -> Double {
    let weightGroup = weight..<weight + 1
    let (dw, w) = (pass.gradient(weight, in: weightGroup), pass.parameters.view(weight))
    var total = 0.0
    if targets.rows.isEmpty {
      dw.fill(0)
      s.biasSum.fill(0)
    }
    for slice in slices(targets.rows.count) {
      let z = s.logits.first(slice.count)
      project(x.rows(slice), pass, into: z)
      reader?(slice, z)
      total += pass.loss(targets.rows[slice], of: hidden.rows, targets.weights[slice]) {
        softmaxCrossEntropy(
          logits: z, targets: targets.ids[slice], weights: targets.weights[slice], scale: scale, rowLosses: $0)
      }
      let first = slice.lowerBound == 0
      gemm(z, w, into: dx.rows(slice))
      gemm(z, x.rows(slice), transposeA: true, into: dw, beta: first ? 0 : 1)
      if bias != nil {
        sumRows(z, into: first ? s.biasSum : s.biasSlice)
        if !first { addInPlace(s.biasSum, s.biasSlice) }
      }
    }
    pass.gradients.add(weightGroup)
    if let bias {
      pass.gradient(bias, in: biasGroup).copy(from: s.biasSum)
      pass.gradients.add(biasGroup)
    }
    return total
  }

  /// The gradient of the gathered rows from the gradient `d` of the features.
  func backwardTransform(_ d: TensorView, _ pass: Pass, _ s: Saved) -> TensorView {
    guard let transform, let norm else { return d }
    let m = d.rows
    norm.backward(x: s.active.first(m), dy: d, statistics: s.statistics, pass, in: transformGroup, into: d)
    multiply(d, by: s.dense.first(m))
    // The gathered rows are read for the weights' gradient first, and then overwritten by their own gradient.
    transform.backward(x: s.gathered.first(m), dy: d, pass, in: transformGroup, into: s.gathered.first(m))
    pass.gradients.add(transformGroup)
    return s.gathered.first(m)
  }

  func slices(_ rows: Int) -> [Range<Int>] {
    stride(from: 0, to: rows, by: sliceRows).map { $0..<min($0 + sliceRows, rows) }
  }
}
