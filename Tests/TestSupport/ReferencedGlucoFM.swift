import Core
import Glibc
import Layers
import Models
import Objectives
import Tensors

extension GlucoFM: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration {
    var model = toyVisionModel()
    ToyDays.shape.fill(&model)
    return model
  }

  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyDays.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyDays() }
  public static var overfitRate: Float { 0.2 }

  /// Every hidden patch in which anything was measured.
  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let length = example.inputs[0].length - encoder.configuration.leadingRows
    return example.targets[0].rows.map { ($0 / length, $0 % length) }
  }

  public func encoderRows(_ input: SequenceInput, _ parameters: ParameterStore) -> [Float]? {
    tokens(input, parameters)
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    guard let following = auxiliaries["teacher"] else { return [] }
    let (c, input, leading) = (encoder.configuration, example.inputs[0], encoder.configuration.leadingRows)
    let (own, taught) = (streams(input, scope), streams(example.inputs[1], following))
    let hidden = scope.hidden(input, c, rows: .besides([own.state, own.event]))
    let latents = following.hidden(example.inputs[1], c, rows: .besides([taught.state, taught.event]))
    let (first, second) = (example.targets[0], example.targets[1])
    let length = input.length - leading
    let rows = first.rows.map { $0 / length * input.length + leading + $0 % length }

    func loss(_ name: String, _ x: Value, _ target: Value, _ weights: [Float], share: Double = 1) -> Value {
      let predicted = scope.linear(name, scope.transformed(name, x, c), inputMajor: false)
      let factors = weights.map { share * Double($0) / Double(x.columns) }
      return ((predicted - target.stopped()).smoothAbsolute(1) * scope.tape.leaf(weights.count, 1, factors)).total()
    }
    let next = second.rows.map { $0 + 1 }
    return [
      loss("context", hidden.taking(rows: rows), latents.taking(rows: rows), first.weights),
      loss(
        "dynamics.state", own.state.taking(rows: second.rows), taught.state.taking(rows: next), second.weights,
        share: 0.5)
        + loss(
          "dynamics.event", own.event.taking(rows: second.rows), taught.event.taking(rows: next), second.weights,
          share: 0.5),
    ]
  }

  /// State and event tokens [samples · patches, S], from the definition: every step with the steps before it.
  private func streams(_ input: SequenceInput, _ scope: Scope) -> (state: Value, event: Value) {
    let (leading, lag, tape) = (encoder.configuration.leadingRows, options.smoothingLag, scope.tape)
    let (length, p) = (input.length - leading, input.values.count / input.rows / 2)
    let steps = length * p
    /// x, or o with `part` 1, of step t of a sample; 0 before the first.
    func number(_ sample: Int, _ t: Int, _ part: Int) -> Double {
      guard t >= 0 else { return 0 }
      return Double(input.values[(sample * input.length + leading + t / p) * 2 * p + part * p + t % p])
    }
    let all = input.sampleIDs.indices.flatMap { sample in (0..<steps).map { (sample, $0) } }
    func windows(_ f: (Int, Int) -> Double) -> Value {
      tape.leaf(all.count, lag + 1, all.flatMap { place in (0...lag).map { f(place.0, place.1 - $0) } })
    }
    let (low, high) = (options.minSmoothing, options.maxSmoothing)
    let start = log((options.smoothing - low) / (high - options.smoothing))
    let share = tape.scalar(1) / (((scope.parameter("streams.deviation") + start) * -1).exponential() + 1)
    let sigma = share * (high - low) + low
    let squares = tape.leaf(1, lag + 1, (0...lag).map { -Double($0 * $0) / 2 })
    let weights = (squares / (sigma * sigma)).exponential()
    let covered = all.map { place in
      (0...lag).contains { number(place.0, place.1 - $0, 1) != 0 } ? 1.0 : 0
    }
    let sums = (windows { number($0, $1, 0) * number($0, $1, 1) } * weights).rowSums()
    // Where nothing is covered the quotient is 0 / 1.
    let nothing = tape.leaf(all.count, 1, covered.map { 1 - $0 })
    let state = sums / ((windows { number($0, $1, 1) } * weights).rowSums() + nothing)
    let measured = tape.leaf(all.count, 1, all.map { number($0.0, $0.1, 1) })
    let event = (tape.leaf(all.count, 1, all.map { number($0.0, $0.1, 0) }) - state) * measured
    /// [steps, 1] twice becomes [patches, 2p].
    func tokens(_ name: String, _ values: Value, _ marks: Value) -> Value {
      let columns = [values, marks].flatMap { column in
        (0..<p).map { k in column.taking(rows: (0..<all.count / p).map { $0 * p + k }) }
      }
      return scope.linear("streams.\(name)", .besides(columns), inputMajor: false)
    }
    return (tokens("state", state, tape.leaf(all.count, 1, covered)), tokens("event", event, measured))
  }
}

/// Series of 24 steps in patches of three, with gaps; every third sample is shorter and ends in padding.
public struct ToyDays: SampleSource {
  public static let shape = DataShape(grid: GridShape(channels: 1, extent: [24], patch: [3]), unit: .steps)
  public let samplesPerEpoch = 64
  /// Whether some numbers are missing.
  public let hasMissing: Bool

  public init(hasMissing: Bool = true) { self.hasMissing = hasMissing }

  public func samples(at positions: Range<UInt64>) -> SampleBatch {
    var (values, observed, documents) = ([Float](), [Bool](), [Int32]())
    for position in positions {
      let sample = position % UInt64(samplesPerEpoch)
      let patches = sample % 3 == 2 ? 6 : 8
      documents += (0..<8).map { $0 < patches ? 0 : -1 }
      for step in 0..<24 {
        let isMeasured = step < 3 * patches && (!hasMissing || ToyValues.isMeasured(sample, step))
        observed.append(isMeasured)
        values.append(isMeasured ? ToyValues.number(sample, step) : 0)
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), indices: positions.map { $0 % UInt64(samplesPerEpoch) },
      epochs: positions.map { $0 / UInt64(samplesPerEpoch) }, length: 8, lookahead: 0, values: values, valueSize: 3,
      documentIDs: documents, observed: observed)
  }
}
