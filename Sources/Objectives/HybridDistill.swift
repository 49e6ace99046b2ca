import Core
import Kernels
import Layers
import Models
import Tensors

/// `hybrid-distill`: a student learns from two frozen teachers, the final features of one and the relations between
/// the tokens of the other, and reads only what is not redundant.
///
/// *Concretely:* the feature teacher reads the whole sample. The ρ_t·N positions whose final features have the largest
/// mean cosine with all others are hidden from the student, ρ_t = `mask_start` + t · (`mask_end` - `mask_start`), t the
/// share of the run that is done; ties are decided by a random order, and nothing is hidden for evaluation. At the
/// visible positions
/// - features: the mean smooth L1 loss of W·h + b against (f - mean f) / √(var f + 10⁻⁶), h and f the final states of
///   student and feature teacher;
/// - relations: the mean of KL(T‖S), T and S the softmax over the other visible positions of cos/τ of the states of
///   relation teacher and student after the middle block.
///
/// A sample with one visible position has no relations. Both teachers have the student's shape. Without a folder a
/// teacher has weights of the seed: a control.
///
/// **A composition of our own.** The paper distils relations of queries, keys and values of attention; its formulas
/// were not available. No claim about its results follows from this objective.
///
/// Reference: Shi et al., "Hybrid distillation: connecting masked autoencoders with contrastive learners", 2023, arXiv
/// 2306.15876.
public struct HybridDistill: Objective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// Folder of the teacher whose final features are learned.
    public var featureTeacher = ""
    /// Folder of the teacher whose relations are learned.
    public var relationTeacher = ""
    /// Weight of the relations.
    public var relationWeight = 1.0
    /// Share of the positions that is hidden at the start of the run …
    public var maskStart = 0.25
    /// … and at its end.
    public var maskEnd = 0.5
    /// τ.
    public var temperature = 0.1

    public static let sentences = [
      "feature_teacher":
        "Folder of the teacher whose final features are learned, of the student's shape; empty for random weights, a control.",
      "relation_teacher":
        "Folder of the teacher whose relations between tokens are learned; empty for random weights, a control.",
      "relation_weight": "Weight of the relations, 0 … 1000.",
      "mask_start": "Share of the positions that is hidden at the start of the run, 0 … 0.9.",
      "mask_end": "Share of the positions that is hidden at the end of the run, 0 … 0.9.",
      "temperature": "Temperature of the softmax of cosines, 0.05 … 10.",
    ]

    public init() {}
  }

  public static let name = "hybrid-distill"
  public static let summary =
    "Learn one frozen teacher's features and another's token relations: a composition of our own."
  public static let paper =
    "Shi et al. 2023, Hybrid distillation: connecting masked autoencoders with contrastive learners, arXiv 2306.15876"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values(followsProgress: true) }

  public let options: Options
  public let encoder: Transformer
  public let networks: NetworkSet
  public let terms: [LossTerm]
  let head: RegressionHead
  /// The networks of the two teachers have one shape.
  private let teacher: Transformer
  private let grid: [Int]
  static let (featureTeacher, relationTeacher) = ("feature_teacher", "relation_teacher")
  /// The block after which relations are compared.
  var middle: Int { (encoder.blocks.count - 1) / 2 }

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let shape = try data.requireGrid(Self.name)
    var problems = OptionProblems()
    problems.require("relation_weight", options.relationWeight, in: 0...1000)
    problems.require("mask_start", options.maskStart, in: 0...0.9)
    problems.require("mask_end", options.maskEnd, in: 0...0.9)
    problems.require("temperature", options.temperature, in: 0.05...10)
    let hidden = Int(max(options.maskStart, options.maskEnd) * Double(shape.positions) + 1e-9)
    problems.require(
      shape.positions - hidden >= 2, options.maskStart > options.maskEnd ? "mask_start" : "mask_end",
      "hides \(hidden) of \(shape.positions) positions; relations need two visible ones.")
    try problems.throwIfAny()
    try model.requireValid()
    (self.options, grid) = (options, shape.positionGrid)
    var (layout, frozen) = (ParameterLayout(), ParameterLayout())
    head = RegressionHead("output", model, size: model.hiddenSize, into: &layout)
    encoder = Transformer(model, head: false, into: &layout)
    teacher = Transformer(model, head: false, into: &frozen)
    func source(_ key: String, _ path: String) -> NetworkSet.Rule {
      .frozen(path.isEmpty ? nil : .init(path: path, configuration: model, key: "objective.\(key)"))
    }
    networks = NetworkSet(
      trained: layout,
      auxiliaries: [
        .init(Self.featureTeacher, frozen, source("feature_teacher", options.featureTeacher)),
        .init(Self.relationTeacher, frozen, source("relation_teacher", options.relationTeacher)),
      ])
    terms = [LossTerm("features"), LossTerm("relations", weight: options.relationWeight)]
  }

  /// Both losses depend on the teachers: nothing that is known in advance.
  public func trivialLoss(term: Int) -> Double? { nil }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let isTraining = context.purpose != .evaluation
    let share = isTraining ? options.maskStart + context.progress * (options.maskEnd - options.maskStart) : 0
    let hidden = Int(share * Double(clean.length) + 1e-9)
    // Before the teacher has chosen, all positions are equally redundant.
    let scores = [[Float]](repeating: [Float](repeating: 0, count: clean.length), count: clean.count)
    var example = example(clean, hiding: hidden, by: scores, context.random(0))
    example.random = context.random(0)
    if hidden > 0 { example.late = LateMask(clean, chosen: [Int](repeating: hidden, count: clean.count)) }
    return example
  }

  /// Samples of which the positions with the largest scores are hidden.
  private func example(
    _ clean: SampleBatch, hiding hidden: Int, by scores: [[Float]], _ random: CounterGenerator
  ) -> TrainingExample {
    let visible = (0..<clean.count).map { sample in
      let own = clean.realPositions(sample).map { scores[sample][$0] }
      return shownPositions(
        clean, sample, kept: clean.length - hidden, LargestScores(own), grid: grid,
        random.at(position: clean.sampleIDs[sample], site: 0))
    }
    let shown = (0..<clean.count).map { Set(clean.realPositions($0)).intersection(visible[$0]).sorted() }
    func targets(_ least: Int) -> TermTargets {
      TermTargets(
        rows: shown.enumerated().flatMap { sample, own in
          own.count < least ? [] : own.map { sample * clean.length + $0 }
        })
    }
    let model = encoder.configuration
    return TrainingExample(
      inputs: [clean.patches(model, shown: visible), clean.patches(model)], targets: [targets(1), targets(2)])
  }

  private typealias Parts = (
    student: Transformer.Workspace, teacher: Transformer.Workspace, head: RegressionHead.Saved,
    relations: TokenRelations.Workspace
  )

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let rows = encoder.configuration.leadingRows + length
    let parts: Parts = (
      Transformer.Workspace(encoder, samples: samples, length: rows, arena),
      Transformer.Workspace(teacher, samples: samples, length: rows, forBackward: false, taps: [middle], arena),
      RegressionHead.Saved(head, rows: samples * length, arena),
      TokenRelations.Workspace(
        rows: samples * rows, length: length, width: encoder.configuration.hiddenSize, arena)
    )
    return PartsWorkspace(parts)
  }

  public func settled(_ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace)
    -> TrainingExample
  {
    guard example.late != nil else { return example }
    let w = PartsWorkspace<Parts>.parts(of: workspace)
    return settled(
      example, by: teacher.forward(example.inputs[1], pass.auxiliary(Self.featureTeacher), w.teacher))
  }

  /// - Parameter features: the feature teacher's final states.
  private func settled(_ example: TrainingExample, by features: TensorView) -> TrainingExample {
    guard let late = example.late, let random = example.random else { return example }
    let (length, leading) = (example.inputs[1].length, encoder.configuration.leadingRows)
    let scores = (0..<late.clean.count).map { sample -> [Float] in
      let real = late.clean.realPositions(sample)
      var scores = [Float](repeating: 0, count: late.clean.length)
      let own = redundancy(features, rows: real.map { sample * length + leading + $0 })
      for (position, score) in zip(real, own) { scores[position] = score }
      return scores
    }
    var result = self.example(late.clean, hiding: late.chosen.first ?? 0, by: scores, random)
    result.samples = example.samples
    return result
  }

  /// The mean cosine of each row with all others.
  private func redundancy(_ features: TensorView, rows: [Int]) -> [Float] {
    let width = features.columns
    let unit = rows.map { row -> [Double] in
      let numbers = (0..<width).map { Double(features[row, $0]) }
      let norm = numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return norm > 0 ? numbers.map { $0 / norm } : numbers
    }
    let sum = (0..<width).map { j in unit.reduce(0) { $0 + $1[j] } }
    return unit.map { own in
      let all = zip(own, sum).reduce(0) { $0 + $1.0 * $1.1 }
      let itself = own.reduce(0) { $0 + $1 * $1 }
      return Float((all - itself) / Double(max(rows.count - 1, 1)))
    }
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, whole) = (PartsWorkspace<Parts>.parts(of: workspace), example.inputs[1])
    let features = teacher.forward(whole, pass.auxiliary(Self.featureTeacher), w.teacher)
    let settled = settled(example, by: features)
    let (input, targets) = (settled.inputs[0], settled.targets)
    pass.drawn?.input = input
    let values = targets[0].rows.flatMap { normalized(features, networkRow($0, whole)) }
    teacher.forward(whole, pass.auxiliary(Self.relationTeacher), w.teacher)
    let taught = teacher.tap(middle, whole, w.teacher)
    let trained = pass.trained()
    let hidden = encoder.forward(input, trained, w.student)
    let gradient = encoder.beginGradient(input, trained, w.student)
    let rows = studentRows(input)
    let featureLoss = head.loss(
      .smoothL1, hidden, rows: targets[0].rows.compactMap { rows[$0] },
      RegressionTargets(values: values, weights: targets[0].weights), scale: scales[0], trained, w.head,
      gradient: gradient)
    let positions = whole.length - encoder.configuration.leadingRows
    let groups = Dictionary(grouping: targets[1].rows) { $0 / positions }.sorted { $0.key < $1.key }.map { _, own in
      TokenRelations.Group(student: own.compactMap { rows[$0] }, teacher: own.map { networkRow($0, whole) })
    }
    let injected = gradient == nil ? nil : w.relations.begin(input.rows)
    let divergences = TokenRelations(temperature: Float(options.temperature)).divergences(
      encoder.tap(middle, input, w.student), from: taught, groups, scale: scales[1], injected, w.relations)
    let relationLoss = pass.sum(divergences, targets[1], positions: input.sampleIDs.count * positions, term: 1)
    if let injected { encoder.backward(input, trained, w.student, injected: [middle: injected]) }
    return [featureLoss, relationLoss]
  }

  /// The row of a network that reads all positions.
  private func networkRow(_ row: Int, _ whole: SequenceInput) -> Int {
    let leading = encoder.configuration.leadingRows
    let positions = whole.length - leading
    return row / positions * whole.length + leading + row % positions
  }

  /// The student's row of each row [samples · positions] that it reads.
  private func studentRows(_ input: SequenceInput) -> [Int: Int] {
    let (leading, positions) = (encoder.configuration.leadingRows, grid.reduce(1, *))
    var rows: [Int: Int] = [:]
    for row in 0..<input.rows where row % input.length >= leading {
      rows[row / input.length * positions + Int(input.positionIDs[row]) - leading] = row
    }
    return rows
  }

  /// A row with mean 0 and variance 1.
  private func normalized(_ features: TensorView, _ row: Int) -> [Float] {
    let (mean, deviation) = ValueTargets.statistics(features.rows(row..<row + 1).array[...], nil)
    return (0..<features.columns).map { Float((Double(features[row, $0]) - mean) / deviation) }
  }

  /// The student, a third of training at the whole length for each teacher, and the head.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    let (model, width) = (encoder.configuration, Double(encoder.configuration.hiddenSize))
    return model.trainingFlops(example.inputs[0], logits: 0) + 2 * model.trainingFlops(example.inputs[1], logits: 0) / 3
      + 6 * width * width * Double(example.targets[0].rows.count)
  }
}

/// Hides the positions with the largest scores; of equal ones those that come first in a random order.
private struct LargestScores: PositionMask {
  let scores: [Float]

  init(_ scores: [Float]) { self.scores = scores }

  func hidden(_ count: Int, of grid: [Int], _ random: CounterGenerator) -> [Int] {
    let order = scores.indices.sorted {
      (scores[$1], random.word($0), $0) < (scores[$0], random.word($1), $1)
    }
    return order.prefix(count).sorted()
  }
}
