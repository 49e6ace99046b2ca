@testable import Comparison
@testable import Evaluation

/// A comparison's results without a run: three arms, two facts and one value that describes.
struct ReportFixture {
  var name = "small"
  var arms = ["ar", "mlm", "other"]
  var seeds = 3
  /// Accuracies and bits per byte by arm; seeds differ by the steps below.
  var accuracy = [0.9, 0.895, 0.6]
  var bits = [2.0, 3.0, 2.5]
  var wordsAccuracy = 0.8

  /// Small, and of another order for each arm, so that no difference is constant.
  private static let steps: [[Double]] = [
    [0, 0.01, 0.02, 0.005, 0.015], [0.02, 0.005, 0, 0.015, 0.01], [0.01, 0.02, 0.004, 0, 0.015],
  ]

  func summary(_ measure: String, _ value: String, _ arm: Int, _ numbers: [Double], _ like: MeasuredValue)
    -> ComparisonResults.Summary
  {
    ComparisonResults.Summary(
      measure: measure, value: value, unit: like.unit, better: like.better, restates: like.restates, least: like.least,
      most: like.most,
      arm: arms[arm], seeds: Array(1...numbers.count), values: numbers,
      interval: Interval.ofMean(numbers, least: like.least, most: like.most))
  }

  func numbers(_ base: Double, _ arm: Int) -> [Double] { (0..<seeds).map { base + Self.steps[arm][$0] } }

  var results: ComparisonResults {
    let bit = MeasuredValue("left_to_right.bits_per_byte", 0, unit: "bits per byte", better: .lower, least: 0)
    let perplexity = MeasuredValue(
      "left_to_right.perplexity", 0, unit: "per token", better: .lower, least: 1, restates: bit.name)
    let share = MeasuredValue("probe.mean.accuracy", 0, better: .higher, least: 0, most: 1)
    let rank = MeasuredValue("features.mean.effective_rank", 0, unit: "of 16")
    let places = arms.indices
    let summaries =
      places.map { summary("left-to-right", bit.name, $0, numbers(bits[$0], $0), bit) }
      + places.map { summary("left-to-right", perplexity.name, $0, numbers(10 * bits[$0], $0), perplexity) }
      + places.map { summary("probe", share.name, $0, numbers(accuracy[$0], $0), share) }
      + places.map { summary("features", rank.name, $0, numbers(7, $0), rank) }
    let baseline = Baseline(name: Baseline.bagOfWords, measure: "probe", value: share.name, number: wordsAccuracy)
    var results = ComparisonResults(
      name: name, budgetUnit: "steps", budgetAmount: 100, seeds: Array(1...seeds), plans: places.map(plan), corpora: [],
      split: "validation",
      summaries: summaries, baselines: [baseline], withoutModel: [], differences: [], curves: curves, overlays: [],
      gaps: [], pictures: [],
      notes: [.init(arms: [arms[1]], measure: "probe", text: "Cut at the context.")], file: "name = \"\(name)\"",
      version: "0")
    results.differences = places.dropFirst().map { difference(results, $0, against: 0) }
    return results
  }

  private func difference(_ results: ComparisonResults, _ arm: Int, against reference: Int) -> PairedDifference {
    PairedDifference(
      measure: "probe", value: "probe.mean.accuracy", arm: arms[arm], reference: arms[reference],
      differences: zip(numbers(accuracy[arm], arm), numbers(accuracy[reference], reference)).map { $0 - $1 },
      seeds: results.seeds, better: .higher,
      wanted: seeds, span: 1)
  }

  /// The first two arms have one loss, the third another.
  private func plan(_ arm: Int) -> ArmPlan {
    ArmPlan(
      arm: arms[arm], objective: arm < 2 ? "ar" : "mlm", steps: 100, tokens: 1e5, predictions: 1e5, flops: 1e9,
      parameters: 1000, epochs: 1,
      lossIdentity: arm < 2 ? "ar {}" : "mlm {}", tokenizer: "t")
  }

  private var curves: [ComparisonResults.Curve] {
    arms.indices.flatMap { arm in
      (0..<seeds).map { seed in
        ComparisonResults.Curve(
          arm: arms[arm], seed: seed + 1,
          points: [
            [50, 5 - bits[arm] / 10 + Self.steps[arm][seed]], [100, 4 - bits[arm] / 10 + Self.steps[arm][seed]],
          ])
      }
    }
  }

  var text: ReportText { ReportText(results, starts: []) }
}
