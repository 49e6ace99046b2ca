import Configuration
import Core
import Evaluation
import Foundation
import Metrics

/// Everything a comparison found, as its report shows it and as JSON. The same on any number of ranks.
public struct ComparisonResults: Codable, Sendable {
  public struct Curve: Codable, Sendable {
    public var arm: String
    public var seed: Int
    /// Step, and the arm's own validation loss.
    public var points: [[Double]]
  }

  /// One value of one arm over seeds.
  public struct Summary: Codable, Sendable {
    public var measure: String
    public var value: String
    public var unit: String
    public var better: MeasuredValue.Better
    /// The value of which this one is another form.
    public var restates: String?
    public var least: Double?
    public var most: Double?
    public var arm: String
    public var seeds: [Int]
    public var values: [Double]
    public var interval: Interval?

    public var mean: Double { values.reduce(0, +) / Double(max(values.count, 1)) }

    /// Whether arms are ranked by it.
    var isFact: Bool { better != .neither && restates == nil }
    /// Values by the token do not compare where tokenisers differ.
    var isPerToken: Bool { unit.hasSuffix("per token") }
    /// How far apart two values can be.
    var span: Double? { least.flatMap { least in most.map { $0 - least } } }
  }

  public struct Gap: Codable, Sendable, Equatable {
    public var arm: String
    public var measure: String
    public var reason: String
  }

  /// What a reader must know of a measure, and of which arms it is said.
  public struct Note: Codable, Sendable, Equatable {
    /// Empty for a baseline, which no arm has a part in.
    public var arms: [String]
    public var measure: String
    public var text: String
  }

  /// A table of a measure, such as a spectrum, for each arm: the mean over seeds of rows with equal first columns.
  public struct Overlay: Codable, Sendable {
    public var measure: String
    public var table: String
    public var columns: [String]
    public var arms: [String: [[Double]]]
  }

  public var name: String
  public var budgetUnit: String
  public var budgetAmount: Double
  public var seeds: [Int]
  public var plans: [ArmPlan]
  public var corpora: [CorpusFacts]
  /// Of the corpora, what was measured.
  public var split: String
  public var summaries: [Summary]
  public var baselines: [Baseline]
  /// What was measured without any model, once.
  public var withoutModel: [MeasuredWithoutModel]
  public var differences: [PairedDifference]
  public var curves: [Curve]
  public var overlays: [Overlay]
  /// What could not be measured, and runs with non-finite values.
  public var gaps: [Gap]
  /// Of the first seed of each arm.
  public var pictures: [ArmPictures]
  public var notes: [Note]
  public var file: String
  public var version: String

  public struct MeasuredWithoutModel: Codable, Sendable {
    public var measure: String
    public var result: MeasureResult
  }

}

extension ComparisonResults {
  /// Reads what the runner left.
  public init(_ file: ComparisonFile, plans: [ArmPlan], _ items: [ComparisonRunner.Item], version: String) throws {
    let found = try FoundResults(file, items)
    (name, budgetUnit, budgetAmount, seeds) = (file.name, file.budget.unit.rawValue, file.budget.amount, file.seeds)
    (self.plans, self.file, self.version, split) = (plans, file.text, version, file.split)
    corpora = try CorpusFacts.all(items.map(\.configuration.data.corpus))
    curves = try items.map { item in
      let log = item.configuration.folder + "/metrics.jsonl"
      // A run that failed at its first step has none.
      let records = FileManager.default.fileExists(atPath: log) ? try MetricsLog.records(at: log) : []
      return Curve(
        arm: item.arm, seed: item.seed,
        points: records.compactMap { r in r.validationLoss.map { [Double(r.step), $0] } })
    }
    withoutModel = found.withoutModel
    summaries = found.summaries()
    baselines = found.baselines()
    gaps = found.gaps()
    notes = found.notes()
    pictures = found.pictures()
    overlays = found.overlays()
    differences = []
    let tokenizers = Dictionary(plans.map { ($0.arm, $0.tokenizer) }) { $1 }
    differences = pairedDifferences(allPairs: file.allPairs, found) { tokenizers[$0] == tokenizers[$1] }
  }

  // MARK: - Differences

  /// Each fact, arm against arm and arm against baseline.
  private func pairedDifferences(allPairs: Bool, _ found: FoundResults, sameTokenizer: (String, String) -> Bool)
    -> [PairedDifference]
  {
    var keys: [(measure: String, value: String)] = []
    for s in summaries where s.isFact && !keys.contains(where: { $0 == (s.measure, s.value) }) {
      keys.append((s.measure, s.value))
    }
    return keys.flatMap { key -> [PairedDifference] in
      let arms = summaries.filter { $0.measure == key.measure && $0.value == key.value }
      var differences: [PairedDifference] = []
      // Where the reference has no such value, the first arm that has one stands in for it.
      for (first, reference) in arms.enumerated() where allPairs || first == 0 {
        for arm in arms.dropFirst(first + 1) where !arm.isPerToken || sameTokenizer(arm.arm, reference.arm) {
          differences.append(difference(arm, reference, found, sameText: sameTokenizer(arm.arm, reference.arm)))
        }
      }
      for baseline in baselines where baseline.measure == key.measure && baseline.value == key.value {
        differences += arms.map { arm in
          PairedDifference(
            measure: arm.measure, value: arm.value, arm: arm.arm, reference: baseline.name, isAgainstBaseline: true,
            differences: arm.values.map { $0 - baseline.number }, seeds: arm.seeds, better: arm.better,
            wanted: seeds.count, span: arm.span)
        }
      }
      return differences
    }
  }

  private func difference(_ arm: Summary, _ reference: Summary, _ found: FoundResults, sameText: Bool)
    -> PairedDifference
  {
    let shared = arm.seeds.filter { reference.seeds.contains($0) }
    func at(_ summary: Summary, _ seed: Int) -> Double {
      summary.seeds.firstIndex(of: seed).map { summary.values[$0] } ?? .nan
    }
    let items = shared.compactMap { seed in
      found.items(arm, seed).flatMap { a in found.items(reference, seed).map { (arm: a, reference: $0) } }
    }
    return PairedDifference(
      measure: arm.measure, value: arm.value, arm: arm.arm, reference: reference.arm,
      differences: shared.map { at(arm, $0) - at(reference, $0) },
      seeds: shared, overItems: sameText && items.count == shared.count ? bootstrapOverItems(items) : nil,
      better: arm.better,
      wanted: seeds.count, span: arm.span)
  }
}
