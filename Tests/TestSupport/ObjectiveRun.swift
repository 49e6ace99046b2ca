import Core
import Kernels
import Layers
import Models
import Objectives
import Tensors

/// An objective with parameters and memory, as a worker has it.
public final class ObjectiveRun {
  let objective: any ReferencedObjective
  public let parameters: ParameterSet
  let samples: Int
  let length: Int
  let dropout = CounterGenerator(seed: 21, purpose: .dropout)
  private var held = HeldNumbers()

  /// Auxiliary networks get values of their own, so that a gradient or a value taken from the wrong network shows.
  public init(_ objective: any ReferencedObjective, samples: Int, length: Int, seed: UInt64, deviation: Float = 0.4) {
    BLAS.useOneThread()
    (self.objective, self.samples, self.length) = (objective, samples, length)
    parameters = ParameterSet(objective.networks)
    fillForCheck(parameters.trained, seed: seed, deviation: deviation)
    for (i, auxiliary) in objective.networks.auxiliaries.enumerated() {
      fillForCheck(parameters.auxiliary(auxiliary.name), seed: seed &+ 1_000_003 &* UInt64(i + 1), deviation: deviation)
    }
  }

  /// Fresh memory full of NaNs, as a first step would not have it.
  public func run(_ example: TrainingExample, scales: [Float], gradient: Bool = true, dropout: Bool = false) -> (
    losses: [Double], sink: RecordingSink
  ) {
    let (arena, workspace) = Arena.sized { objective.workspace(samples: samples, length: length, $0) }
    arena.fill(.nan)
    let sink = RecordingSink(objective.networks.trained)
    let pass = ObjectivePass(parameters, sink: gradient ? sink : nil, dropout: dropout ? self.dropout : nil)
    return withExtendedLifetime(arena) { (objective.lossAndGradient(example, pass, scales: scales, workspace), sink) }
  }

  /// The example after the networks' own choice.
  public func settled(_ example: TrainingExample) -> TrainingExample {
    let (arena, workspace) = Arena.sized { objective.workspace(samples: samples, length: length, $0) }
    arena.fill(.nan)
    return withExtendedLifetime(arena) {
      objective.settled(example, ObjectivePass(parameters, sink: nil, dropout: nil), workspace)
    }
  }

  /// λ / count, with the counts of this example as those of the whole batch.
  func scales(_ example: TrainingExample) -> [Float] {
    zip(objective.terms, example.counts).map { Float($0.weight / max($1, 1)) }
  }

  /// The hidden states of the main network, without dropout.
  func hidden(_ example: TrainingExample) -> [Float] {
    let (encoder, input) = (objective.encoder, example.inputs[0])
    let given = objective.encoderRows(input, parameters.trained)
    let width = max(encoder.configuration.inputSize, 1)
    let (arena, parts) = Arena.sized { arena in
      (
        Transformer.Workspace(encoder, samples: input.sampleIDs.count, length: input.length, arena),
        given.map { arena.matrix($0.count / width, width) }
      )
    }
    arena.fill(.nan)
    if let given { parts.1?.copy(from: given) }
    return withExtendedLifetime(arena) {
      encoder.forward(input, Pass(parameters.trained), rows: parts.1, parts.0).array
    }
  }

  /// Losses and gradient by the reference.
  /// - Parameters:
  ///   - parameters: in place of the run's.
  ///   - choices: made at another point; those of this point where none are.
  public func reference(
    _ example: TrainingExample, scales: [Float], dropout: Bool, parameters: [Double]? = nil, recording: Bool = true,
    choices: Choices = Choices()
  ) -> (losses: [Double], gradients: [Double]) {
    let tape = Tape(recording: recording)
    if parameters == nil { held = HeldNumbers() }
    var scope = Scope(
      tape, objective.networks.trained, parameters ?? self.parameters.trained.all.array.map(Double.init),
      dropout: dropout ? self.dropout : nil)
    scope.held = held
    scope.choices = choices
    choices.rewind()
    var auxiliaries: [String: Scope] = [:]
    for auxiliary in objective.networks.auxiliaries {
      auxiliaries[auxiliary.name] = Scope(
        tape, auxiliary.layout, self.parameters.auxiliary(auxiliary.name).all.array.map(Double.init))
    }
    let losses = objective.referenceLosses(example, scope, auxiliaries: auxiliaries)
    guard recording else { return (losses.map { $0.data[0] }, []) }
    let weighted = zip(losses, scales).map { $0 * Double($1) }
    tape.backward(from: weighted.dropFirst().reduce(weighted[0]) { $0 + $1 })
    return (losses.map { $0.data[0] }, scope.gradients)
  }
}
