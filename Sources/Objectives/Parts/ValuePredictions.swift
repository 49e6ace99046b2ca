import Core
import Kernels
import Layers
import Models
import Tensors

/// The numbers that an objective predicts for positions of samples.
public struct ValuePredictions: Sendable, Equatable {
  /// sample · length + position of each prediction; positions are those of the clean samples.
  public var places: [Int]
  /// [places, k], as the objective compares them with its targets.
  public var values: [Float]
  /// Which of the values the objective scores, [places, k]; empty for all.
  public var isScored: [Bool]
  /// What the values are compared with.
  public var target: ValueTarget

  /// - Precondition: equally many values for each place.
  public init(places: [Int], values: [Float], isScored: [Bool] = [], target: ValueTarget) {
    (self.places, self.values, self.isScored, self.target) = (places, values, isScored, target)
  }

  /// The predictions in the units of the samples: x̂ = ŷ · √(variance + 10⁻⁶) + mean, with mean and variance of the
  /// position's own true numbers, where the objective normalises its targets by these; ŷ itself otherwise.
  public func inUnits(of clean: SampleBatch) -> [Float] {
    guard target == .normalized else { return values }
    let size = clean.valueSize
    return places.enumerated().flatMap { index, place in
      let numbers = place * size..<(place + 1) * size
      let measured = clean.observed.isEmpty ? nil : Array(clean.observed[numbers])
      let (mean, deviation) = ValueTargets.statistics(clean.values[numbers], measured)
      return values[index * size..<(index + 1) * size].map { Float(Double($0) * deviation + mean) }
    }
  }
}

extension TensorView {
  /// The numbers of a matrix, row by row.
  var numbers: [Float] { (0..<rows * columns).map { base[$0] } }
}

extension PatchReconstruction {
  /// What the decoder predicts at the positions that count in the loss.
  public func predictions(_ example: TrainingExample, _ pass: ObjectivePass, _ w: Workspace) -> ValuePredictions {
    let (hidden, _, above) = autoencoder.forward(example, pass, w.networks)
    let targets = example.targets[0]
    let predicted = head.predict(hidden, rows: decoderRows(targets.rows, example), above, w.head)
    return ValuePredictions(
      places: targets.rows, values: channelFirst(predicted.numbers),
      isScored: channelFirst(targets.elementWeights.map { $0 > 0 }), target: target)
  }

  /// What is predicted with the channel last, in the order of the samples' numbers.
  private func channelFirst<Element>(_ numbers: [Element]) -> [Element] {
    var result = numbers
    for start in stride(from: 0, to: numbers.count, by: order.count) {
      for (j, place) in order.enumerated() { result[start + place] = numbers[start + j] }
    }
    return result
  }
}

extension ValuePrediction {
  /// What the head of the next position, or of the position itself, predicts at the rows with a target.
  public func predictions(_ example: TrainingExample, _ pass: ObjectivePass, _ w: Workspace) -> ValuePredictions {
    let (targets, trained) = (example.targets[0], pass.trained())
    let own = targets.at(offset: 1, of: heads.count)
    let rows = networkRows(own.indices.map { targets.rows[$0] }, example)
    let hidden = encoder.forward(example.inputs[0].selecting(rows), trained, w.network)
    let predicted = heads[0].predict(hidden, rows: rows, trained, w.head)
    return ValuePredictions(
      places: own.indices.map { targets.rows[$0] + ahead }, values: predicted.numbers,
      isScored: own.numbers.elementWeights.map { $0 > 0 }, target: target)
  }
}
