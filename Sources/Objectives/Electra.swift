import Core
import Kernels
import Layers
import Models
import Tensors

/// `electra`: a small generator proposes tokens for masked positions, the main network detects which tokens were replaced.
///
/// *Concretely:* of the n eligible positions of a sample, max(1, round(maskRatio · n)) are drawn without replacement. The generator
/// reads the sample with [MASK] at a share `maskReplaceProb` of them and predicts all of them (term 1: Σ CE / drawn positions). A
/// token x̂ ~ softmax(z / temperature) takes every drawn place, and no gradient passes through it. The discriminator reads that,
/// and classifies at every real position whether the token differs from the original (term 2: Σ BCE / real positions); a lucky guess
/// counts as original. Loss = `generatorWeight` · term 1 + `discriminatorWeight` · term 2. Both networks read one embedding: tokens,
/// positions, types and norm.
///
/// Differences from the reference code, on purpose: positions are drawn without replacement, so that no place is filled twice; the
/// count rule does not include special tokens and has no cap; special ids are never proposed.
///
/// Reference: Clark et al., "ELECTRA: pre-training text encoders as discriminators rather than generators", 2020, arXiv 2003.10555.
public struct Electra: Objective {
  public struct Options: GeneratorOptions {
    /// Share of eligible positions that are drawn.
    public var maskRatio = 0.15
    /// Of those, the share the generator sees as [MASK]; the others it sees as they are.
    public var maskReplaceProb = 0.85
    /// Width, heads and feed-forward size of the generator as a share of the main model's.
    public var generatorFraction = 0.25
    /// The same sizes, and the number of layers, by themselves; 0 for the share, and for as many layers.
    public var generatorHiddenSize = 0
    public var generatorNumHeads = 0
    public var generatorIntermediateSize = 0
    public var generatorNumLayers = 0
    /// Of the generator's softmax when it proposes.
    public var temperature = 1.0
    /// The original token is never proposed.
    public var disallowCorrect = false
    /// Positions of the discriminator's loss: all real ones, or the drawn ones.
    public var discriminatorPositions = DiscriminatorPositions.all
    /// λ of the generator's term …
    public var generatorWeight = 1.0
    /// … and of the discriminator's.
    public var discriminatorWeight = 50.0
    /// Attention stays inside documents.
    public var documentMasking = false

    public static let sentences = [
      "mask_ratio": "Share of ordinary tokens that are drawn, 0.01 … 0.9.",
      "mask_replace_prob": "Of those, the share the generator sees as [MASK], 0 … 1; it sees the others as they are.",
      "generator_fraction": "Width, heads and feed-forward size of the generator as a share of the main model's, 0.01 … 1.",
      "generator_hidden_size": "Width of the generator; 0 for the share.",
      "generator_num_heads": "Heads of the generator; 0 for the share.",
      "generator_intermediate_size": "Feed-forward size of the generator; 0 for the share.",
      "generator_num_layers": "Layers of the generator, 0 … 1000; 0 for as many as the main model has.",
      "temperature": "Of the generator's softmax when it proposes, 0.01 … 100.",
      "disallow_correct": "The original token is never proposed.",
      "discriminator_positions": "Positions of the discriminator's loss: all real ones, or the drawn ones.",
      "generator_weight": "Weight of the generator's loss, 0 … 10000.",
      "discriminator_weight": "Weight of the discriminator's loss, 0 … 10000.",
      "document_masking": "Attention stays inside documents.",
    ]

    public init() {}
  }

  public enum DiscriminatorPositions: String, Codable, Sendable, CaseIterable {
    /// All real positions.
    case all
    /// The positions drawn for the generator.
    case drawn
  }

