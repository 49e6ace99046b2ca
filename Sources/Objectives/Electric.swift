import Core
import Glibc
import Kernels
import Layers
import Models
import Tensors

/// `electric`: noise-contrastive estimation of an unnormalised cloze model: how likely is each token given all others?
///
/// *Concretely:* the generator is two causal towers, one left to right, one right to left. Position i is predicted from the
/// state of the first at i - 1 and that of the second at i + 1, side by side, so that its own token is never seen; it reads the
/// sample as it is and predicts every eligible token (term 1: Σ CE / eligible positions). Of those, max(1, round(maskRatio · n))
/// are drawn without replacement and filled with x̂ ~ softmax(z / temperature), without a gradient. The main network reads that.
/// With s its logit, s + ln q(token) + ln(p / (1 - p)), q = softmax(z) and p = maskRatio, is the logit of "this token is noise", and
/// 1 the label of every drawn position, a lucky guess included (term 2: Σ BCE / eligible positions): at the optimum -s is
/// ln p̂(token | the others) up to a constant. No gradient passes through q.
///
/// Differences from the reference code, on purpose: positions are drawn without replacement; special ids are never proposed; the
/// second term counts eligible positions only, for no noise can stand anywhere else; at the ends of a sample or document the
/// missing state is zero.
///
/// Reference: Clark et al., "Pre-training transformers as energy-based cloze models", 2020, arXiv 2012.08561.
public struct Electric: Objective {
  public struct Options: GeneratorOptions {
    /// Share of eligible positions that are drawn, and p.
    public var maskRatio = 0.15
    /// Width, heads and feed-forward size of each tower as a share of the main model's.
    public var generatorFraction = 0.25
    /// The same sizes, and the number of layers, by themselves; 0 for the share, and for as many layers.
    public var generatorHiddenSize = 0
    public var generatorNumHeads = 0
    public var generatorIntermediateSize = 0
    public var generatorNumLayers = 0
    /// Of the generator's softmax when it proposes.
    public var temperature = 1.0
    /// λ of the generator's term …
    public var generatorWeight = 1.0
    /// … and of the discriminator's.
    public var discriminatorWeight = 50.0
    /// Attention stays inside documents.
    public var documentMasking = false

    public static let sentences = [
      "mask_ratio": "Share of ordinary tokens that are drawn, 0.01 … 0.9.",
      "generator_fraction": "Width, heads and feed-forward size of the generator as a share of the main model's, 0.01 … 1.",
      "generator_hidden_size": "Width of the generator; 0 for the share.",
      "generator_num_heads": "Heads of the generator; 0 for the share.",
      "generator_intermediate_size": "Feed-forward size of the generator; 0 for the share.",
      "generator_num_layers": "Layers of the generator, 0 … 1000; 0 for as many as the main model has.",
      "temperature": "Of the generator's softmax when it proposes, 0.01 … 100.",
      "generator_weight": "Weight of the generator's loss, 0 … 10000.",
      "discriminator_weight": "Weight of the discriminator's loss, 0 … 10000.",
      "document_masking": "Attention stays inside documents.",
    ]

    public init() {}
  }

