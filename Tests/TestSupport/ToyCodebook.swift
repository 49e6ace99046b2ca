import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// A toy with a codebook: hidden rows are predicted as the number of the nearest code, and after each step every code
/// moves to the mean of the rows that it was nearest to in the whole batch.
public struct ToyCodebook: ReferencedObjective {
  public struct Options: ObjectiveOptions {
    public static let sentences: [String: String] = [:]
    /// Share of positions that are hidden.
    public var maskRatio = 0.4
    public var codes = 6
    /// Share of a code that stays after a step.
    public var decay = 0.9

    public init() {}
  }

  public static let name = "toy-codebook"
  public static let summary = "Predict the nearest code of hidden rows; codes are means of what they stand for."
  public static let paper = "none: a test of the shape"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let terms = [LossTerm("codes")]
  private let head: RegressionHead
  /// Indices of the codes [K, d], and of the sums [K, d + 1] with the number of rows last.
  private let codes: Int, sums: Int

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    try requireOption("mask_ratio", options.maskRatio, in: 0.01...0.9)
    try requireOption("codes", Double(options.codes), in: 2...1000)
    try requireOption("decay", options.decay, in: 0...1)
    self.options = options
    var layout = ParameterLayout()
    head = RegressionHead("output", model, size: options.codes, into: &layout)
    sums = layout.append(
      ParameterSpec("codes.sums", [options.codes, model.inputSize + 1], decay: false, .zeros, role: .statistic))
    codes = layout.append(
      ParameterSpec("codes", [options.codes, model.inputSize], decay: false, .normal(1), uses: 0, role: .state))
    encoder = Transformer(model, head: false, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  public static func checkModel() -> ModelConfiguration { ToyValues.model() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyValues.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyValues() }

  public func trivialLoss(term: Int) -> Double? { SeededNumbers.naturalLogarithm(options.codes) }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedBatch(clean.input(attentionMask: .bidirectional, documentMasking: false))
    for sample in 0..<clean.count where clean.documentIDs[sample * clean.length] >= 0 {
      let count = max(1, Int(options.maskRatio * Double(clean.length)))
      masked.hide(
        randomSubset(Array(0..<clean.length), count: count, context.random(clean.sampleIDs[sample])), of: sample,
        in: clean)
    }
    return masked.example()
  }

  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    example.targets[0].rows.map { ($0 / example.inputs[0].length, $0 % example.inputs[0].length) }
  }

  private typealias Parts = (network: Transformer.Workspace, head: RegressionHead.Saved, sums: TensorView)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      Transformer.Workspace(encoder, samples: samples, length: length, arena),
      RegressionHead.Saved(head, rows: samples * length, arena),
      arena.matrix(options.codes, encoder.configuration.inputSize + 1)
    )
    return PartsWorkspace(parts)
  }

  /// The code with the least squared distance; of equal ones the first.
  private func nearest(_ row: ArraySlice<Float>, _ codes: [Float]) -> Int32 {
    let d = row.count
    let distances = (0..<options.codes).map { code in
      row.enumerated().reduce(0.0) {
        $0 + (Double($1.element) - Double(codes[code * d + $1.offset]))
          * (Double($1.element) - Double(codes[code * d + $1.offset]))
      }
    }
    return Int32(distances.indices.min { distances[$0] < distances[$1] } ?? 0)
  }

  private func nearestCodes(_ targets: TermTargets, _ codes: [Float]) -> [Int32] {
    let d = encoder.configuration.inputSize
    return targets.rows.indices.map { nearest(targets.values[$0 * d..<($0 + 1) * d], codes) }
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, t, input, trained) = (
      PartsWorkspace<Parts>.parts(of: workspace), example.targets[0], example.inputs[0], pass.trained()
    )
    let ids = nearestCodes(t, pass.parameters.trained.view(codes).array)
    let hidden = encoder.forward(input, trained, w.network)
    let gradient = encoder.beginGradient(input, trained, w.network)
    let loss = head.loss(hidden, rows: t.rows, weights: t.weights, trained, w.head, gradient: gradient) {
      predicted, isTraining, rowLosses in
      softmaxCrossEntropy(
        logits: predicted, targets: ids[...], weights: t.weights[...], scale: scales[0], gradient: isTraining,
        rowLosses: rowLosses)
    }
    guard let sink = pass.sink else { return [loss] }
    count(t, ids, into: w.sums)
    sink.addRows((0..<options.codes).map(Int32.init), w.sums, of: sums)
    encoder.backward(input, trained, w.network)
    return [loss]
  }

  private func count(_ targets: TermTargets, _ ids: [Int32], into sums: TensorView) {
    sums.fill(0)
    let d = encoder.configuration.inputSize
    for (i, id) in ids.enumerated() {
      for j in 0..<d { sums[Int(id), j] += targets.weights[i] * targets.values[i * d + j] }
      sums[Int(id), d] += targets.weights[i]
    }
  }

  public func afterStep(_ parameters: ParameterStore, _ context: StepContext) {
    let (sums, codes, decay) = (parameters.view(sums), parameters.view(codes), Float(options.decay))
    let d = codes.columns
    for code in 0..<options.codes where sums[code, d] > 0 {
      for j in 0..<d { codes[code, j] = decay * codes[code, j] + (1 - decay) * sums[code, j] / sums[code, d] }
    }
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let t = example.targets[0]
    let ids = scope.holding("ids") { nearestCodes(t, scope.parameter("codes").data.map(Float.init)).map(Double.init) }
      .map { Int32($0) }
    let logits = scope.linear(
      "output", scope.hidden(example.inputs[0], encoder.configuration).taking(rows: t.rows), inputMajor: false)
    return [scope.crossEntropy(logits, targets: ids, weights: t.weights)]
  }
}
