import Core
import Objectives
import Optimizers

extension Trainer {
  /// Steps without any target in a row after which a run stops, or all of a shorter run: it would never learn anything.
  public static let mostSkipped = 100

  /// A step whose batch has no target for any term: the same on every rank, because the counts are. Weights, moments,
  /// teachers and exponents stay as they are, and the samples count as used.
  ///
  /// - Throws: `DataError` when this has gone on for too long.
  func skip(
    _ step: Int, _ examples: [TrainingExample], _ mine: Range<Int>, _ totals: [Double], _ requests: [Bool],
    _ timer: StepTimer
  ) throws -> StepOutcome {
    skippedInARow += 1
    skippedSteps += 1
    guard skippedInARow < min(Self.mostSkipped, options.steps) else {
      let which = skippedInARow == 1 ? "the only step has" : "the last \(skippedInARow) steps had"
      throw DataError(
        "step \(step + 1)",
        "\(which) no position with a target for \(objective.terms.map(\.name).joined(separator: " or ")).",
        remedy: "Is the corpus nothing but special tokens, or the mask ratio too small for the batch?")
    }
    let rate = options.schedule.rate(step: step, of: options.steps, peak: options.optimizer.learningRate)
    let samples = zip(examples, mine).reduce(SampleDigest()) { sum, item in
      sum &+ item.0.samples.trained(asMicroBatch: step * plan.microBatchCount + item.1)
    }
    let nothing = [Double](repeating: 0, count: totals.count)
    return StepOutcome(
      step: step, termLosses: [Double](repeating: .nan, count: totals.count), loss: .nan, counts: totals,
      microBatchLosses: [[Double]](repeating: nothing, count: plan.microBatchCount), gradNorm: 0, learningRate: rate,
      repeats: 0,
      repaired: [], seconds: timer.seconds, stepSeconds: timer.total, waits: StepWaits(), stopRequested: requests[0],
      saveRequested: requests[1], samples: samples, isSkipped: true)
  }
}
