import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// A toy that compares samples: two views of each show different positions, and the view of a sample must be told from
/// those of the others in its micro-batch (InfoNCE). Its term is not additive over samples.
public struct ToyContrastive: ReferencedObjective {
  public struct Options: ObjectiveOptions {
    public static let sentences: [String: String] = [:]
    /// Share of positions a view shows.
    public var viewRatio = 0.6
    public var temperature = 0.2

    public init() {}
  }

  public static let name = "toy-contrastive"
  public static let summary = "Tell a second view of a sample from those of other samples."
  public static let paper = "none: a test of the shape"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values() }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let terms = [LossTerm("contrast", isAdditive: false)]
  private let projection: Linear
  private let projectionGroup: Range<Int>
  private static let size = 5

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    try requireOption("view_ratio", options.viewRatio, in: 0.1...1)
    try requireOption("temperature", options.temperature, in: 0.01...10)
    self.options = options
    // The mean is over positions alone.
    var model = model
    (model.leadingRows, model.learnedRows) = (0, 0)
    var layout = ParameterLayout()
    projection = Linear(
      "projection", inputs: model.hiddenSize, outputs: Self.size, bias: false, inputMajor: false, deviation: 0.2,
      into: &layout)
    projectionGroup = layout.group(from: 0)
    encoder = Transformer(model, head: false, into: &layout)
    networks = NetworkSet(trained: layout, passes: 2)
  }

  public static func checkModel() -> ModelConfiguration { ToyValues.model() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyValues.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyValues() }
  public static var overfitRate: Float { 0.2 }

  public func trivialLoss(term: Int) -> Double? { nil }

  private func visibleCount(_ length: Int) -> Int { max(1, Int((options.viewRatio * Double(length)).rounded())) }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let all = Array(0..<clean.length)
    let inputs = (0..<2).map { view -> SequenceInput in
      clean.patches(
        encoder.configuration,
        shown: clean.sampleIDs.map {
          chosen(visibleCount(clean.length), of: all, context.random($0, site: UInt32(view)))
        })
    }
    let real = (0..<clean.count).filter { clean.documentIDs[$0 * clean.length] >= 0 }
    return TrainingExample(inputs: inputs, targets: [TermTargets(rows: real.map { $0 * clean.length })])
  }

  /// Samples with a target.
  private func real(_ example: TrainingExample) -> [Int] {
    example.targets[0].rows.map { $0 / encoder.configuration.maxPosition }
  }

  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let (input, length) = (example.inputs[0], encoder.configuration.maxPosition)
    return input.sampleIDs.indices.flatMap { sample in
      let seen = Set(input.positionIDs[sample * input.length..<(sample + 1) * input.length].map(Int.init))
      return (0..<length).filter { !seen.contains($0) }.map { (sample, $0) }
    }
  }

  private struct View {
    let network: Transformer.Workspace
    let pooled: TensorView, projected: TensorView, normed: TensorView, norms: TensorView
  }

  private typealias Parts = (views: [View], scratch: ContrastiveScratch)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let views = (0..<2).map { _ in
      View(
        network: Transformer.Workspace(encoder, samples: samples, length: visibleCount(length), arena),
        pooled: arena.matrix(samples, encoder.configuration.hiddenSize), projected: arena.matrix(samples, Self.size),
        normed: arena.matrix(samples, Self.size), norms: arena.matrix(samples, 1))
    }
    let parts: Parts = (views, ContrastiveScratch(queries: samples, keys: samples, size: Self.size, arena))
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let (w, real) = (PartsWorkspace<Parts>.parts(of: workspace), real(example))
    guard !real.isEmpty || pass.sink != nil else { return [0] }
    for (i, view) in w.views.enumerated() { forward(example.inputs[i], real, pass.trained(UInt32(i)), view) }
    let (queries, keys) = (w.views[0].normed.first(real.count), w.views[1].normed.first(real.count))
    // The backward pass reads the directions that the loss replaces by their gradients.
    let directions = [queries.array, keys.array]
    let targets = ContrastiveTargets(positives: real.indices.map(Int32.init), weights: example.targets[0].weights)
    let loss = contrastiveLoss(
      queries: queries, keys: keys, targets, temperature: Float(options.temperature), scale: scales[0],
      scratch: w.scratch, gradient: pass.sink != nil)
    guard pass.sink != nil else { return [loss] }
    for (i, view) in w.views.enumerated() {
      backward(example.inputs[i], real, pass.trained(UInt32(i)), view, directions[i])
    }
    return [loss]
  }

  private func forward(_ input: SequenceInput, _ real: [Int], _ pass: Pass, _ view: View) {
    let hidden = encoder.forward(input, pass, view.network)
    let pooled = view.pooled.first(real.count)
    pooled.fill(0)
    for (i, sample) in real.enumerated() {
      for row in sample * input.length..<(sample + 1) * input.length {
        for j in 0..<hidden.columns { pooled[i, j] += hidden[row, j] / Float(input.length) }
      }
    }
    let projected = view.projected.first(real.count)
    projection.forward(pooled, pass, into: projected)
    normalizeRows(projected, into: view.normed.first(real.count), norms: view.norms)
  }

  private func backward(_ input: SequenceInput, _ real: [Int], _ pass: Pass, _ view: View, _ directions: [Float]) {
    let (gradient, projected, pooled) = (
      view.normed.first(real.count), view.projected.first(real.count), view.pooled.first(real.count)
    )
    projected.copy(from: directions)
    normalizeRowsBackward(y: projected, dy: gradient, norms: view.norms, into: gradient)
    projection.backward(x: pooled, dy: gradient, pass, in: projectionGroup, into: pooled)
    pass.gradients.add(projectionGroup)
    guard let hidden = encoder.beginGradient(input, pass, view.network) else { return }
    for (i, sample) in real.enumerated() {
      for row in sample * input.length..<(sample + 1) * input.length {
        for j in 0..<hidden.columns { hidden[row, j] = pooled[i, j] / Float(input.length) }
      }
    }
    encoder.backward(input, pass, view.network)
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let real = real(example)
    let views = (0..<2).map { i -> Value in
      var own = scope
      own.siteOffset = UInt32(i) << 24
      let (input, tape) = (example.inputs[i], scope.tape)
      var pooling = [Double](repeating: 0, count: real.count * input.rows)
      for (row, sample) in real.enumerated() {
        for k in 0..<input.length { pooling[row * input.rows + sample * input.length + k] = 1 / Double(input.length) }
      }
      let pooled = tape.leaf(real.count, input.rows, pooling).times(own.hidden(input, encoder.configuration))
      let projected = own.linear("projection", pooled, inputMajor: false)
      return projected / (projected * projected).rowSums().squareRoot()
    }
    let logits = views[0].times(views[1], transposed: true) * (1 / options.temperature)
    return [scope.crossEntropy(logits, targets: real.indices.map(Int32.init), weights: example.targets[0].weights)]
  }
}
