import Core
import Kernels
import Layers
import Models
import Objectives

/// A toy encoder of numbers behind [CLS], as `Architecture.vit` has it.
func toyVisionModel() -> ModelConfiguration {
  var model = Architecture.vit.model(maxPosition: 0, hiddenSize: 8, numLayers: 2, numHeads: 2)
  model.intermediateSize = 7
  ToyValues.shape.fill(&model)
  return model
}

/// The reference of a masked autoencoder with one regression head.
extension ReferencedObjective where Self: ReconstructionObjective {
  public static func checkModel() -> ModelConfiguration { toyVisionModel() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyValues.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyValues(hasMissing: true) }
  public static var overfitRate: Float { 0.2 }

  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let (whole, leading) = (example.inputs[1], encoder.configuration.leadingRows)
    return MaskedAutoencoder.hiddenRows(example).map { ($0 / whole.length, $0 % whole.length - leading) }
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let targets = example.targets[0]
    let decoded = scope.decoded(example, reconstruction.autoencoder)
    let rows = reconstruction.decoderRows(targets.rows, example)
    return [
      scope.regression(
        reconstruction.loss, scope.linear("output", decoded.taking(rows: rows), inputMajor: false), targets.numbers)
    ]
  }
}

extension Scope {
  /// The decoder's hidden states of a masked autoencoder.
  func decoded(_ example: TrainingExample, _ autoencoder: MaskedAutoencoder) -> Value {
    var above = self
    above.siteOffset = 1 << 24
    return above.hidden(
      prefix: "decoder.", example.inputs[1], autoencoder.decoder.configuration,
      rows: hidden(example.inputs[0], autoencoder.encoder.configuration))
  }
}

extension MAE: ReferencedObjective {}

/// The reference of an encoder with regression heads.
extension ReferencedObjective where Self: ValueObjective {
  public static func checkModel() -> ModelConfiguration { toyVisionModel() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyValues.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyValues(hasMissing: true) }
  public static var overfitRate: Float { 0.2 }

  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let (input, leading) = (example.inputs[0], encoder.configuration.leadingRows)
    return input.learned.indices.filter { input.learned[$0] >= leading }.map {
      ($0 / input.length, $0 % input.length - leading)
    }
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let targets = example.targets[0]
    let (hidden, rows) = (
      scope.hidden(example.inputs[0], encoder.configuration), prediction.networkRows(targets.rows, example)
    )
    let losses = prediction.heads.indices.map { index -> Value in
      let own = targets.at(offset: index + 1, of: prediction.heads.count)
      let name = prediction.heads.count == 1 ? "output" : "output.\(index + 1)"
      let states = hidden.taking(rows: own.indices.map { rows[$0] })
      let predicted = scope.linear(name, scope.transformed(name, states, encoder.configuration), inputMajor: false)
      return scope.regression(prediction.loss, predicted, own.numbers)
    }
    return [losses.dropFirst().reduce(losses[0]) { $0 + $1 }]
  }
}

extension SimMIM: ReferencedObjective {}

extension Scope {
  /// LN(GELU(V·h + c)) where a head has V, else h.
  func transformed(_ name: String, _ hidden: Value, _ c: ModelConfiguration) -> Value {
    guard optional("\(name).dense.weight") != nil else { return hidden }
    return norm(
      "\(name).norm", activation(.gelu, linear("\(name).dense", hidden, inputMajor: false)), .layer,
      epsilon: c.normEps)
  }
}

extension TERA: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration { toySeriesModel() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToySteps.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToySteps() }
  public static var overfitRate: Float { 0.03 }

  /// Frames of which all is marked and nothing shown.
  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let (targets, input) = (example.targets[0], example.inputs[0])
    let rows = prediction.networkRows(targets.rows, example)
    let (size, leading) = (ToySteps.shape.grid?.size ?? 0, encoder.configuration.leadingRows)
    return targets.rows.indices.filter { index in
      targets.elementWeights[index * size..<(index + 1) * size].allSatisfy { $0 > 0 }
        && input.values[rows[index] * size..<(rows[index] + 1) * size].allSatisfy { $0 == 0 }
    }.map { (rows[$0] / input.length, rows[$0] % input.length - leading) }
  }
}

extension ColorMAE: ReferencedObjective {}
extension TiMAE: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration { toySeriesModel() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToySteps.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToySteps() }
}
extension WholeHeart: ReferencedObjective {}

extension NextValues: ReferencedObjective {
  /// Without [CLS], so that row i is position i.
  public static func checkModel() -> ModelConfiguration { toyCausalModel() }
}

extension DiverseValues: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration { toyCausalModel() }

  /// Σ w times the measured share of each row.
  public func wantedCount(term: Int, _ targets: TermTargets, _ clean: SampleBatch) -> Double {
    let k = targets.values.count / targets.rows.count
    return targets.rows.indices.reduce(0) { sum, row in
      let own = targets.elementWeights[row * k..<(row + 1) * k].count { $0 > 0 }
      return sum + Double(targets.weights[row]) * Double(Float(own) / Float(k))
    }
  }
}

extension VariableLengthPatches: ReferencedObjective {
  /// The samples with targets.
  public func wantedCount(term: Int, _ targets: TermTargets, _ clean: SampleBatch) -> Double {
    Double(Set(targets.rows.map { $0 / clean.length }).count)
  }
}

extension FullyExploredPatches: ReferencedObjective {}

private func toyCausalModel() -> ModelConfiguration {
  var model = toyVisionModel()
  (model.attentionMask, model.prediction, model.leadingRows, model.learnedRows) = (.causal, .next, 0, 0)
  return model
}

/// A small encoder of the toy series.
func toySeriesModel() -> ModelConfiguration {
  var model = toyVisionModel()
  ToySteps.shape.fill(&model)
  return model
}

/// Series of 24 steps of two channels, of which every third sample is shorter and ends in padding.
public struct ToySteps: SampleSource {
  public static let shape = DataShape(grid: GridShape(channels: 2, extent: [steps], patch: [1]), unit: .steps)
  public let samplesPerEpoch = 64
  private static let steps = 24

  public init() {}

  public func samples(at positions: Range<UInt64>) -> SampleBatch {
    var (values, observed, documents) = ([Float](), [Bool](), [Int32]())
    for position in positions {
      let sample = position % UInt64(samplesPerEpoch)
      let length = sample % 3 == 2 ? 15 : Self.steps
      for step in 0..<Self.steps {
        documents.append(step < length ? 0 : -1)
        for channel in 0..<2 {
          let isMeasured = step < length && ToyValues.isMeasured(sample, 2 * step + channel)
          observed.append(isMeasured)
          values.append(isMeasured ? ToyValues.number(sample, 12 * channel + step) : 0)
        }
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), indices: positions.map { $0 % UInt64(samplesPerEpoch) },
      epochs: positions.map { $0 / UInt64(samplesPerEpoch) }, length: Self.steps, lookahead: 0, values: values,
      valueSize: 2,
      documentIDs: documents, observed: observed)
  }
}
