import Core
import Data
import Kernels
import Objectives
import Tensors

/// A record with what an objective predicts of it.
struct PredictedRecord {
  /// [positions, k], standardised.
  let numbers: [Float]
  /// Which of them were measured; empty for all.
  let observed: [Bool]
  /// Hidden positions, and those that are predicted and scored.
  let hidden: [Int]
  let scored: [Int]
  /// [scored, k], standardised, and which of these are scored (empty for all).
  let predicted: [Float]
  let isScored: [Bool]
  /// Visible positions of each scored one: those before it for a causal model.
  let visible: [[Int]]
}

/// Memory of a thread for the passes of an objective.
final class SizedWorkspace {
  let workspace: ObjectiveWorkspace
  private let arena: Arena

  /// - Parameter build: takes its matrices from the arena, without touching them.
  init(_ build: (Arena) -> ObjectiveWorkspace) { (arena, workspace) = Arena.sized(build) }
}

/// Hides records as an objective does for evaluation, and predicts them.
struct RecordPredictor: Sendable {
  let grid: GridShape
  /// Mean and deviation of each channel, in the data's units.
  let mean: [Double]
  let deviation: [Double]
  let positions: PositionGrid
  /// What the objective compares its predictions with.
  let target: ValueTarget
  private let objective: any Objective
  private let parameters: ParameterSet
  private let context: StepContext
  private let length: Int
  private let leading: Int
  private let isCausal: Bool

  /// - Throws: `ConfigurationError` for an objective that predicts no numbers of positions.
  init(_ context: MeasureContext, _ corpus: Corpus, _ measure: String) throws {
    let (objective, parameters) = try context.model.objectiveAndParameters()
    try self.init(objective, parameters, context, corpus, measure)
  }

  /// The same of an objective in memory.
  init(
    _ objective: any Objective, _ parameters: ParameterSet, _ context: MeasureContext, _ corpus: Corpus,
    _ measure: String
  ) throws {
    let model = context.model
    guard let grid = model.data.grid, let records = corpus.manifest.values else {
      throw ConfigurationError("--measure", is: measure, rule: "it needs a model and a corpus of numbers.")
    }
    (self.objective, self.parameters) = (objective, parameters)
    (self.grid, mean, deviation) = (grid, records.mean, records.deviation)
    (positions, length) = (PositionGrid(grid.positionGrid), grid.positions)
    (leading, isCausal) = (model.configuration.leadingRows, model.configuration.attentionMask == .causal)
    self.context = StepContext(seed: context.seed, step: 0, steps: 0, purpose: .evaluation)
    let batch = try model.samples(corpus, context.split).group(0, of: 1)
    let memory = SizedWorkspace { [length] in objective.workspace(samples: 1, length: length, $0) }
    guard
      let found = objective.predictions(
        objective.corrupt(batch, self.context), ObjectivePass(parameters, sink: nil, dropout: nil), memory.workspace)
    else {
      throw ConfigurationError(
        "--measure", is: measure, rule: "but \(model.objective.name) predicts no numbers of positions.")
    }
    target = found.target
  }

  func memory(_ samples: Int) -> SizedWorkspace {
    SizedWorkspace { objective.workspace(samples: samples, length: length, $0) }
  }

