import Core
import Layers
import Models
import Tensors

/// `ar-diverse`: a causal decoder that has to predict not the next token alone, but one of, or all of, the next m.
///
/// *Concretely:* hᵢ is the state after x₀ … xᵢ; the target at offset δ ∈ 1…m is x_{i+δ}, and with δ drawn by q(δ) the
/// population loss is E_i E_δ CE(g(hᵢ, δ), x_{i+δ}). `summed` predicts all offsets of every position with weights
/// proportional to q, `sampled` one offset drawn by q, with weight one: the same expectation. Loss = Σ w·CE / Σ w over
/// all (sample, i, δ) that are targets. Offset 1 is predicted by the model's own head as in `ar`, so m = 1 is `ar` to
/// the bit. A target past the end of the text, or at an offset beyond 1 in another document, is left out. Evaluation
/// predicts offset 1 alone.
///
/// Reference: Zhang et al., "Look Ahead or Look Around? A Theoretical Comparison Between Autoregressive and Masked
/// Pretraining", ICML 2024, arXiv 2407.00935. The paper's body leaves estimator and head open; every interpretation is
/// one setting of the options.
public struct DiverseAutoregressive: Objective {
  public enum Estimator: String, Codable, Sendable, CaseIterable {
    /// All offsets of every position.
    case summed
    /// One offset a position, or a sample.
    case sampled
  }

  public enum Draw: String, Codable, Sendable, CaseIterable { case position, sample }

  public struct Options: ObjectiveOptions {
    /// m: the largest offset.
    public var offsets = 4
    /// q(δ).
    public var offsetDistribution = OffsetDistribution.uniform
    public var estimator = Estimator.summed
    /// What `sampled` draws an offset for.
    public var draw = Draw.position
    /// How the prediction is conditioned on the offset.
    public var offsetConditioning = OffsetPrediction.OffsetConditioning.heads
    /// Attention and targets stay inside documents.
    public var documentMasking = false

    public static let sentences = [
      "offsets": "The largest distance m of a predicted token, 1 … 64.",
      "offset_distribution": "How likely each distance is.",
      "estimator": "All distances of a position are predicted and weighted, or one is drawn.",
      "draw": "What one distance is drawn for, where one is drawn.",
      "offset_conditioning":
        "How the prediction is conditioned on the distance: a head for each, an embedding, or not at all.",
      "document_masking": "Attention and targets stay inside documents.",
    ]

    public init() {}
  }

  public static let name = "ar-diverse"
  public static let summary = "Prediction of one of the next m tokens, or of all of them, with a causal decoder."
  public static let paper =
    "Zhang et al. 2024, Look Ahead or Look Around? A Theoretical Comparison Between Autoregressive and Masked Pretraining, arXiv 2407.00935"

  public static func requirements(_ options: Options) -> ObjectiveRequirements {
    .causal(
      lookahead: options.offsets,
      contextTargetPairs: .ahead(offsets: options.offsets, distribution: options.offsetDistribution))
  }

  public let options: Options
  public let prediction: OffsetPrediction

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    guard (1...64).contains(options.offsets) else {
      throw ConfigurationError("objective.offsets", is: options.offsets, rule: "it must lie in 1...64.")
    }
    guard
      options.offsetConditioning != .heads || options.offsets == 1 || model.resolvedEmbeddingSize == model.hiddenSize
    else {
      throw ConfigurationError(
        "model.embedding_size", is: model.resolvedEmbeddingSize,
        rule:
          "objective.offset_conditioning = \"heads\" reads states of the model's width, so it must be model.hidden_size = \(model.hiddenSize), or offset_conditioning another."
      )
    }
    self.options = options
    prediction = OffsetPrediction(
      model, offsets: options.offsets, offsetConditioning: options.offsetConditioning,
      targetsPerRow: options.estimator == .summed ? options.offsets : 1)
  }

  public var networks: NetworkSet { prediction.networks }
  public var encoder: Transformer { prediction.transformer }
  public var terms: [LossTerm] { [LossTerm("loss")] }
  public func trivialLoss(term: Int) -> Double? { naturalLogarithm(ofCount: encoder.configuration.vocabSize) }

  public func trainingFlops(_ example: TrainingExample) -> Double {
    let (rows, targets) = (Double(example.inputs[0].rows), example.targets[0])
    let share = Double(targets.rows.count) / max(rows, 1)
    return rows * encoder.configuration.trainingFlopsPerToken(length: example.inputs[0].length, headFraction: share)
      + prediction.adapterFlops * Double(targets.offsets.count { $0 > 1 })
  }

  // MARK: - Corruption

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    let largest = context.purpose == .evaluation ? 1 : options.offsets
    precondition(
      clean.lookahead >= largest, "\(largest) offsets need as many tokens of lookahead, not \(clean.lookahead)")
    let drawn =
      options.estimator == .sampled && largest > 1
      ? clean.sampleIDs.map { draws(clean.length, context.random($0)) } : nil
    var targets = TermTargets(rows: [])
    for offset in 1...largest {
      let weight = drawn == nil ? Float(options.offsetDistribution.weight(offset)) : 1
      for sample in 0..<clean.count {
        for i in 0..<clean.length where drawn.map({ $0[sample][i] == offset }) ?? true {
          guard let id = target(clean, sample, i, offset) else { continue }
          targets.rows.append(sample * clean.length + i)
          targets.ids.append(id)
          targets.offsets.append(offset)
          targets.weights.append(weight)
        }
      }
    }
    targets.count = targets.weights.reduce(0) { $0 + Double($1) }
    return TrainingExample(
      inputs: [clean.input(attentionMask: .causal, documentMasking: options.documentMasking)], targets: [targets])
  }

  /// The token at an offset; nil where it is past the end, or in another document and may not be a target.
  private func target(_ clean: SampleBatch, _ sample: Int, _ i: Int, _ offset: Int) -> Int32? {
    let here = sample * clean.stride + i
    let (document, there) = (clean.documentIDs[here], clean.documentIDs[here + offset])
    let mayCross = offset == 1 && !options.documentMasking
    return document >= 0 && there >= 0 && (mayCross || document == there) ? clean.tokens[here + offset] : nil
  }

  /// The offset of every position of a sample. Elements of the generator: one 64-bit word per position, the first alone
  /// for a whole sample.
  private func draws(_ length: Int, _ random: CounterGenerator) -> [Int] {
    switch options.draw {
    case .position: (0..<length).map { options.offsetDistribution.draw(random.uniformDouble($0), of: options.offsets) }
    case .sample:
      [Int](repeating: options.offsetDistribution.draw(random.uniformDouble(0), of: options.offsets), count: length)
    }
  }

  // MARK: - Loss

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    prediction.workspace(samples: samples, length: length, arena)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    [prediction.lossAndGradient(example, pass, scale: scales[0], workspace)]
  }
}
