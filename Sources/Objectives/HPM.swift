import Core
import Kernels
import Layers
import Models
import Tensors

/// `hpm`: hard patches mining. A masked autoencoder with a second decoder that predicts which patches are hard to
/// reconstruct; a moving average of it chooses a growing share of the patches that are hidden.
///
/// *Concretely:* of n hidden patches of a sample the teacher, which reads the whole sample, chooses the ⌊ρ_t · n⌋ with
/// the largest predicted difficulty, ties by position; the others are random. ρ_t = `hard_start` + t · (`hard_end` -
/// `hard_start`), t the share of the run that is done. L = L_rec + λ · L_rank: L_rec as in `mae`, divided by the number
/// of hidden patches; L_rank the mean over pairs of hidden patches of a sample of BCE(pᵢ - pⱼ, 1[ℓᵢ > ℓⱼ]), with p the
/// predicted difficulty and ℓ the reconstruction losses, through which no gradient flows. Evaluation hides random
/// patches, so that its loss can be compared from step to step and with `mae`.
///
/// Differences from the reference code, on purpose: the difficulty head has one output in place of the mean over many,
/// patches of equal loss have the label ½ in place of no loss, and a step is a share of the run in place of an epoch.
///
/// Reference: Wang et al., "Hard patches mining for masked image modeling", 2023, arXiv 2304.05919.
public struct HPM: ReconstructionObjective {
  /// What `hpm` has beyond `mae`.
  public struct MiningOptions: ObjectiveOptions {
    /// Share of the hidden patches that the teacher chooses at the start of the run …
    public var hardStart = 0.0
    /// … and at its end.
    public var hardEnd = 0.5
    /// λ.
    public var rankingWeight = 1.0
    /// μ of the teacher at the start of the run …
    public var momentumStart = 0.999
    /// … and at the end of its ramp …
    public var momentumEnd = 0.9999
    /// … which is this share of the run.
    public var momentumRamp = 0.5

    public static let sentences = [
      "hard_start": "Share of the hidden patches that the teacher chooses at the start of the run, 0 … 1.",
      "hard_end": "Share of the hidden patches that the teacher chooses at the end of the run, 0 … 1.",
      "ranking_weight": "Weight of the loss that ranks hidden patches by difficulty, 0 … 100.",
      "momentum_start": "Momentum of the teacher's moving average at the start of the run, 0 … 1.",
      "momentum_end": "Momentum of the teacher's moving average behind its ramp, 0 … 1.",
      "momentum_ramp": "Share of the run in which the momentum goes from its start to its end, 0 … 1.",
    ]

    public init() {}
  }

  /// Those of `mae` without its mask, and its own.
  public typealias Options = CombinedOptions<CombinedOptions<ReconstructionOptions, DecoderOptions>, MiningOptions>