  /// A record per sample.
  func predict(_ clean: SampleBatch, _ memory: SizedWorkspace) throws -> [PredictedRecord] {
    let example = objective.corrupt(clean, context)
    let hidden = HiddenPositions.of(example, clean, leading: leading)
    guard
      let found = objective.predictions(
        example, ObjectivePass(parameters, sink: nil, dropout: nil), memory.workspace)
    else { preconditionFailure("an objective predicted numbers before and does not now") }
    let (values, k) = (found.inUnits(of: clean), clean.valueSize)
    return (0..<clean.count).map { sample in
      let isHidden = Set(hidden[sample])
      let own = found.places.indices.filter {
        found.places[$0] / length == sample && (isCausal || isHidden.contains(found.places[$0] % length))
      }
      let real = clean.realPositions(sample)
      let shown = real.filter { !isHidden.contains($0) }
      let scored = own.map { found.places[$0] % length }
      let place = sample * length * k..<(sample + 1) * length * k
      return PredictedRecord(
        numbers: Array(clean.values[place]), observed: clean.observed.isEmpty ? [] : Array(clean.observed[place]),
        hidden: hidden[sample], scored: scored, predicted: own.flatMap { values[$0 * k..<($0 + 1) * k] },
        isScored: found.isScored.isEmpty ? [] : own.flatMap { found.isScored[$0 * k..<($0 + 1) * k] },
        visible: scored.map { position in isCausal ? real.filter { $0 < position } : shown })
    }
  }

  /// The channel of number `k` of a position.
  func channel(_ position: Int, _ k: Int) -> Int {
    grid.separateChannels ? position / grid.grid.reduce(1, *) : k / grid.patch.reduce(1, *)
  }

  /// A standardised number in the data's units.
  func inUnits(_ value: Double, _ position: Int, _ k: Int) -> Double {
    let channel = channel(position, k)
    return value * deviation[channel] + mean[channel]
  }

  /// What the nearest visible positions say of scored position `index`: per channel of a position, the mean of their
  /// measured numbers; 0 where there are none.
  func neighbours(_ record: PredictedRecord, _ index: Int) -> [Double] {
    let nearest = positions.nearest(to: record.scored[index], among: record.visible[index])
    let (k, own) = (grid.size, grid.patch.reduce(1, *))
    var result = [Double](repeating: 0, count: k)
    for start in stride(from: 0, to: k, by: own) {
      var (sum, count) = (0.0, 0.0)
      for position in nearest {
        for place in position * k + start..<position * k + start + own
        where record.observed.isEmpty || record.observed[place] {
          sum += Double(record.numbers[place])
          count += 1
        }
      }
      for j in start..<start + own { result[j] = count > 0 ? sum / count : 0 }
    }
    return result
  }
}

/// Squared errors of a record, summed over its scored numbers.
struct HiddenErrors {
  static let columns = 10
  private(set) var row: [Double]

  var count: Double { row[0] }
  /// In standardised units: of the model, the training mean, the neighbours.
  var model: Double { row[1] }
  var mean: Double { row[2] }
  var neighbours: Double { row[3] }
  /// The same in the data's units.
  var modelInUnits: Double { row[4] }
  var meanInUnits: Double { row[5] }
  var neighboursInUnits: Double { row[6] }
  /// Of the whole record, in the data's units.
  var smallest: Double { row[7] }
  var largest: Double { row[8] }
  /// Scored positions.
  var positions: Double { row[9] }

  init(row: some Sequence<Double>) { self.row = Array(row) }

  init(_ record: PredictedRecord, _ predictor: RecordPredictor) {
    let k = predictor.grid.size
    row = [Double](repeating: 0, count: Self.columns)
    (row[7], row[8], row[9]) = (.infinity, -.infinity, Double(record.scored.count))
    for (place, number) in record.numbers.enumerated() where record.observed.isEmpty || record.observed[place] {
      let value = predictor.inUnits(Double(number), place / k, place % k)
      (row[7], row[8]) = (min(row[7], value), max(row[8], value))
    }
    for (index, position) in record.scored.enumerated() {
      let neighbours = predictor.neighbours(record, index)
      for j in 0..<k where record.isScored.isEmpty || record.isScored[index * k + j] {
        let truth = Double(record.numbers[position * k + j])
        let deviation = predictor.deviation[predictor.channel(position, j)]
        row[0] += 1
        for (column, guess) in [Double(record.predicted[index * k + j]), 0, neighbours[j]].enumerated() {
          let squared = (guess - truth) * (guess - truth)
          row[1 + column] += squared
          row[4 + column] += squared * deviation * deviation
        }
      }
    }
  }
}
