import Core
import Kernels
import Layers
import Models
import Objectives

extension TrajectoryMAE: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration {
    var model = toyVisionModel()
    ToyScenes.shape.fill(&model)
    return model
  }

  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyScenes.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyScenes() }

  /// Hidden elements of one type have one prediction: at best the number with the least loss over them, which is found
  /// by halving, because the loss is convex.
  public func leastLoss(_ example: TrainingExample) -> Double {
    let (targets, whole) = (example.targets[0], example.inputs[1])
    let k = targets.values.count / targets.rows.count
    let rows = reconstruction.decoderRows(targets.rows, example)
    let groups = Dictionary(grouping: targets.rows.indices) {
      [rows[$0] / whole.length, Int(whole.positionIDs[rows[$0]])]
    }
    let sums = groups.values.map { members -> Double in
      (0..<k).reduce(0) { sum, j in
        let own = members.map { targets.values[$0 * k + j] }
        let weights = members.map { targets.elementWeights.isEmpty ? 1 / Float(k) : targets.elementWeights[$0 * k + j] }
        return sum + least(own.map(Double.init), weights.map(Double.init))
      }
    }
    return sums.sorted().reduce(0, +) / targets.count
  }

  private func least(_ values: [Double], _ weights: [Double]) -> Double {
    func loss(_ x: Double) -> Double {
      zip(values, weights).reduce(0) { sum, pair in
        let d = abs(pair.0 - x)
        return sum + pair.1 * (reconstruction.loss == .l2 ? d * d : d < 1 ? 0.5 * d * d : d - 0.5)
      }
    }
    var (low, high) = (values.min() ?? 0, values.max() ?? 0)
    for _ in 0..<100 {
      let (a, b) = (low + (high - low) / 3, high - (high - low) / 3)
      if loss(a) < loss(b) { high = b } else { low = a }
    }
    return loss((low + high) / 2)
  }
}

/// Scenes of eight elements with three numbers each, some of them missing; every third has six elements.
public struct ToyScenes: SampleSource {
  public static let shape = DataShape(grid: GridShape(channels: 3, extent: [8], patch: [1]), unit: .points)
  public let samplesPerEpoch = 64

  public init() {}

  public func samples(at positions: Range<UInt64>) -> SampleBatch {
    var (values, observed, documents) = ([Float](), [Bool](), [Int32]())
    for position in positions {
      let sample = position % UInt64(samplesPerEpoch)
      let elements = sample % 3 == 2 ? 6 : 8
      documents += (0..<8).map { $0 < elements ? 0 : -1 }
      for place in 0..<24 {
        let isMeasured = place < 3 * elements && ToyValues.isMeasured(sample, place)
        observed.append(isMeasured)
        values.append(isMeasured ? ToyValues.number(sample, place) : 0)
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), indices: positions.map { $0 % UInt64(samplesPerEpoch) },
      epochs: positions.map { $0 / UInt64(samplesPerEpoch) }, length: 8, lookahead: 0, values: values, valueSize: 3,
      documentIDs: documents, observed: observed)
  }
}
