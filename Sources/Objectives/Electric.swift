import Core
import Glibc
import Kernels
import Layers
import Models
import Tensors

/// `electric`: noise-contrastive estimation of an unnormalised cloze model: how likely is each token given all others?
///
/// *Concretely:* the generator is two causal towers, one left to right, one right to left. Position i is predicted from
/// the state of the first at i - 1 and that of the second at i + 1, side by side, so that its own token is never seen;
/// it reads the sample as it is and predicts every eligible token (term 1: Σ CE / eligible positions). Of those, max(1,
/// round(maskRatio · n)) are drawn without replacement and filled with x̂ ~ softmax(z / temperature), without a
/// gradient. The main network reads that. With s its logit, s + ln q(token) + ln(p / (1 - p)), q = softmax(z) and p =
/// maskRatio, is the logit of "this token is noise", and 1 the label of every drawn position, a lucky guess included
/// (term 2: Σ BCE / eligible positions): at the optimum -s is ln p̂(token | the others) up to a constant. No gradient
/// passes through q.
///
/// Differences from the reference code, on purpose: positions are drawn without replacement; special ids are never
/// proposed; the second term counts eligible positions only, for no noise can stand anywhere else; at the ends of a
/// sample or document the missing state is zero.
///
/// Reference: Clark et al., "Pre-training transformers as energy-based cloze models", 2020, arXiv 2012.08561.
public struct Electric: Objective {
  public typealias Options = GeneratorOptions

  public static let name = "electric"
  public static let summary = "Energy-based cloze model: noise-contrastive estimation against a two-tower generator."
  public static let paper =
    "Clark et al. 2020, Pre-training transformers as energy-based cloze models, arXiv 2012.08561"

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
    terms = options.terms
    var layout = ParameterLayout()
    let below = TwoTowers.Trunk(shape, prefix: "generator.", into: &layout)
    let above = Transformer.Trunk(model.discriminator, into: &layout)
    let embedding = InputEmbedding("embedding", model.discriminator, readers: 3, tiedHeads: 1, into: &layout)
    generator = TwoTowers(below, reading: embedding, in: &layout)
    encoder = Transformer(above, reading: embedding, in: &layout)
    networks = NetworkSet(trained: layout)
  }

  public func trivialLoss(term: Int) -> Double? {
    term == 0 ? naturalLogarithm(ofCount: encoder.configuration.vocabSize) : nil
  }

  /// `inputs[0]` shows the drawn positions as [MASK], which the main network never reads: a proposed token takes their
  /// place.
  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let whole = clean.input(attentionMask: .bidirectional, documentMasking: options.documentMasking)
    var (masked, all, labels) = (MaskedBatch(whole), MaskedBatch(whole), [Float]())
    for sample in 0..<clean.count {
      let eligible = tokens.eligible(clean, sample)
      let drawn = randomSubset(
        eligible, count: maskCount(options.maskRatio, of: eligible.count), context.random(clean.sampleIDs[sample]))
      masked.hide(drawn, of: sample) { _, _ in tokens.mask }
      all.predict(eligible, of: sample)
      let isDrawn = Set(drawn)
      labels += eligible.map { isDrawn.contains($0) ? 1 : 0 }
    }
    let generated = all.targets()
    return TrainingExample(
      inputs: [masked.input] + TwoTowers.inputs(clean, documentMasking: options.documentMasking),
      targets: [generated, TermTargets(rows: generated.rows, values: labels)],
      random: context.random(0))
  }

  /// Two causal towers, the head over both at every candidate, and the main network.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    let tower = generator.rightward.configuration
    return 2 * tower.trainingFlops(example.inputs[1], logits: 0)
      + 6 * Double(tower.resolvedEmbeddingSize * (tower.vocabSize + 2 * generator.width))
      * Double(example.targets[0].rows.count)
      + encoder.configuration.trainingFlops(example.inputs[0], logits: example.targets[1].rows.count)
  }

  private typealias Parts = (generator: TwoTowers.Workspace, encoder: Transformer.Workspace)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      TwoTowers.Workspace(generator, samples: samples, length: length, arena),
      Transformer.Workspace(encoder, samples: samples, length: length, arena)
    )
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    let w = PartsWorkspace<Parts>.parts(of: workspace)
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
    let loss = encoder.replacedTokenLoss(
      replacements.input,
      .init(rows: classified.rows, labels: classified.values, weights: classified.weights, offsets: offsets), pass,
      scale: scales[1], w.encoder)
    return [generatorLoss, loss]
  }
}
