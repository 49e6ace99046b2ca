import Core
import Kernels
import Layers
import Models
import Tensors

/// Whether an objective can predict given positions.
public enum PositionPrediction: Sendable {
  case predictor(PositionPredictor)
  /// A sentence without its end that says why not.
  case unsupported(String)
}

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

  /// The samples with predictions in place of the numbers at the positions, whatever these were; 0 where a position is
  /// padding.
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
  /// Of targets that are normalised by their own numbers there is none: a prediction must do without these.
  func predictor(hiding positions: [Int]) -> PositionPrediction {
    guard target == .values else { return .unsupported(ValueTarget.needsItsNumbers) }
    var network = self
    network.kept = grid.reduce(1, *) - positions.count
    guard network.kept >= 1 else { return .unsupported("nothing would be visible") }
    let isHidden = Set(positions)
    let predictor = PositionPredictor(
      positions, workspace: { [network] in PartsWorkspace(network.workspace(samples: $0, length: $1, $2)) }
    ) { [network] erased, pass, workspace in
      let visible = (0..<erased.length).filter { !isHidden.contains($0) }
      let example = network.example(erased, visible: [[Int]](repeating: visible, count: erased.count))
      let found = network.predictions(example, pass, PartsWorkspace<Workspace>.parts(of: workspace))
      return erased.filled(with: found, at: isHidden)
    }
    return .predictor(predictor)
  }
}

extension ValuePrediction {
  /// There is none of targets that are normalised by their own numbers, of a network that reads all positions and has
  /// no vector for hidden ones, and of the first position of a causal network that reads nothing before it.
  func predictor(hiding positions: [Int]) -> PositionPrediction {
    let (model, isHidden) = (encoder.configuration, Set(positions))
    let isCausal = model.attentionMask == .causal
    guard target == .values else { return .unsupported(ValueTarget.needsItsNumbers) }
    guard isCausal || model.learnedRows > model.leadingRows else {
      return .unsupported("the encoder has no vector for hidden positions")
    }
    guard !isCausal || model.leadingRows > 0 || !positions.contains(0) else {
      return .unsupported("nothing stands before the first position; model.cls_token = true does")
    }
    let predictor = PositionPredictor(
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
    return .predictor(predictor)
  }
}

extension ValueTarget {
  /// Why a target that is normalised by its own numbers cannot be predicted without them.
  static let needsItsNumbers = "its targets are normalised by their own numbers; with norm_pix_loss = false it has one"
}

extension ReconstructionObjective {
  public func predictor(hiding positions: [Int]) -> PositionPrediction { reconstruction.predictor(hiding: positions) }
}

extension ValueObjective {
  public func predictor(hiding positions: [Int]) -> PositionPrediction { prediction.predictor(hiding: positions) }
}
