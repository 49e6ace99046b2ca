import Core
import Data
import Foundation
import Models
import Objectives

/// What a model reaches that knows nothing but how frequent each token is: the unigram entropy of the target tokens of
/// an objective.
///
/// Masked models stand at this loss for some hundred or thousand steps before they learn anything of context, and small
/// ones with small initial weights may never leave it.
struct TokenFrequencies {
  /// The first of the objective's terms that predicts tokens.
  let term: Int
  let name: String
  /// −Σ p ln p over the targets, in nats.
  let entropy: Double
  /// Windows that were counted.
  let windows: Int
  private let model: ModelConfiguration
  /// The step from which on it is said again.
  private var next = 100

  /// Counts the targets of `samples` windows that are evenly spread over `source`, with the masks of evaluation.
  /// - Returns: nil for objectives that predict no tokens.
  init?(_ objective: any Objective, _ source: any SampleSource, samples: Int, seed: UInt64) throws {
    model = objective.encoder.configuration
    let uniform = naturalLogarithm(Double(model.vocabSize))
    // A term predicts tokens where a predictor that knows nothing has ln V.
    guard model.vocabSize > 1,
      let term = objective.terms.indices.first(where: { abs((objective.trivialLoss(term: $0) ?? 0) - uniform) < 1e-9 })
    else { return nil }
    self.term = term
    // A single term is called by its objective.
    name = type(of: objective).name + (objective.terms.count > 1 ? ", \(objective.terms[term].name)" : "")
    let part = SpreadSource(source, count: samples)
    windows = part.samplesPerEpoch
    var counts = [Double](repeating: 0, count: model.vocabSize)
    let context = StepContext(seed: seed, step: 0, steps: 0, purpose: .evaluation)
    for start in stride(from: 0, to: windows, by: 16) {
      let targets = objective.corrupt(try part.samples(at: UInt64(start)..<UInt64(min(start + 16, windows))), context)
        .targets[term]
      for (id, weight) in zip(targets.ids, targets.weights) where counts.indices.contains(Int(id)) {
        counts[Int(id)] += Double(weight)
      }
    }
    let total = counts.reduce(0, +)
    guard total > 0 else { return nil }
    entropy = counts.reduce(0) { $1 > 0 ? $0 - $1 / total * naturalLogarithm($1 / total) : $0 }
  }

  /// Said once, at the start.
  var announcement: String {
    String(
      format:
        "token frequencies alone give %@ a loss of %.4f (unigram entropy of its targets in %@); guessing gives %.4f",
      name, entropy,
      counted(windows, "window"), naturalLogarithm(Double(model.vocabSize)))
  }

  /// A sentence while `losses`, one per term, are no better than frequencies: after 100 steps, and each time as many
  /// steps have passed again.
  mutating func remark(step: Int, losses: [Double]) -> String? {
    // Of few windows the entropy is too low rather than too high.
    guard step >= next, losses.indices.contains(term), losses[term] > entropy - 0.05 else { return nil }
    next = 2 * step
    return String(
      format: "still at the frequencies of single tokens after %@: the loss of %@ is %.4f, their entropy %.4f. %@",
      counted(step, "step"), name,
      losses[term], entropy, remedy)
  }

  /// What helped in docs/choosing-an-objective.md, as far as this model does not have it.
  private var remedy: String {
    let advised = 1 / Double(model.hiddenSize).squareRoot()
    let range = Double(model.initializerRange)
    var steps: [String] = []
    if range < 0.7 * advised {
      steps.append(String(format: "set model.initializer_range to %.2g (it is %.2g)", advised, range))
    }
    if model.positionEmbedding == .learned { steps.append("set model.position_embedding to rotary") }
    return
      "If it stays there, \((steps + ["give it more steps"]).joined(separator: ", or ")); docs/choosing-an-objective.md has figures."
  }
}

private func naturalLogarithm(_ x: Double) -> Double { log(x) }
