import Core
import Kernels
import Layers
import Models
import Objectives

extension XMAE: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration {
    var model = toyVisionModel()
    ToyPairs.shape.fill(&model)
    return model
  }

  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyPairs.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyPairs() }
  public static var overfitRate: Float { 0.2 }

  /// The context's positions; the others are the target encoder's.
  public func isRead(_ position: Int) -> Bool {
    position / (encoder.configuration.maxPosition / 2) == options.contextChannel
  }

  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let (queries, leading) = (example.inputs[2], encoder.configuration.leadingRows)
    let first = options.targetChannel * (queries.length - leading)
    return queries.learned.indices.filter { queries.learned[$0] >= 0 }.map {
      ($0 / queries.length, first + $0 % queries.length - leading)
    }
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    var (below, above, small, reading) = (scope, scope, encoder.configuration, encoder.configuration)
    (below.siteOffset, above.siteOffset) = (1 << 24, 2 << 24)
    small.numLayers = options.targetNumLayers
    (reading.inputSize, reading.learnedRows) = (small.hiddenSize, 1)
    let (queries, targets, samples) = (example.inputs[2], example.targets[0], example.inputs[0].sampleIDs.count)
    let shift = options.partner == .own ? 0 : 1
    let context = scope.hidden(example.inputs[0], encoder.configuration)
      .taking(rows: (0..<queries.rows).map { ($0 + shift * queries.length) % queries.rows })
    let x = above.embedding(
      "bridge.embedding", queries, reading, rows: below.hidden(prefix: "target.", example.inputs[1], small))
    let y = above.crossBlock("bridge", x, rows: context, queries, reading) { sample, query, key in
      queries.visible?[(sample + shift) % samples, query, key] ?? false
    }
    // Of a record [channels · N] to the queries of one channel.
    let leading = queries.length - encoder.configuration.maxPosition / 2
    let n = queries.length - leading
    let rows = targets.rows.map { $0 / (2 * n) * queries.length + leading + $0 % n }
    return [scope.regression(.l2, scope.linear("output", y.taking(rows: rows), inputMajor: false), targets.numbers)]
  }
}

/// Records of two channels of 24 steps in patches of four: a wave, and a later one of half its size; with gaps. Every
/// third sample is shorter and ends in padding.
public struct ToyPairs: SampleSource {
  public static let shape = DataShape(
    grid: GridShape(channels: 2, extent: [24], patch: [4], separateChannels: true), unit: .steps)
  public let samplesPerEpoch = 64

  public init() {}

  public func samples(at positions: Range<UInt64>) -> SampleBatch {
    var (values, observed, documents) = ([Float](), [Bool](), [Int32]())
    for position in positions {
      let sample = position % UInt64(samplesPerEpoch)
      let patches = sample % 3 == 2 ? 4 : 6
      for channel in 0..<2 {
        documents += (0..<6).map { $0 < patches ? 0 : -1 }
        for step in 0..<24 {
          let isMeasured = step < 4 * patches && ToyValues.isMeasured(sample, 24 * channel + step)
          observed.append(isMeasured)
          let wave = channel == 0 ? ToyValues.number(sample, step) : 0.5 * ToyValues.number(sample, max(step - 2, 0))
          values.append(isMeasured ? wave : 0)
        }
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), indices: positions.map { $0 % UInt64(samplesPerEpoch) },
      epochs: positions.map { $0 / UInt64(samplesPerEpoch) }, length: 12, lookahead: 0, values: values, valueSize: 4,
      documentIDs: documents, observed: observed)
  }
}
