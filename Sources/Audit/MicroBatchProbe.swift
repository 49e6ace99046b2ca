import Collectives
import Core
import Kernels
import Layers
import Objectives
import Optimizers
import Safetensors
import Tensors
import Training

/// Computes one micro-batch at a time with a gradient sum of its own: the loss of each sample, and the norm of its part
/// of the gradient.
///
/// The loss sums are the bits of the step itself, because a micro-batch is computed alike everywhere.
final class MicroBatchProbe {
  struct Measurement {
    /// Loss sum of each term.
    let losses: [Double]
    /// Norm of what this micro-batch adds to the gradient of the step.
    let gradNorm: Double
    let samples: SampleLosses
  }

  private let trainer: Trainer
  private let sum: GradientSum
  private let sink: GradientSum.Sink
  private let reducer: GradientReducer
  private let statistics: GradientStatistics

  init(_ trainer: Trainer) {
    self.trainer = trainer
    let layout = trainer.objective.networks.trained
    sum = GradientSum(layout, arithmetic: trainer.options.sum)
    sink = sum.makeSink(passes: trainer.objective.networks.passes)
    reducer = GradientReducer(sum, SingleRank())
    statistics = GradientStatistics(layout)
  }

  /// - Parameter scales: λ / count over the whole batch, as in the step.
  /// - Throws: `NumericsError` when the gradient is not finite.
  func measure(_ example: TrainingExample, scales: [Float]) throws -> Measurement {
    // Every micro-batch begins with the exponents of the step, so that its norm does not depend on those before it.
    sum.restore(exponents: trainer.sum.exponents)
    var guesses = trainer.sum.provisional
    while true {
      sum.begin()
      let samples = SampleLosses(samples: trainer.plan.microBatch, terms: trainer.objective.terms.count)
      let losses = run(example, scales, samples)
      switch try reducer.finish() {
      case .notFinite: throw NumericsError("the gradient of a micro-batch is not finite.")
      case .overflow(let entries): sum.lowerExponents(of: entries)
      case .complete:
        let gradients = summed
        for index in statistics.slices.indices { statistics.measure(index, gradients) }
        let norm = statistics.norm
        _ = sum.updateExponents(largest: statistics.largestByEntry)
        if !guesses { return Measurement(losses: losses, gradNorm: norm, samples: samples) }
        guesses = false
      }
    }
  }

  private func run(_ example: TrainingExample, _ scales: [Float], _ samples: SampleLosses) -> [Double] {
    reducer.begin()
    sink.begin(willWork: true)
    sink.beginMicroBatch(isLast: true)
    defer { sink.endMicroBatch() }
    let pass = ObjectivePass(
      trainer.parameters, sink: sink, dropout: CounterGenerator(seed: trainer.options.seed, purpose: .dropout),
      losses: samples)
    return withFlushedDenormals {
      trainer.objective.lossAndGradient(example, pass, scales: scales, trainer.workers[0].workspace)
    }
  }

  private var summed: SummedGradients {
    sum.arithmetic == .exact
      ? .exact(sum.integers, inverseScales: sum.layout.entries.indices.map(sum.inverseScale)) : .float(sum.floats)
  }
}
