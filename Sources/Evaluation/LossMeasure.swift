import Core
import Data
import Glibc
import Objectives
import Runs
import Training

/// `loss`: the objective's own validation loss, as training reports it.
///
/// Σ w·ℓ / Σ w of each term with masks drawn for evaluation. For next-token prediction alone this is the cross-entropy
/// of the text: then perplexity e^loss and bits per byte are given too.
public struct LossMeasure: Measure {
  public struct Options: MeasureOptions {
    /// At most so many samples, evenly spread over the split, as validation in training has them; 0 for all.
    public var samples = 0
    /// The loss of this objective with its default options, in place of the model's own.
    public var objective = ""

    public init() {}
  }

  public static let name = "loss"
  public static let summary = "The objective's own loss; for next-token prediction also perplexity and bits per byte."

  private let options: Options

  public init(_ options: Options) throws(ConfigurationError) {
    if !options.objective.isEmpty, ObjectiveRegistry.entry(named: options.objective) == nil {
      throw ConfigurationError(
        "measures.loss.objective", is: options.objective,
        rule: "it must be one of \(ObjectiveRegistry.entries.map(\.name).joined(separator: ", ")).")
    }
    guard options.samples >= 0 else {
      throw ConfigurationError("measures.loss.samples", is: options.samples, rule: "it must be 0 (all) or more.")
    }
    self.options = options
  }

  public func unsupportedReason(_ model: MeasuredModel) -> String? { nil }

  public func callAsFunction(_ context: MeasureContext) throws -> MeasureResult {
    let (model, corpus) = (context.model, try context.requireCorpus(Self.name))
    let name = options.objective.isEmpty ? nil : options.objective
    let (objective, parameters) = try model.objectiveAndParameters(name)
    let data = try model.samples(corpus, context.split, name)
    let evaluator = Evaluator(
      objective: objective, parameters: parameters, length: model.configuration.maxPosition,
      microBatch: context.microBatch, pool: context.pool, seed: context.seed,
      communicator: context.communicator)
    let samples = SpreadSource.count(options.samples, of: data)
    // Only the loss of next tokens is a probability of the text.
    let needs = objective.requirements
    let isText = needs.input == .tokens && needs.prediction == .next && objective.terms.count == 1
    let found = try evaluator.sumsAndCounts(
      data, samples: samples, worth: isText ? try TextBytes(corpus, context.split).ofIds : [], meters: context.meters,
      label: context.activity)
    guard let index = found.counts.firstIndex(where: { $0 <= 0 }) else {
      return result(objective, found, isText: isText, samples: samples, of: data.samplesPerEpoch)
    }
    throw DataError(
      corpus.folder,
      "has no position with a target for \(objective.terms[index].name) in its \(context.split.rawValue) split.")
  }

  private func result(_ objective: any Objective, _ found: Evaluator.Totals, isText: Bool, samples: Int, of all: Int)
    -> MeasureResult
  {
    let losses = zip(found.sums, found.counts).map { $0 / $1 }
    let total = zip(objective.terms, losses).reduce(0) { $0 + $1.0.weight * $1.1 }
    // Losses of different objectives do not compare, unless one objective is named for all.
    let better: MeasuredValue.Better = options.objective.isEmpty ? .neither : .lower
    let unit =
      (objective.requirements.input == .tokens ? "nats per target" : "per target")
      + (options.objective.isEmpty ? "" : " of \(options.objective)")
    var values = [MeasuredValue("loss", total, unit: unit, better: better, least: 0)]
    if losses.count > 1 {
      values += zip(objective.terms, losses).map { MeasuredValue("loss.\($0.name)", $1, unit: unit, least: 0) }
    }
    values += [MeasuredValue("samples", Double(samples), unit: "of \(all)"), MeasuredValue("targets", found.counts[0])]
    guard isText else {
      var notes: [String] = []
      if objective.requirements.input == .tokens {
        notes.append("The loss of masked tokens is not a probability of the text; compare it with equal masks only.")
      }
      if objective.terms.contains(where: { !$0.isAdditive }) {
        notes.append(
          "The loss compares the samples of a micro-batch with each other; compare it with equal --micro-batch only.")
      }
      return MeasureResult(values, notes: notes)
    }
    values.append(MeasuredValue("perplexity", exp(losses[0]), unit: "per token", better: .lower, least: 1))
    if found.worth > 0 {
      // One fact in three forms.
      for i in [0, values.count - 1] { values[i].restates = "bits_per_byte" }
      values.append(
        MeasuredValue(
          "bits_per_byte", found.sums[0] / log(2) / found.worth, unit: "bits per byte", better: .lower, least: 0))
    }
    return MeasureResult(values)
  }
}

extension LossMeasure.Options {
  public static var sentences: [String: String] {
    [
      "samples": "At most so many windows, evenly spread over the split, as `val` in training; 0 for all.",
      "objective":
        "The loss of this objective with its default options, in place of the model's own; empty for its own.",
    ]
  }
}
