import Core
import Layers
import Models
import Tensors

/// The part that most text objectives share: one transformer, and one softmax cross-entropy over the vocabulary at
/// the rows with a loss weight.
public struct TokenPrediction: Sendable {
  public let transformer: Transformer
  public let networks: NetworkSet

  /// - Parameter roleIDs: inputs have roleIDs, whose embeddings are those of tokens.
  public init(_ model: ModelConfiguration, roleIDs: Bool = false) {
    var layout = ParameterLayout()
    transformer = Transformer(model, into: &layout)
    if roleIDs, let token = transformer.embedding.token { layout.addUses(of: token..<token + 1) }
    networks = NetworkSet(trained: layout)
  }

  public final class Workspace: ObjectiveWorkspace {
    public let transformer: Transformer.Workspace

    init(_ model: Transformer, samples: Int, length: Int, _ arena: Arena) {
      transformer = Transformer.Workspace(model, samples: samples, length: length, arena)
    }
  }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    Workspace(transformer, samples: samples, length: length, arena)
  }

  /// The loss sum of the example's single term; backward when the pass has a sink.
  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scale: Float, _ workspace: ObjectiveWorkspace
  ) -> Double {
    guard let workspace = workspace as? Workspace, let head = transformer.head, let saved = workspace.transformer.head
    else {
      preconditionFailure("token prediction needs its own workspace and a vocabulary head")
    }
    let (targets, pass) = (example.targets[0], pass.trained())
    let input = example.inputs[0].selecting(targets.rows)
    let hidden = transformer.forward(input, pass, workspace.transformer)
    let gradient = transformer.beginGradient(input, pass, workspace.transformer)
    let loss = head.loss(hidden, targets.tokens, scale: scale, pass, saved, gradient: gradient)
    if pass.sink != nil { transformer.backward(input, pass, workspace.transformer) }
    return loss
  }
}

/// An objective that is `TokenPrediction` behind a corruption of its own.
public protocol TokenObjective: Objective {
  var prediction: TokenPrediction { get }
}

extension TokenObjective {
  public var networks: NetworkSet { prediction.networks }
  public var encoder: Transformer { prediction.transformer }
  public var terms: [LossTerm] { [LossTerm("loss")] }
  public func trivialLoss(term: Int) -> Double? {
    naturalLogarithm(ofCount: prediction.transformer.configuration.vocabSize)
  }

  public func trainingFlops(_ example: TrainingExample) -> Double {
    let rows = example.targets[0].rows
    return encoder.configuration.trainingFlops(example.inputs[0].selecting(rows), logits: rows.count)
  }

  public func workspace(samples: Int, length: Int, _ arena: Arena) -> ObjectiveWorkspace {
    prediction.workspace(samples: samples, length: length, arena)
  }

  public func lossAndGradient(
    _ example: TrainingExample, _ pass: ObjectivePass, scales: [Float], _ workspace: ObjectiveWorkspace
  ) -> [Double] {
    [prediction.lossAndGradient(example, pass, scale: scales[0], workspace)]
  }
}
