import Core
import Kernels
import Layers
import Models
import Tensors

/// One transformer that reads every position of a sample of numbers, and a linear head that regresses numbers at some
/// of its rows; of several heads, the one of a target's offset.
///
/// *Concretely:* L = Σ w·ℓ(h·W + b, y) / Σ w over the rows with a target.
public struct ValuePrediction: Sendable {
  public let encoder: Transformer
  /// One for each offset; one alone where there are none.
  public let heads: [RegressionHead]
  public let networks: NetworkSet
  /// How a prediction is scored.
  public let loss: RegressionLoss
  /// The encoder as checkpoints are written, with its one linear head if it has such a head.
  public var exported: ModelConfiguration {
    var model = encoder.configuration
    if heads.count == 1, !heads[0].hasTransform { model.head = .values }
    return model
  }
  /// From a row of the samples' positions to the row that predicts it: 0, or the leading rows.
  private let shift: Int
  /// From a row with a target one position ahead to that position: 0, or 1 without [CLS].
  let ahead: Int
  /// What predictions are compared with.
  let target: ValueTarget

  /// - Parameters:
  ///   - rowsAreShifted: row i of a sample's targets is the network's row behind the leading ones; false where rows are
  ///     those of the network, as for predictions ahead.
  ///   - target: what predictions are compared with.
  ///   - transform: of the heads; see `RegressionHead`.
  public init(
    _ model: ModelConfiguration, size: Int, heads count: Int = 1, loss: RegressionLoss, rowsAreShifted: Bool = true,
    target: ValueTarget = .values, transform: Bool = false
  ) {
    var layout = ParameterLayout()
    heads = (1...count).map {
      RegressionHead(
        count == 1 ? "output" : "output.\($0)", model, size: size, transform: transform, into: &layout)
    }
    encoder = Transformer(model, head: false, into: &layout)
    (networks, self.loss, shift) = (NetworkSet(trained: layout), loss, rowsAreShifted ? model.leadingRows : 0)
    (ahead, self.target) = (rowsAreShifted ? 0 : 1 - model.leadingRows, target)
  }

  /// Memory of a worker.
  public typealias Workspace = (network: Transformer.Workspace, head: RegressionHead.Saved)

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> Workspace {
    (
      Transformer.Workspace(
        encoder, samples: samples, length: encoder.configuration.leadingRows + length, arena),
      RegressionHead.Saved(heads[0], rows: samples * length, arena)
    )
  }

  /// The network's rows of rows [samples · length].
  public func networkRows(_ rows: [Int], _ example: TrainingExample) -> [Int] {
    let (leading, own) = (encoder.configuration.leadingRows, example.inputs[0].length)
    let length = own - leading
    return rows.map { $0 / length * own + shift + $0 % length }
  }

  /// The loss sum of the first term; backward where the pass has a sink.
  public func lossAndGradient(_ example: TrainingExample, _ pass: ObjectivePass, scale: Float, _ w: Workspace)
    -> Double
  {
    let (targets, trained) = (example.targets[0], pass.trained())
    let rows = networkRows(targets.rows, example)
    let input = example.inputs[0].selecting(rows)
    let hidden = encoder.forward(input, trained, w.network)
    let gradient = encoder.beginGradient(input, trained, w.network)
    var total = 0.0
    for (index, head) in heads.enumerated() {
      let own = targets.at(offset: index + 1, of: heads.count)
      total += head.loss(
        loss, hidden, rows: own.indices.map { rows[$0] }, own.numbers, scale: scale, trained, w.head,
        gradient: gradient)
    }
    if gradient != nil { encoder.backward(input, trained, w.network) }
    return total
  }

  /// Required flops on an example.
  public func trainingFlops(_ example: TrainingExample) -> Double {
    let targets = example.targets[0].rows
    let input = example.inputs[0].selecting(networkRows(targets, example))
    return encoder.configuration.trainingFlops(input, logits: 0)
      + 6 * Double(encoder.configuration.hiddenSize * heads[0].size * targets.count)
  }
}

extension TermTargets {
  /// The targets at one offset, of `count` there may be, with their places among all.
  public func at(offset: Int, of count: Int) -> (indices: [Int], numbers: RegressionTargets) {
    if count == 1 || offsets.isEmpty { return offset == 1 ? (Array(rows.indices), numbers) : ([], .none) }
    let mine = offsets.indices.filter { offsets[$0] == offset }
    let k = values.count / max(rows.count, 1)
    func own(_ all: [Float]) -> [Float] { all.isEmpty ? [] : mine.flatMap { all[$0 * k..<($0 + 1) * k] } }
    return (
      mine,
      RegressionTargets(values: own(values), weights: mine.map { weights[$0] }, elementWeights: own(elementWeights))
    )
  }
}

/// An objective that is `ValuePrediction` behind a corruption of its own.
public protocol ValueObjective: Objective {
  /// The network with its heads.
  var prediction: ValuePrediction { get }
}

extension ValueObjective {
  public var networks: NetworkSet { prediction.networks }
  public var encoder: Transformer { prediction.encoder }
  public var exported: ModelConfiguration { prediction.exported }
  public var terms: [LossTerm] { [LossTerm("loss")] }

  /// The loss of zeros depends on the data: nothing that is known in advance.
  public func trivialLoss(term: Int) -> Double? { nil }

  public func trainingFlops(_ example: TrainingExample) -> Double { prediction.trainingFlops(example) }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    PartsWorkspace(prediction.workspace(samples: samples, length: length, arena))
  }

  public func predictions(
    _ example: TrainingExample, _ pass: ObjectivePass, _ workspace: ObjectiveWorkspace
  ) -> ValuePredictions? {
    prediction.predictions(example, pass, PartsWorkspace<ValuePrediction.Workspace>.parts(of: workspace))
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    [
      prediction.lossAndGradient(
        example, pass, scale: scales[0], PartsWorkspace<ValuePrediction.Workspace>.parts(of: workspace))
    ]
  }
}

extension DataShape {
  /// The grid of an objective on numbers.
  /// - Throws: `ConfigurationError` for data without numbers, or with fewer positions than two.
  func requireGrid(_ objective: String) throws(ConfigurationError) -> GridShape {
    guard let grid else {
      throw ConfigurationError("objective.name", "is \(objective), which needs a corpus of numbers.")
    }
    guard grid.positions >= 2 else {
      throw ConfigurationError(
        "data.patch", "leaves \(grid.positions) position of a record; \(objective) needs two at least.")
    }
    return grid
  }
}