  public static let name = "hpm"
  public static let summary = "A masked autoencoder whose teacher chooses patches to hide that are hard to reconstruct."
  public static let paper = "Wang et al. 2023, Hard patches mining for masked image modeling, arXiv 2304.05919"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values(followsProgress: true) }

  public let options: Options
  /// The masked autoencoder.
  public let reconstruction: PatchReconstruction
  public let networks: NetworkSet
  public let terms: [LossTerm]
  private let difficulty: DifficultyDecoder
  private let teacher: (encoder: Transformer, difficulty: DifficultyDecoder)
  private static let teacherName = "teacher"

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    try Self.check(options, data)
    try model.requireValid()
    self.options = options
    let light = try options.shared.own.shape(model)
    var layout = ParameterLayout()
    difficulty = DifficultyDecoder(model, decoder: light, into: &layout)
    reconstruction = try PatchReconstruction(
      options.shared.shared, options.shared.own, model: model, data: data, objective: Self.name, into: &layout)
    var following = ParameterLayout()
    let judge = DifficultyDecoder(model, decoder: light, into: &following)
    teacher = (Transformer(model, head: false, into: &following), judge)
    let momentum = Momentum.ramp(
      from: options.momentumStart, to: options.momentumEnd, share: options.momentumRamp)
    networks = NetworkSet(
      trained: layout, auxiliaries: [.init(Self.teacherName, following, .movingAverage(momentum))])
    terms = [LossTerm("reconstruction"), LossTerm("ranking", weight: options.rankingWeight)]
  }

  private static func check(_ options: Options, _ data: DataShape) throws(ConfigurationError) {
    var problems = OptionProblems()
    problems.require("hard_start", options.hardStart, in: 0...1)
    problems.require("hard_end", options.hardEnd, in: 0...1)
    problems.require("ranking_weight", options.rankingWeight, in: 0...100)
    problems.require("momentum_start", options.momentumStart, in: 0...1)
    problems.require("momentum_end", options.momentumEnd, in: 0...1)
    problems.require("momentum_ramp", options.momentumRamp, in: 0...1)
    let positions = try data.requireGrid(name).positions
    let ratio = options.maskRatio
    problems.require(
      !(0.01...0.99).contains(ratio) || positions - keptCount(ratio, of: positions) >= 2, "mask_ratio",
      "is \(ratio), which hides fewer of \(positions) positions than the two that must be compared.")
    try problems.throwIfAny()
  }

  /// BCE of a difference of 0 is ln 2 for any label.
  public func trivialLoss(term: Int) -> Double? { term == 1 ? 0.693_147_180_559_945_3 : nil }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let visible = (0..<clean.count).map {
      shownPositions(
        clean, $0, kept: reconstruction.kept, GridMask(.random), grid: reconstruction.grid,
        context.random(clean.sampleIDs[$0]))
    }
    var example = example(clean, visible: visible)
    let isTraining = context.purpose != .evaluation
    let share = isTraining ? options.hardStart + context.progress * (options.hardEnd - options.hardStart) : 0
    example.random = context.random(0)
    example.late = LateMask(
      clean, chosen: (0..<clean.count).map { Int(share * Double(hiddenCount(clean, $0, visible[$0])) + 1e-9) })
    return example
  }

  private func hiddenCount(_ clean: SampleBatch, _ sample: Int, _ visible: [Int]) -> Int {
    Set(clean.realPositions(sample)).subtracting(visible).count
  }

  /// Counts follow from the numbers of hidden positions alone, never from which they are.
  private func example(_ clean: SampleBatch, visible: [[Int]]) -> TrainingExample {
    var example = reconstruction.example(clean, visible: visible)
    let counts = (0..<clean.count).map { hiddenCount(clean, $0, visible[$0]) }
    let isHidden = visible.map(Set.init)
    let rows = example.targets[0].rows.filter { !isHidden[$0 / clean.length].contains($0 % clean.length) }
    let ranked = Dictionary(grouping: rows) { $0 / clean.length }.mapValues(\.count)
    if reconstruction.scope == .hidden { example.targets[0].count = Double(counts.reduce(0, +)) }
    example.targets.append(
      TermTargets(
        rows: rows, weights: rows.map { Float(ranked[$0 / clean.length, default: 1] - 1) / 2 },
        count: Double(counts.reduce(0) { $0 + $1 * ($1 - 1) / 2 })))
    return example
  }

  private typealias Parts = (
    reconstruction: PatchReconstruction.Workspace, difficulty: DifficultyDecoder.Workspace,
    teacher: Transformer.Workspace, judge: DifficultyDecoder.Workspace
  )

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      reconstruction.workspace(samples: samples, length: length, arena),
      DifficultyDecoder.Workspace(difficulty, samples: samples, visible: reconstruction.kept, length: length, arena),
      Transformer.Workspace(
        teacher.encoder, samples: samples, length: encoder.configuration.leadingRows + length, forBackward: false,
        arena),
      DifficultyDecoder.Workspace(teacher.difficulty, samples: samples, visible: nil, length: length, arena)
    )
    return PartsWorkspace(parts)
  }

  /// The teacher's choice: a function of its weights and of the samples, so it is the same on any rank.
  public func settled(_ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace)
    -> TrainingExample
  {
    var result = example
    result.late = nil
    guard let late = example.late, let random = example.random, late.chosen.contains(where: { $0 > 0 }) else {
      return result
    }
    let clean = late.clean
    let scores = scores(clean, pass.auxiliary(Self.teacherName), PartsWorkspace<Parts>.parts(of: workspace))
    let visible = (0..<clean.count).map { sample in
      let own = clean.realPositions(sample).map { scores[sample * clean.length + $0] }
      return shownPositions(
        clean, sample, kept: reconstruction.kept, HardestPositions(own, hardest: late.chosen[sample]),
        grid: reconstruction.grid, random.at(position: clean.sampleIDs[sample], site: 0))
    }
    let chosen = self.example(clean, visible: visible)
    (result.inputs, result.targets) = (chosen.inputs, chosen.targets)
    return result
  }

  /// The teacher's difficulty of every position [samples · length].
  private func scores(_ clean: SampleBatch, _ pass: Pass, _ w: Parts) -> [Float] {
    let all = [[Int]](repeating: Array(0..<clean.length), count: clean.count)
    let inputs = MaskedAutoencoder.inputs(clean, visible: all, encoder.configuration)
    let encoded = teacher.encoder.forward(inputs[0], pass, w.teacher)
    let whole = TrainingExample(inputs: inputs, targets: [])
    return teacher.difficulty.difficulty(
      inputs[1], encoded: encoded, rows: reconstruction.decoderRows(Array(0..<clean.count * clean.length), whole), pass,
      w.judge)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, example) = (PartsWorkspace<Parts>.parts(of: workspace), settled(example, pass, workspace))
    pass.drawn?.input = example.inputs[0]
    let (network, all, ranked) = (reconstruction.autoencoder, example.targets[0], example.targets[1])
    let (loss, rowLosses) = reconstruction.score(example, pass, scale: scales[0], w.reconstruction)
    let means = Dictionary(uniqueKeysWithValues: zip(all.rows, all.means(of: rowLosses)))
    let ranking = difficulty.lossAndGradient(
      example.inputs[1], encoded: network.encoded(example, w.reconstruction.networks),
      rows: reconstruction.decoderRows(ranked.rows, example), losses: ranked.rows.map { means[$0, default: 0] },
      weights: ranked.weights, pass, scale: scales[1], w.difficulty)
    network.backward(example, pass, w.reconstruction.networks) {
      addInPlace($0, w.difficulty.rows.first($0.rows))
    }
    return [loss, ranking]
  }

  /// The teacher's forward pass is a third of training at the same length.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    let (whole, light, model) = (example.inputs[1], difficulty.decoder.configuration, encoder.configuration)
    let student = reconstruction.trainingFlops(example) + light.trainingFlops(whole, logits: 0)
    guard let late = example.late, late.chosen.contains(where: { $0 > 0 }) else { return student }
    return student + (model.trainingFlops(whole, logits: 0) + light.trainingFlops(whole, logits: 0)) / 3
  }
}

extension TermTargets {
  /// The mean loss of each row over its measured numbers, from the weighted losses; 0 for a row without weight.
  func means(of rowLosses: [Double]) -> [Double] {
    let k = elementWeights.count / max(rows.count, 1)
    return rows.indices.map { row in
      let elements = elementWeights[row * k..<(row + 1) * k].reduce(0) { $0 + Double($1) }
      let weight = Double(weights[row]) * (k == 0 ? 1 : elements)
      return weight > 0 ? rowLosses[row] / weight : 0
    }
  }
}
