import Core
import Glibc
import Kernels
import Layers
import Models
import Objectives

/// The references of objectives with losses on the states of single tokens: `mto` and `hybrid-distill`.
extension MTO: ReferencedObjective {
  /// The states of hidden patches cannot be flat and peaked, and their similarities have least values of their own.
  public func canOverfit(term: Int) -> Bool { term == 0 }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    let (input, targets, outputs) = (example.inputs[0], example.targets, BlockOutputs())
    let (leading, length) = (encoder.configuration.leadingRows, input.length - encoder.configuration.leadingRows)
    let hidden = scope.hidden(input, encoder.configuration, outputs: outputs)
    let predicted = scope.linear(
      "output", hidden.taking(rows: prediction.networkRows(targets[0].rows, example)), inputMajor: false)
    var sums = [Value](repeating: scope.tape.scalar(0), count: 3)
    for (sample, rows) in Dictionary(grouping: targets[1].rows, by: { $0 / length }).sorted(by: { $0.key < $1.key }) {
      let start = sample * input.length
      let own = rows.map { start + leading + $0 % length }
      let end = start + Int(input.ranges.end[start + leading])
      let visible = (start + leading..<end).filter { !own.contains($0) }
      let (first, last) = (outputs.values[0], outputs.values[outputs.values.count - 1])
      func entropies(_ states: Value) -> Value {
        states.taking(rows: own).cosineSoftmax(states.taking(rows: visible), options.temperature).entropies()
          * (1 / log(Double(visible.count)))
      }
      sums[0] = sums[0] + (entropies(first) * -1 + 1).total()
      sums[1] = sums[1] + entropies(last).total()
      let states = first.taking(rows: own)
      let ones = scope.tape.leaf(1, own.count, [Double](repeating: 1 / Double(own.count), count: own.count))
      let difference = states - ones.times(states)
      sums[2] = sums[2] + (difference * difference).total() * (1 / Double(states.columns))
    }
    return [scope.regression(.l1, predicted, targets[0].numbers)] + sums
  }
}

extension HybridDistill: ReferencedObjective {
  public static func checkModel() -> ModelConfiguration { toyVisionModel() }
  public static func checkData(_ model: ModelConfiguration) -> DataShape { ToyValues.shape }
  public static func checkSource(_ model: ModelConfiguration) -> any SampleSource { ToyValues(hasMissing: true) }
  public static var overfitRate: Float { 0.2 }

  /// A student that sees less than its teacher has relations that it cannot have.
  public func canOverfit(term: Int) -> Bool { term == 0 }

  public func hiddenPositions(_ example: TrainingExample, _ vocabulary: Vocabulary) -> [(sample: Int, position: Int)] {
    let (own, all) = (example.inputs[0], example.inputs[1])
    let leading = encoder.configuration.leadingRows
    func places(_ input: SequenceInput) -> Set<Int> {
      Set(
        (0..<input.rows).filter { $0 % input.length >= leading }.map {
          $0 / input.length * all.length + Int(input.positionIDs[$0])
        })
    }
    return places(all).subtracting(places(own)).sorted().map { ($0 / all.length, $0 % all.length - leading) }
  }

  public func referenceLosses(_ example: TrainingExample, _ scope: Scope, auxiliaries: [String: Scope]) -> [Value] {
    guard let features = auxiliaries["feature_teacher"], let relations = auxiliaries["relation_teacher"] else {
      preconditionFailure("two teachers")
    }
    let (c, input, whole, targets) = (
      encoder.configuration, example.inputs[0], example.inputs[1], example.targets
    )
    let (own, taught) = (BlockOutputs(), BlockOutputs())
    let hidden = scope.hidden(input, c, outputs: own)
    let final = features.hidden(whole, c)
    _ = relations.hidden(whole, c, outputs: taught)
    let positions = whole.length - c.leadingRows
    func wholeRow(_ row: Int) -> Int { row / positions * whole.length + c.leadingRows + row % positions }
    func studentRow(_ row: Int) -> Int {
      let start = row / positions * input.length
      return (start + c.leadingRows..<start + input.length).first {
        Int(input.positionIDs[$0]) == c.leadingRows + row % positions
      } ?? -1
    }
    let wanted = RegressionTargets(
      values: final.taking(rows: targets[0].rows.map(wholeRow)).rowsNormalized(), weights: targets[0].weights)
    let predicted = scope.linear(
      "output", hidden.taking(rows: targets[0].rows.map(studentRow)), inputMajor: false)
    let featureLoss = scope.regression(.smoothL1, predicted, wanted)
    let middle = (c.numLayers - 1) / 2
    var relationLoss = scope.tape.scalar(0)
    for (_, rows) in Dictionary(grouping: targets[1].rows, by: { $0 / positions }).sorted(by: { $0.key < $1.key }) {
      let s = own.values[middle].taking(rows: rows.map(studentRow))
      let t = taught.values[middle].taking(rows: rows.map(wholeRow)).stopped()
      let (p, q) = (
        s.cosineSoftmax(s, options.temperature, skipsSelf: true),
        t.cosineSoftmax(t, options.temperature, skipsSelf: true)
      )
      // Each token but itself: q · ln(q / p).
      let others = (0..<rows.count * rows.count).map { $0 / rows.count == $0 % rows.count ? 0.0 : 1 }
      let mask = scope.tape.leaf(rows.count, rows.count, others)
      let fill = mask * -1 + 1
      relationLoss = relationLoss + (q * ((q + fill).logarithm() - (p + fill).logarithm()) * mask).total()
    }
    return [featureLoss, relationLoss]
  }
}

extension Value {
  /// Softmax over the rows of the cosines with `keys`; without a row's own place where `skipsSelf`.
  func cosineSoftmax(_ keys: Value, _ temperature: Double, skipsSelf: Bool = false) -> Value {
    func unit(_ v: Value) -> Value { v / (v * v).rowSums().squareRoot() }
    var weights = (unit(self).times(unit(keys), transposed: true) * (1 / temperature)).exponential()
    if skipsSelf {
      weights = weights * tape.leaf(rows, rows, (0..<rows * rows).map { $0 / rows == $0 % rows ? 0 : 1 })
    }
    return weights / weights.rowSums()
  }

  /// -Σ p · ln p of each row.
  func entropies() -> Value { (self * logarithm()).rowSums() * -1 }

  /// Each row with mean 0 and variance 1, of numbers through which no gradient flows.
  func rowsNormalized() -> [Float] {
    let n = Double(columns)
    return (0..<rows).flatMap { row -> [Float] in
      let own = data[row * columns..<(row + 1) * columns]
      let mean = own.reduce(0, +) / n
      let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
      return own.map { Float(($0 - mean) / (variance + 1e-6).squareRoot()) }
    }
  }
}
