import Core
import Kernels
import Layers
import Models
import Tensors

/// `electra`: a small generator proposes tokens for masked positions, the main network detects which tokens were
/// replaced.
///
/// *Concretely:* of the n eligible positions of a sample, max(1, round(maskRatio · n)) are drawn without replacement.
/// The generator reads the sample with [MASK] at a share `maskReplaceProb` of them and predicts all of them (term 1: Σ
/// CE / drawn positions). A token x̂ ~ softmax(z / temperature) takes every drawn place, and no gradient passes through
/// it. The discriminator reads that, and classifies at every real position whether the token differs from the original
/// (term 2: Σ BCE / real positions); a lucky guess counts as original. Loss = `generatorWeight` · term 1 +
/// `discriminatorWeight` · term 2. Both networks read one embedding: tokens, positions, types and norm.
///
/// Differences from the reference code, on purpose: positions are drawn without replacement, so that no place is filled
/// twice; the count rule does not include special tokens and has no cap; special ids are never proposed.
///
/// Reference: Clark et al., "ELECTRA: pre-training text encoders as discriminators rather than generators", 2020, arXiv
/// 2003.10555.
public struct Electra: Objective {
  public struct OwnOptions: ObjectiveOptions {
    /// Of the drawn positions, the share the generator sees as [MASK]; the others it sees as they are.
    public var maskReplaceProb = 0.85
    /// The original token is never proposed.
    public var disallowCorrect = false
    /// Positions of the discriminator's loss: all real ones, or the drawn ones.
    public var discriminatorPositions = DiscriminatorPositions.all

    public static let sentences = [
      "mask_replace_prob":
        "Of the drawn tokens, the share the generator sees as [MASK], 0 … 1; it sees the others as they are.",
      "disallow_correct": "The original token is never proposed.",
      "discriminator_positions": "Positions of the discriminator's loss: all real ones, or the drawn ones.",
    ]

    public init() {}
  }

  public typealias Options = CombinedOptions<GeneratorOptions, OwnOptions>

  public enum DiscriminatorPositions: String, Codable, Sendable, CaseIterable {
    /// All real positions.
    case all
    /// The positions drawn for the generator.
    case drawn
  }

  public static let name = "electra"
  public static let summary =
    "Replaced-token detection: a small generator fills masks, and the model detects the replaced tokens."
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
      problems.append(
        .init(key: "objective.mask_replace_prob", sentence: "is \(options.maskReplaceProb); it must lie in 0...1."))
    }
    let shape = try options.shared.generatorShape(model, more: problems)
    tokens = try MaskableTokens(data.vocabulary, objective: Self.name)
    replacement = Replacement(maskReplaceProb: options.maskReplaceProb)
    self.options = options
    terms = options.shared.terms
    var layout = ParameterLayout()
    let below = Transformer.Trunk(shape, prefix: "generator.", into: &layout)
    let above = Transformer.Trunk(model.discriminator, into: &layout)
    let embedding = InputEmbedding(
      "embedding", model.discriminator, readers: 2, tiedHeads: below.tiedHeads, into: &layout)
    generator = Transformer(below, reading: embedding, in: &layout)
    encoder = Transformer(above, reading: embedding, in: &layout)
    networks = NetworkSet(trained: layout)
  }

  public var exportedNetworks: [ExportedNetwork] {
    [ExportedNetwork("generator", generator.configuration, "electra-generator")]
  }

  public func trivialLoss(term: Int) -> Double? {
    naturalLogarithm(ofCount: term == 0 ? encoder.configuration.vocabSize : 2)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let whole = clean.input(attentionMask: .bidirectional, documentMasking: options.documentMasking)
    var (masked, real) = (MaskedBatch(whole), MaskedBatch(whole))
    for sample in 0..<clean.count {
      let random = context.random(clean.sampleIDs[sample])
      let eligible = tokens.eligible(clean, sample)
      let drawn = randomSubset(eligible, count: maskCount(options.maskRatio, of: eligible.count), random)
      masked.hide(drawn, of: sample) { replacement($0, at: $1, tokens, random) }
      real.predict((0..<clean.length).filter { clean.documentIDs[sample * clean.stride + $0] >= 0 }, of: sample)
    }
    let classified = options.discriminatorPositions == .drawn ? masked : real
    return TrainingExample(
      inputs: [masked.input], targets: [masked.targets(), classified.targets()], random: context.random(0))
  }

  /// Both networks with their heads.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    let drawn = example.targets[0].rows
    return generator.configuration.trainingFlops(example.inputs[0].selecting(drawn), logits: drawn.count)
      + encoder.configuration.trainingFlops(example.inputs[0], logits: example.targets[1].rows.count)
  }

  private typealias Parts = (generator: Transformer.Workspace, encoder: Transformer.Workspace)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    let parts: Parts = (
      Transformer.Workspace(generator, samples: samples, length: length, arena),
      Transformer.Workspace(encoder, samples: samples, length: length, arena)
    )
    return PartsWorkspace(parts)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    lossAndGradient(example, pass, scales: scales, workspace, proposed: nil)
  }

  /// - Parameter proposed: tokens for the drawn rows in place of those the generator would propose, so that the loss
  ///   can be compared with that of another program.
  func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace,
    proposed: [Int32]?
  ) -> [Double] {
    let w = PartsWorkspace<Parts>.parts(of: workspace)
    guard let head = generator.head, let saved = w.generator.head else {
      preconditionFailure("electra's generator has a vocabulary head")
    }
    let (whole, drawn, classified) = (example.inputs[0], example.targets[0], example.targets[1])
    let input = whole.selecting(drawn.rows)
    // Two networks read one embedding: their dropout sites differ by the pass's index.
    let below = pass.trained(1, term: 0)
    var replacements = SampledReplacements(whole, temperature: options.temperature, tokens, example.random)
    let propose: VocabularyHead.LogitReader = { slice, logits in
      for i in slice {
        let (k, row) = (i - slice.lowerBound, drawn.rows[i])
        if let proposed {
          replacements.replace(with: proposed[i], at: row)
        } else {
          replacements.draw(row, from: logits.rows(k..<k + 1), excluding: options.disallowCorrect ? drawn.ids[i] : nil)
        }
      }
    }
    let hidden = generator.forward(input, below, w.generator)
    let dhidden = generator.beginGradient(input, below, w.generator)
    let generatorLoss = head.loss(
      hidden, drawn.tokens, scale: scales[0], below, saved, gradient: dhidden, reader: propose)
    if pass.sink != nil { generator.backward(input, below, w.generator) }
    let labels: [Float] = zip(classified.rows, classified.ids).map { replacements.input.tokens[$0] == $1 ? 0 : 1 }
    let loss = encoder.replacedTokenLoss(
      replacements.input, .init(rows: classified.rows, labels: labels, weights: classified.weights), pass,
      scale: scales[1], w.encoder)
    return [generatorLoss, loss]
  }
}
