import Core
import Layers

/// A micro-batch of numbers of which some positions are replaced by a learned vector and regressed: `MaskedBatch` for
/// encoders of numbers.
public struct MaskedPatches: Sendable {
  /// How many samples have targets.
  public private(set) var samples = 0
  private var hidden: [[Int]] = []
  private var targets: ValueTargets
  private var weights: [Float] = []
  private let model: ModelConfiguration
  private let scope: PatchReconstruction.Scope

  /// - Parameter scope: the positions that are targets.
  public init(
    _ model: ModelConfiguration, scope: PatchReconstruction.Scope = .hidden, target: ValueTarget = .values
  ) {
    (self.model, self.scope, targets) = (model, scope, ValueTargets(target))
  }

  /// Adds the next sample with the positions that it hides.
  ///
  /// - Parameter weight: what each target counts in the loss.
  public mutating func add(_ sample: Int, of clean: SampleBatch, hiding positions: [Int], weight: Float = 1) {
    hidden.append(positions)
    let before = targets.count
    for i in scope == .all ? clean.realPositions(sample) : positions { targets.add(i, of: sample, in: clean) }
    weights += repeatElement(weight, count: targets.count - before)
    if targets.count > before { samples += 1 }
  }

  /// The example of the samples added, which are all of `clean`.
  ///
  /// - Parameter count: what the term is divided by; the targets, or their measured shares, if nil.
  public func example(_ clean: SampleBatch, count: Double? = nil) -> TrainingExample {
    var all = targets.targets()
    all.weights = zip(all.weights, weights).map { $0 * $1 }
    if let count { all.count = count }
    return TrainingExample(
      inputs: [clean.patches(model, hidden: hidden, hiddenRow: model.leadingRows)], targets: [all])
  }
}

extension ModelConfiguration {
  /// - Throws: `ConfigurationError` for a shape that does not fit the data, such as one whose width sines and cosines
  ///   of its axes do not divide.
  func requireValid() throws(ConfigurationError) {
    let problems = problems(prefix: "model")
    guard problems.isEmpty else { throw ConfigurationError(problems: problems) }
  }

  /// The model with a learned row behind [CLS] for hidden positions.
  /// - Throws: `ConfigurationError` for a shape that does not fit the data.
  func withHiddenRow() throws(ConfigurationError) -> ModelConfiguration {
    try requireValid()
    var model = self
    model.learnedRows = leadingRows + 1
    return model
  }
}
