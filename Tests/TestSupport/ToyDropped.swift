import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// A toy that drops inputs: the encoder reads the visible rows of a continuous sample alone, at their own positions; a light
/// decoder reads its outputs with a learned vector in every other place, and regresses the hidden rows.
public struct ToyDropped: ReferencedObjective {
  public struct Options: ObjectiveOptions {
    public static let sentences: [String: String] = [:]
    /// Share of positions the encoder does not see.
    public var maskRatio = 0.5

    public init() {}
  }

  public static let name = "toy-dropped"
  public static let summary = "Regress hidden rows from visible ones with a light decoder."
  public static let paper = "none: a test of the shape"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .bidirectional() }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let terms = [LossTerm("rows")]
  private let decoder: Transformer
  private let output: Linear
  private let outputGroup: Range<Int>
  private let maskVector: Int

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    try requireOption("mask_ratio", options.maskRatio, in: 0.01...0.9)
    guard model.inputSize > 0 else { throw ConfigurationError("model.input_size", is: 0, rule: "toy-dropped needs continuous inputs.") }
    self.options = options
    var light = model
    (light.numLayers, light.inputSize) = (1, model.hiddenSize)
    var layout = ParameterLayout()
    output = Linear(
      "output", inputs: light.hiddenSize, outputs: model.inputSize, bias: true, inputMajor: false, deviation: 0.02, into: &layout)
    outputGroup = layout.group(from: 0)
    decoder = Transformer(light, prefix: "decoder.", head: false, into: &layout)
    maskVector = layout.append(ParameterSpec("mask_vector", [model.hiddenSize], decay: false, .normal(0.02)))
    encoder = Transformer(model, head: false, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  public static func checkModel() -> ModelConfiguration {
    ModelConfiguration(
      attentionMask: .bidirectional, vocabSize: 0, maxPosition: 11, hiddenSize: 6, numLayers: 2, numHeads: 3, intermediateSize: 7, tieWordEmbeddings: false, inputSize: 3)
  }

  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource {
    ToyValues(length: model.maxPosition, width: model.inputSize)
  }

  public static var overfitRate: Float { 0.2 }

  /// The loss of zeros is the mean square of the data: nothing that is known in advance.
  public func trivialLoss(term: Int) -> Double? { nil }

  private func keptCount(_ length: Int) -> Int { max(1, length - Int((options.maskRatio * Double(length)).rounded())) }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let (length, width, kept) = (clean.length, clean.valueSize, keptCount(clean.length))
    var (values, ids, rows, targets) = ([Float](), [Int32](), [Int](), [Float]())
    for sample in 0..<clean.count {
      let visible = Set(chosen(kept, of: Array(0..<length), context.random(clean.sampleIDs[sample])))
      for i in 0..<length {
        let row = clean.values[(sample * length + i) * width..<(sample * length + i + 1) * width]
        if visible.contains(i) {
          values += row
          ids.append(Int32(i))
        } else {
          rows.append(sample * length + i)
          targets += row
        }
      }
    }
    func everything(_ length: Int) -> AttentionRanges {
      AttentionRanges(
        samples: clean.count, length: length, documentIDs: [Int32](repeating: 0, count: clean.count * length), causal: false,
        documentMasking: false)
    }
    return TrainingExample(
      inputs: [
        SequenceInput(sampleIDs: clean.sampleIDs, length: kept, values: values, positionIDs: ids, ranges: everything(kept)),
        SequenceInput(sampleIDs: clean.sampleIDs, length: length, ranges: everything(length)),
      ],
      targets: [TermTargets(rows: rows, values: targets)])
  }

  /// Where the encoder's rows stand among the decoder's.
  private func places(_ example: TrainingExample) -> [Int] {
    let (kept, length) = (example.inputs[0].length, example.inputs[1].length)
    return example.inputs[0].positionIDs.enumerated().map { $0.offset / kept * length + Int($0.element) }
  }

  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let (length, seen) = (example.inputs[1].length, Set(places(example)))
    return (0..<example.inputs[1].rows).filter { !seen.contains($0) }.map { ($0 / length, $0 % length) }
  }

  private typealias Parts = (
    encoder: Transformer.Workspace, decoder: Transformer.Workspace, rows: TensorView, output: TensorView, maskGradient: TensorView
  )

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let c = encoder.configuration
    let parts: Parts = (
      Transformer.Workspace(encoder, samples: samples, length: keptCount(length), arena),
      Transformer.Workspace(decoder, samples: samples, length: length, arena), arena.matrix(samples * length, c.hiddenSize),
      arena.matrix(samples * length, c.inputSize), arena.matrix(1, c.hiddenSize)
    )
    return ToyWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let w = ToyWorkspace<Parts>.of(workspace)
    let (input, whole, places) = (example.inputs[0], example.inputs[1], places(example))
    // Two networks in one step: their dropout sites differ by the pass's index.
    let (below, above) = (pass.trained(0), pass.trained(1))
    let (rows, output) = (w.rows.first(whole.rows), w.output.first(whole.rows))
    let hidden = encoder.forward(input, below, w.encoder)
    broadcastRow(pass.parameters.trained.view(maskVector), into: rows)
    for (i, place) in places.enumerated() { rows.rows(place..<place + 1).copy(from: hidden.rows(i..<i + 1)) }
    let decoded = decoder.forward(whole, above, rows: rows, w.decoder)
    self.output.forward(decoded, above, into: output)
    let loss = squaredError(output, example.targets[0], scale: scales[0])
    guard let sink = pass.sink else { return [loss] }
    self.output.backward(x: decoded, dy: output, above, in: outputGroup, into: w.decoder.gradient.first(whole.rows))
    sink.add(outputGroup)
    decoder.backward(whole, above, w.decoder, drows: rows)
    backwardMaskVector(rows, places, sink, w.maskGradient)
    gatherRows(rows, at: places, into: w.encoder.gradient.first(input.rows))
    encoder.backward(input, below, w.encoder)
    return [loss]
  }

  /// The sum of the gradients at the hidden places.
  private func backwardMaskVector(_ drows: TensorView, _ places: [Int], _ sink: any GradientSink, _ gradient: TensorView) {
    gradient.fill(0)
    let seen = Set(places)
    for row in 0..<drows.rows where !seen.contains(row) { addInPlace(gradient, drows.rows(row..<row + 1)) }
    sink.addRows([0], gradient, of: maskVector)
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (input, whole) = (example.inputs[0], example.inputs[1])
    let hidden = scope.hidden(input, encoder.configuration)
    var source = [Int](repeating: input.rows, count: whole.rows)
    for (i, place) in places(example).enumerated() { source[place] = i }
    let rows = Value.stacked([hidden, scope.parameter("mask_vector")]).taking(rows: source)
    var above = scope
    above.siteOffset = 1 << 24
    let decoded = above.hidden(prefix: "decoder.", whole, decoder.configuration, rows: rows)
    return [above.squaredError(above.linear("output", decoded, inputMajor: false), example.targets[0])]
  }
}
