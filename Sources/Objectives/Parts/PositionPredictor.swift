import Core
import Kernels
import Layers
import Models
import Tensors

/// Predicts the numbers of the same positions of every sample from all others, with the networks of an objective: what
/// a forecast or a completion is.
///
/// A masked model hides the positions and predicts them together. A causal model predicts them one after another, each
/// from those before it and from its own earlier predictions.
public struct PositionPredictor: Sendable {
  /// The positions, in rising order.
  public let positions: [Int]
  /// Memory of a worker for samples of a length.
  public let workspace: @Sendable (_ samples: Int, _ length: Int, Arena) -> ObjectiveWorkspace
  private let body: @Sendable (SampleBatch, ObjectivePass, ObjectiveWorkspace) -> SampleBatch

  /// - Parameters:
  ///   - positions: without repetition.
  ///   - body: replaces the numbers at the positions by predictions. It is given samples that do not have them.
  init(
    _ positions: [Int],
    workspace: @escaping @Sendable (_ samples: Int, _ length: Int, Arena) -> ObjectiveWorkspace,
    _ body: @escaping @Sendable (SampleBatch, ObjectivePass, ObjectiveWorkspace) -> SampleBatch
  ) {
    (self.positions, self.workspace, self.body) = (positions.sorted(), workspace, body)
  }

  /// The samples with predictions in place of the numbers at the positions, whatever these were.
  /// - Complexity: a forward pass; of a causal model one for each position.
  public func completed(_ clean: SampleBatch, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace) -> SampleBatch {
    body(clean.erased(positions), pass, workspace)
  }
}

extension SampleBatch {
  /// The samples with zeros at some positions, which count as measured there.
  func erased(_ positions: [Int]) -> SampleBatch {
    var result = self
    for sample in 0..<count {
      for i in positions {
        for place in (sample * length + i) * valueSize..<(sample * length + i + 1) * valueSize {
          result.values[place] = 0
          if !observed.isEmpty { result.observed[place] = true }
        }
      }
    }
    return result
  }

  /// The samples with the predictions for some positions in their places.
  func filled(with found: ValuePredictions, at positions: Set<Int>) -> SampleBatch {
    var result = self
    for (index, place) in found.places.enumerated() where positions.contains(place % length) {
      for k in 0..<valueSize { result.values[place * valueSize + k] = found.values[index * valueSize + k] }
    }
    return result
  }
}

extension PatchReconstruction {
  /// nil where targets are normalised by the very numbers that a prediction must do without.
  func predictor(hiding positions: [Int]) -> PositionPredictor? {
    guard target == .values else { return nil }
    var network = self
    network.kept = grid.reduce(1, *) - positions.count
    guard network.kept >= 1 else { return nil }
    let isHidden = Set(positions)
    return PositionPredictor(
      positions, workspace: { [network] in PartsWorkspace(network.workspace(samples: $0, length: $1, $2)) }
    ) { [network] erased, pass, workspace in
      let visible = (0..<erased.length).filter { !isHidden.contains($0) }
      let example = network.example(erased, visible: [[Int]](repeating: visible, count: erased.count))
      let found = network.predictions(example, pass, PartsWorkspace<Workspace>.parts(of: workspace))
      return erased.filled(with: found, at: isHidden)
    }
  }
}

extension ValuePrediction {
  /// nil where targets are normalised by the very numbers that a prediction must do without, and for a network that
  /// reads all positions and has no vector for hidden ones.
  func predictor(hiding positions: [Int]) -> PositionPredictor? {
    let (model, isHidden) = (encoder.configuration, Set(positions))
    let isCausal = model.attentionMask == .causal
    guard target == .values, isCausal || model.learnedRows > model.leadingRows else { return nil }
    return PositionPredictor(
      positions, workspace: { PartsWorkspace(self.workspace(samples: $0, length: $1, $2)) }
    ) { erased, pass, workspace in
      let parts = PartsWorkspace<Workspace>.parts(of: workspace)
      guard isCausal else {
        var masked = MaskedPatches(model)
        for sample in 0..<erased.count { masked.add(sample, of: erased, hiding: positions) }
        return erased.filled(with: self.predictions(masked.example(erased), pass, parts), at: isHidden)
      }
      var result = erased
      for position in positions.sorted() {
        let example = result.ahead(offsets: 1, target: self.target, model) { _ in 1 }
        result = result.filled(with: self.predictions(example, pass, parts), at: [position])
      }
      return result
    }
  }
}

extension ReconstructionObjective {
  public func predictor(hiding positions: [Int]) -> PositionPredictor? { reconstruction.predictor(hiding: positions) }
}

extension ValueObjective {
  public func predictor(hiding positions: [Int]) -> PositionPredictor? { prediction.predictor(hiding: positions) }
}