  public static let name = "electric"
  public static let summary = "Energy-based cloze model: noise-contrastive estimation against a two-tower generator."
  public static let paper = "Clark et al. 2020, Pre-training transformers as energy-based cloze models, arXiv 2012.08561"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .bidirectional(head: .replaced) }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let terms: [LossTerm]
  public let generatorShape: ModelConfiguration
  let generator: TwoTowers
  private let tokens: MaskableTokens

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    let shape = try options.generatorShape(model, more: [])
    generatorShape = shape
    tokens = try MaskableTokens(data.vocabulary, objective: Self.name)
    self.options = options
    terms = [LossTerm("generator", weight: options.generatorWeight), LossTerm("discriminator", weight: options.discriminatorWeight)]
    var layout = ParameterLayout()
    let below = TwoTowers.Trunk(shape, prefix: "generator.", into: &layout)
    let above = Transformer.Trunk(model.discriminator, into: &layout)
    let embedding = InputEmbedding("embedding", model.discriminator, readers: 3, tiedHeads: 1, into: &layout)
    generator = TwoTowers(below, reading: embedding, in: &layout)
    encoder = Transformer(above, reading: embedding, in: &layout)
    networks = NetworkSet(trained: layout)
  }

  public func trivialLoss(term: Int) -> Double? { term == 0 ? naturalLogarithm(ofCount: encoder.configuration.vocabSize) : nil }

  /// `inputs[0]` shows the drawn positions as [MASK], which the main network never reads: a proposed token takes their place.
  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var input = clean.input(attentionMask: .bidirectional, documentMasking: options.documentMasking)
    let original = input.tokens
    var (rows, labels) = ([Int](), [Float]())
    for sample in 0..<clean.count {
      let (start, eligible) = (sample * clean.length, tokens.eligible(clean, sample))
      let count = max(1, Int((options.maskRatio * Double(eligible.count)).rounded()))
      let drawn = Set(randomSubset(eligible, count: count, context.random(clean.sampleIDs[sample])))
      for i in drawn { input.tokens[start + i] = tokens.mask }
      rows += eligible.map { start + $0 }
      labels += eligible.map { drawn.contains($0) ? 1 : 0 }
    }
    return TrainingExample(
      inputs: [input] + TwoTowers.inputs(clean, documentMasking: options.documentMasking),
      targets: [TermTargets(rows: rows, ids: rows.map { original[$0] }), TermTargets(rows: rows, values: labels)],
      random: context.random(0))
  }

  /// Two causal towers, the head over both at every candidate, and the main network.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    let tower = generator.rightward.configuration
    return 2 * tower.trainingFlops(example.inputs[1], logits: 0)
      + 6 * Double(tower.resolvedEmbeddingSize * (tower.vocabSize + 2 * generator.width)) * Double(example.targets[0].rows.count)
      + encoder.configuration.trainingFlops(example.inputs[0], logits: example.targets[1].rows.count)
  }

  final class Workspace: ObjectiveWorkspace {
    let generator: TwoTowers.Workspace
    let encoder: Transformer.Workspace

    init(_ objective: Electric, samples: Int, length: Int, _ arena: Arena) {
      generator = TwoTowers.Workspace(objective.generator, samples: samples, length: length, arena)
      encoder = Transformer.Workspace(objective.encoder, samples: samples, length: length, arena)
    }
  }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    Workspace(self, samples: samples, length: length, arena)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    guard let w = workspace as? Workspace, let replaced = encoder.replacedHead, let saved = w.encoder.replacedHead else {
      preconditionFailure("electric needs its own workspace and a head for replaced tokens")
    }
    let (generated, classified) = (example.targets[0], example.targets[1])
    var replacements = SampledReplacements(example.inputs[0], temperature: options.temperature, tokens, example.random)
    var offsets = [Float](repeating: 0, count: generated.rows.count)
    let odds = log(options.maskRatio / (1 - options.maskRatio))
    let generatorLoss = generator.loss(example, generated, pass, scale: scales[0], w.generator) { slice, logits in
      for i in slice {
        let (row, z) = (generated.rows[i], logits.rows(i - slice.lowerBound..<i - slice.lowerBound + 1))
        if example.inputs[0].tokens[row] == tokens.mask { replacements.draw(row, from: z) }
        offsets[i] = Float(logSoftmax(z, at: replacements.input.tokens[row]) + odds)
      }
    }
    let above = pass.trained(0, term: 1)
    pass.drawn?.input = replacements.input
    let states = encoder.forward(replacements.input, above, w.encoder)
    let loss = replaced.loss(
      states, .init(rows: classified.rows, labels: classified.values, weights: classified.weights, offsets: offsets), scale: scales[1], above, saved,
      gradient: encoder.beginGradient(replacements.input, above, w.encoder))
    if pass.sink != nil { encoder.backward(replacements.input, above, w.encoder) }
    return [generatorLoss, loss]
  }
}
