import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// A toy with two terms that share an encoder and have different counts: the identity of masked tokens (cross-entropy),
/// and at every real position its distance from the start of its document (regression, λ = `distanceWeight`).
public struct ToyTwoTerms: ReferencedObjective {
  public struct Options: ObjectiveOptions {
    public static let sentences: [String: String] = [:]
    public var maskRatio = 0.3
    public var distanceWeight = 0.5

    public init() {}
  }

  public static let name = "toy-two-terms"
  public static let summary = "Masked tokens, and the distance from the start of the document."
  public static let paper = "none: a test of the shape"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .bidirectional() }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let terms: [LossTerm]
  private let distance: Linear
  private let distanceGroup: Range<Int>
  private let vocabulary: Vocabulary
  private let mask: Int32

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let vocabulary = data.vocabulary
    try requireOption("mask_ratio", options.maskRatio, in: 0.01...0.9)
    try requireOption("distance_weight", options.distanceWeight, in: 0...100)
    guard let mask = vocabulary.mask else {
      throw ConfigurationError("objective.name", "is toy-two-terms, but there is no [MASK].")
    }
    (self.options, self.vocabulary, self.mask) = (options, vocabulary, mask)
    terms = [LossTerm("tokens"), LossTerm("distance", weight: options.distanceWeight)]
    var layout = ParameterLayout()
    distance = Linear(
      "distance", inputs: model.hiddenSize, outputs: 1, bias: true, inputMajor: false, deviation: 0.02, into: &layout)
    distanceGroup = layout.group(from: 0)
    encoder = Transformer(model, into: &layout)
    networks = NetworkSet(trained: layout)
  }

  public func trivialLoss(term: Int) -> Double? {
    // Of a guess of zero nothing is known in advance for the distances.
    term == 0 ? SeededNumbers.naturalLogarithm(encoder.configuration.vocabSize) : nil
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var masked = MaskedBatch(clean.input(attentionMask: .bidirectional, documentMasking: true))
    var (real, distances) = ([Int](), [Float]())
    for sample in 0..<clean.count {
      let positions = ordinaryPositions(clean, sample, vocabulary)
      let hidden = randomSubset(
        positions, count: maskCount(options.maskRatio, of: positions.count), context.random(clean.sampleIDs[sample]))
      masked.hide(hidden, of: sample) { _, _ in mask }
      var (start, document) = (0, Int32(-1))
      for i in 0..<clean.length where clean.documentIDs[sample * clean.stride + i] >= 0 {
        if clean.documentIDs[sample * clean.stride + i] != document {
          (start, document) = (i, clean.documentIDs[sample * clean.stride + i])
        }
        real.append(sample * clean.length + i)
        distances.append(Float(i - start) / Float(clean.length))
      }
    }
    return TrainingExample(
      inputs: [masked.input], targets: [masked.targets(), TermTargets(rows: real, values: distances)])
  }

  private typealias Parts = (transformer: Transformer.Workspace, distances: TensorView, gradient: TensorView)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      Transformer.Workspace(encoder, samples: samples, length: length, arena), arena.matrix(samples * length, 1),
      arena.matrix(samples * length, encoder.configuration.hiddenSize)
    )
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let w = PartsWorkspace<Parts>.parts(of: workspace)
    let (input, tokens, trained) = (example.inputs[0], example.targets[0], pass.trained())
    guard let head = encoder.head, let saved = w.transformer.head else {
      preconditionFailure("the encoder must have a head")
    }
    let hidden = encoder.forward(input, trained, w.transformer)
    let (distances, other) = (w.distances.first(input.rows), w.gradient.first(input.rows))
    distance.forward(hidden, trained, into: distances)
    let distanceLoss = squaredError(distances, example.targets[1], scale: scales[1])
    let gradient = encoder.beginGradient(input, trained, w.transformer)
    let loss = head.loss(hidden, tokens.tokens, scale: scales[0], trained, saved, gradient: gradient)
    guard let sink = pass.sink, let gradient else { return [loss, distanceLoss] }
    distance.backward(x: hidden, dy: distances, trained, in: distanceGroup, into: other)
    sink.add(distanceGroup)
    addInPlace(gradient, other)
    encoder.backward(input, trained, w.transformer)
    return [loss, distanceLoss]
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (c, tokens) = (encoder.configuration, example.targets[0])
    let hidden = scope.hidden(example.inputs[0], c)
    let logits = scope.logits("head", hidden, rows: tokens.rows, c, tied: "embedding.token")
    return [
      scope.crossEntropy(logits, targets: tokens.ids, weights: tokens.weights),
      scope.squaredError(scope.linear("distance", hidden, inputMajor: false), example.targets[1]),
    ]
  }
}
