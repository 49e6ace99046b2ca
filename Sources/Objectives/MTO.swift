import Core
import Kernels
import Layers
import Models
import Tensors

/// `mto`: `simmim` with losses on the states at hidden patches, which should not resemble single visible patches early
/// in the network, should resemble few of them late, and should be alike.
///
/// *Concretely:* let hᵢ be the state at hidden patch i after a block, and eᵢ = H(softmaxⱼ cos(hᵢ, vⱼ)/τ) / ln V the
/// entropy of its similarities to the V visible patches of its sample, between 0 and 1. Beside L of `simmim`, each a
/// mean over hidden patches: `early` 1 - eᵢ after the first block, `late` eᵢ after the last block, and `consistency`,
/// the mean square of hᵢ - h̄ over its numbers after the first block, h̄ the mean of the sample's hidden patches. A
/// sample with fewer than two visible patches has none of the three.
///
/// **This is an approximation of our own.** The paper states the properties and names three losses; its formulas were
/// not available. No claim about its results follows from this objective.
///
/// Reference: Choi et al., "Emerging property of masked token for effective pre-training", 2024, arXiv 2404.08330.
public struct MTO: ValueObjective {
  /// What `mto` has beyond `simmim`.
  public struct TokenOptions: ObjectiveOptions {
    /// Weight of the term after the first block.
    public var earlyWeight = 0.1
    /// Weight of the term after the last block.
    public var lateWeight = 0.1
    /// Weight of the mean square.
    public var consistencyWeight = 0.01
    /// τ.
    public var temperature = 0.1

    public static let sentences = [
      "early_weight": "Weight of the flatness of similarities to visible patches after the first block, 0 … 100.",
      "late_weight": "Weight of their entropy after the last block, 0 … 100.",
      "consistency_weight": "Weight of the mean square deviation of hidden patches after the first block, 0 … 100.",
      "temperature": "Temperature of the softmax of cosines, 0.05 … 10.",
    ]

    public init() {}
  }

  /// Those of `simmim`, and its own.
  public typealias Options = CombinedOptions<SimMIM.Options, TokenOptions>

  public static let name = "mto"
  public static let summary = "SimMIM with losses on the states at hidden patches: an approximation of our own."
  public static let paper =
    "Choi et al. 2024, Emerging property of masked token for effective pre-training, arXiv 2404.08330"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  /// Masks and the network.
  private let base: SimMIM
  public let terms: [LossTerm]
  public var prediction: ValuePrediction { base.prediction }
  private let similarity: HiddenStateSimilarity

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    var problems = OptionProblems()
    problems.require("early_weight", options.earlyWeight, in: 0...100)
    problems.require("late_weight", options.lateWeight, in: 0...100)
    problems.require("consistency_weight", options.consistencyWeight, in: 0...100)
    problems.require("temperature", options.temperature, in: 0.05...10)
    try problems.throwIfAny()
    self.options = options
    base = try SimMIM(options.shared, model: model, data: data)
    let visible = base.visiblePositions
    guard visible >= 2 else {
      throw ConfigurationError(
        "objective.mask_ratio",
        "is \(options.maskRatio), which leaves \(visible) visible; \(Self.name) compares with two at least.")
    }
    similarity = HiddenStateSimilarity(temperature: Float(options.temperature))
    terms = [
      LossTerm("loss"), LossTerm("early", weight: options.earlyWeight), LossTerm("late", weight: options.lateWeight),
      LossTerm("consistency", weight: options.consistencyWeight),
    ]
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var example = base.corrupt(clean, context)
    let (input, leading) = (example.inputs[0], encoder.configuration.leadingRows)
    let rows = (0..<clean.count).flatMap { sample -> [Int] in
      let (hidden, visible) = networkRows(sample, input)
      return visible.count < 2 ? [] : hidden.map { sample * clean.length + $0 % input.length - leading }
    }
    example.targets += [TermTargets](repeating: TermTargets(rows: rows), count: 3)
    return example
  }

  /// The network's rows of a sample: those with the vector of hidden patches, and the visible ones that are no padding.
  private func networkRows(_ sample: Int, _ input: SequenceInput) -> HiddenStateSimilarity.Group {
    let (leading, start) = (encoder.configuration.leadingRows, sample * input.length)
    let real = Array(start + leading..<start + max(leading, Int(input.ranges.end[start + leading])))
    let isHidden = { input.learned.isEmpty ? false : Int(input.learned[$0]) == leading }
    return (real.filter(isHidden), real.filter { !isHidden($0) })
  }

  private typealias Parts = (prediction: ValuePrediction.Workspace, similarity: HiddenStateSimilarity.Workspace)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      prediction.workspace(samples: samples, length: length, arena),
      HiddenStateSimilarity.Workspace(
        rows: samples * (length + encoder.configuration.leadingRows), length: length,
        width: encoder.configuration.hiddenSize, arena)
    )
    return PartsWorkspace(parts)
  }

  public func predictions(_ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace)
    -> ValuePredictions?
  {
    prediction.predictions(example, pass, PartsWorkspace<Parts>.parts(of: workspace).prediction)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, input, trained) = (PartsWorkspace<Parts>.parts(of: workspace), example.inputs[0], pass.trained())
    let (targets, last) = (example.targets, encoder.blocks.count - 1)
    let hidden = encoder.forward(input, trained, w.prediction.network)
    let gradient = encoder.beginGradient(input, trained, w.prediction.network)
    let loss = prediction.heads[0].loss(
      prediction.loss, hidden, rows: prediction.networkRows(targets[0].rows, example), targets[0].numbers,
      scale: scales[0], trained, w.prediction.head, gradient: gradient)
    let groups = (0..<input.sampleIDs.count).map { networkRows($0, input) }.filter { $0.visible.count >= 2 }
    let positions = input.sampleIDs.count * (input.length - encoder.configuration.leadingRows)
    // With one block the first is the last, and both gradients enter there.
    let first = w.similarity.begin(input.rows, isTraining: gradient != nil)
    let top = last == 0 ? first : w.similarity.beginLast(input.rows, isTraining: gradient != nil)
    let states = (encoder.tap(0, input, w.prediction.network), encoder.tap(last, input, w.prediction.network))
    let sums = [
      similarity.entropies(states.0, groups, isFlat: true, scale: scales[1], first, w.similarity),
      similarity.entropies(states.1, groups, isFlat: false, scale: scales[2], top, w.similarity),
      similarity.deviations(states.0, groups, scale: scales[3], first),
    ].enumerated().map { index, losses in
      pass.sum(losses, targets[index + 1], positions: positions, term: index + 1)
    }
    if let first, let top {
      encoder.backward(
        input, trained, w.prediction.network, injected: last == 0 ? [0: first] : [0: first, last: top])
    }
    return [loss] + sums
  }

  /// All rows of the last block are computed; the terms of states are left out.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    encoder.configuration.trainingFlops(example.inputs[0], logits: 0)
      + 6 * Double(encoder.configuration.hiddenSize * prediction.heads[0].size * example.targets[0].rows.count)
  }
}
