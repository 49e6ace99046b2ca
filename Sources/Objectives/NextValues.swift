import Core
import Kernels
import Layers
import Models
import Tensors

/// `ar-values`: a causal transformer regresses the numbers of the next position: `ar` on patches, frames and steps.
///
/// *Concretely:* positions are read in row-major order. Behind [CLS], row r has seen positions 0 … r-1 and predicts
/// position r; without [CLS], row r predicts position r + 1. L = Σ ℓ / n with ℓ the mean squared error over the numbers
/// of a position, which `norm_pix_loss` normalises within it.
///
/// Reference: El-Nouby et al., "Scalable pre-training of large autoregressive image models", 2024, arXiv 2401.08541.
public struct NextValues: ValueObjective {
  /// The keys of `[objective]` beside the name.
  public struct Options: ObjectiveOptions {
    /// Targets are normalised within each position.
    public var normPixLoss = false

    public static let sentences = [
      "norm_pix_loss": "Targets are normalised by the mean and the deviation of each position's own numbers."
    ]

    public init() {}
  }

  public static let name = "ar-values"
  public static let summary = "Regress the next patch, frame or step with a causal transformer."
  public static let paper =
    "El-Nouby et al. 2024, Scalable pre-training of large autoregressive image models, arXiv 2401.08541"

  public static func requirements(_ options: Options) -> ObjectiveRequirements { .values(attentionMask: .causal) }

  public let options: Options
  /// The network and its loss.
  public let prediction: ValuePrediction

  public init(_ options: Options, model: ModelConfiguration, data: DataShape) throws(ConfigurationError) {
    self.options = options
    let size = try data.requireGrid(Self.name).size
    try requireSpread(options.normPixLoss, size)
    try model.requireValid()
    prediction = ValuePrediction(
      model, size: size, loss: .l2, rowsAreShifted: false, target: options.normPixLoss ? .normalized : .values)
  }

  public func corrupt(_ clean: SampleBatch, _ context: StepContext) -> TrainingExample {
    clean.ahead(offsets: 1, target: options.normPixLoss ? .normalized : .values, encoder.configuration) { _ in 1 }
  }
}

/// Refuses to divide by the deviation of one number.
func requireSpread(_ normalizes: Bool, _ size: Int) throws(ConfigurationError) {
  guard !normalizes || size >= 2 else {
    throw ConfigurationError(
      "objective.norm_pix_loss", "is true, but a position is one number, whose deviation is 0; set it to false.")
  }
}

extension SampleBatch {
  /// The example of a causal model whose row r predicts the positions r + δ - K, δ = 1 … offsets, K its leading rows.
  ///
  /// - Parameter weight: what a target at an offset counts.
  func ahead(offsets: Int, target: ValueTarget, _ model: ModelConfiguration, weight: (Int) -> Float)
    -> TrainingExample
  {
    var (all, k) = (TermTargets(rows: []), 0)
    for offset in 1...offsets {
      var targets = ValueTargets(target)
      for sample in 0..<count { for i in realPositions(sample) { targets.add(i, of: sample, in: self) } }
      let own = targets.targets()
      k = own.values.count / max(own.rows.count, 1)
      // From the position that is predicted to the row that predicts it.
      let back = offset - model.leadingRows
      for (index, row) in own.rows.enumerated() where 0..<length ~= row % length - back {
        all.rows.append(row - back)
        all.offsets.append(offset)
        all.values += own.values[index * k..<(index + 1) * k]
        if !own.elementWeights.isEmpty { all.elementWeights += own.elementWeights[index * k..<(index + 1) * k] }
        all.weights.append(own.weights[index] * weight(offset))
      }
    }
    let shares = all.rows.indices.map { index -> Double in
      guard !all.elementWeights.isEmpty else { return 1 }
      return Double(Float(all.elementWeights[index * k..<(index + 1) * k].count { $0 > 0 }) / Float(k))
    }
    all.count = zip(all.weights, shares).reduce(0) { $0 + Double($1.0) * $1.1 }
    if offsets == 1 { all.offsets = [] }
    return TrainingExample(inputs: [patches(model)], targets: [all])
  }
}