  public static let name = "electra"
  public static let summary = "Replaced-token detection: a small generator fills masks, and the model detects the replaced tokens."
  public static let paper = "Clark et al. 2020, ELECTRA, arXiv 2003.10555"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .bidirectional(head: .replaced) }

  public let options: Options
  public let networks: NetworkSet
  public let encoder: Transformer
  public let generator: Transformer
  public let terms: [LossTerm]
  let tokens: MaskableTokens
  private let replacement: Replacement

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    var problems: [ConfigurationError.Problem] = []
    if !(0...1).contains(options.maskReplaceProb) {
      problems.append(.init(key: "objective.mask_replace_prob", sentence: "is \(options.maskReplaceProb); it must lie in 0...1."))
    }
    let shape = try options.generatorShape(model, more: problems)
    tokens = try MaskableTokens(data.vocabulary, objective: Self.name)
    replacement = Replacement(maskReplaceProb: options.maskReplaceProb)
    self.options = options
    terms = [LossTerm("generator", weight: options.generatorWeight), LossTerm("discriminator", weight: options.discriminatorWeight)]
    var layout = ParameterLayout()
    let below = Transformer.Trunk(shape, prefix: "generator.", into: &layout)
    let above = Transformer.Trunk(model.discriminator, into: &layout)
    let embedding = InputEmbedding("embedding", model.discriminator, readers: 2, tiedHeads: below.tiedHeads, into: &layout)
    generator = Transformer(below, reading: embedding, in: &layout)
    encoder = Transformer(above, reading: embedding, in: &layout)
    networks = NetworkSet(trained: layout)
  }

  public var exportedNetworks: [ExportedNetwork] {
    [ExportedNetwork("generator", generator.configuration, "electra-generator")]
  }

  public func trivialLoss(term: Int) -> Double? { naturalLogarithm(ofCount: term == 0 ? encoder.configuration.vocabSize : 2) }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    var input = clean.input(attentionMask: .bidirectional, documentMasking: options.documentMasking)
    let original = input.tokens
    var (drawn, classified) = ([Int](), [Int]())
    for sample in 0..<clean.count {
      let (random, start) = (context.random(clean.sampleIDs[sample]), sample * clean.length)
      let eligible = tokens.eligible(clean, sample)
      let count = max(1, Int((options.maskRatio * Double(eligible.count)).rounded()))
      let chosen = randomSubset(eligible, count: count, random)
      for i in chosen { input.tokens[start + i] = replacement(original[start + i], at: i, tokens, random) }
      drawn += chosen.map { start + $0 }
      classified += (0..<clean.length).filter { clean.documentIDs[sample * clean.stride + $0] >= 0 }.map { start + $0 }
    }
    if options.discriminatorPositions == .drawn { classified = drawn }
    return TrainingExample(
      inputs: [input],
      targets: [TermTargets(rows: drawn, ids: drawn.map { original[$0] }), TermTargets(rows: classified, ids: classified.map { original[$0] })],
      random: context.random(0))
  }

  /// Both networks with their heads.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    generator.configuration.trainingFlops(example.inputs[0], logits: example.targets[0].rows.count)
      + encoder.configuration.trainingFlops(example.inputs[0], logits: example.targets[1].rows.count)
  }

  final class Workspace: ObjectiveWorkspace {
    let generator: Transformer.Workspace
    let encoder: Transformer.Workspace

    init(_ objective: Electra, samples: Int, length: Int, _ arena: Arena) {
      generator = Transformer.Workspace(objective.generator, samples: samples, length: length, arena)
      encoder = Transformer.Workspace(objective.encoder, samples: samples, length: length, arena)
    }
  }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    Workspace(self, samples: samples, length: length, arena)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    lossAndGradient(example, pass, scales: scales, workspace, proposed: nil)
  }

  /// - Parameter proposed: tokens for the drawn rows in place of those the generator would propose, so that the loss can be compared
  ///   with that of another program.
  func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace, proposed: [Int32]?
  ) -> [Double] {
    guard let w = workspace as? Workspace, let head = generator.head, let saved = w.generator.head,
      let replaced = encoder.replacedHead, let savedReplaced = w.encoder.replacedHead
    else { preconditionFailure("electra needs its own workspace, a vocabulary head and a head for replaced tokens") }
    let (input, drawn, classified) = (example.inputs[0], example.targets[0], example.targets[1])
    // Two networks read one embedding: their dropout sites differ by the pass's index.
    let (below, above) = (pass.trained(1, term: 0), pass.trained(0, term: 1))
    var replacements = SampledReplacements(input, temperature: options.temperature, tokens, example.random)
    let propose: VocabularyHead.LogitReader = { slice, logits in
      for i in slice {
        let (k, row) = (i - slice.lowerBound, drawn.rows[i])
        if let proposed { replacements.replace(with: proposed[i], at: row) } else {
          replacements.draw(row, from: logits.rows(k..<k + 1), excluding: options.disallowCorrect ? drawn.ids[i] : nil)
        }
      }
    }
    let hidden = generator.forward(input, below, w.generator)
    let dhidden = generator.beginGradient(input, below, w.generator)
    let generatorLoss = head.loss(hidden, drawn.tokens, scale: scales[0], below, saved, gradient: dhidden, reader: propose)
    if pass.sink != nil { generator.backward(input, below, w.generator) }
    let labels: [Float] = zip(classified.rows, classified.ids).map { replacements.input.tokens[$0] == $1 ? 0 : 1 }
    pass.drawn?.input = replacements.input
    let states = encoder.forward(replacements.input, above, w.encoder)
    let loss = replaced.loss(
      states, .init(rows: classified.rows, labels: labels, weights: classified.weights), scale: scales[1], above, savedReplaced,
      gradient: encoder.beginGradient(replacements.input, above, w.encoder))
    if pass.sink != nil { encoder.backward(replacements.input, above, w.encoder) }
    return [generatorLoss, loss]
  }
}
