import Core
import Foundation
import Measures
import Metrics
import Training

/// Everything a comparison found, as its report shows it and as JSON.
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
    public var arm: String
    public var seeds: [Int]
    public var values: [Double]
    public var interval: Interval?

    public var mean: Double { values.reduce(0, +) / Double(max(values.count, 1)) }
  }

  public struct Gap: Codable, Sendable, Equatable {
    public var arm: String
    public var measure: String
    public var reason: String
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
  public var summaries: [Summary]
  public var differences: [PairedDifference]
  public var curves: [Curve]
  public var overlays: [Overlay]
  /// What could not be measured, and runs whose numbers broke.
  public var gaps: [Gap]
  public var notes: [String]
  public var file: String
  public var version: String

  /// Reads what the runner left.
  public init(_ file: ComparisonFile, plans: [ArmPlan], _ items: [ComparisonRunner.Item], version: String) throws {
    (name, budgetUnit, budgetAmount, seeds) = (file.name, file.budget.unit.rawValue, file.budget.amount, file.seeds)
    (self.plans, self.file, self.version) = (plans, file.text, version)
    let stored = items.map { item in
      file.measures.map { item.failure == nil ? StoredResult.read(file.resultPath(item, $0.entry.name)) : nil }
    }
    var gaps: [Gap] = []
    for item in items { if let failure = item.failure { gaps.append(Gap(arm: "\(item.arm), seed \(item.seed)", measure: "training", reason: failure)) } }
    for (item, results) in zip(items, stored) {
      for (measure, result) in zip(file.measures, results) {
        guard let reason = result?.obstacle else { continue }
        let gap = Gap(arm: item.arm, measure: measure.entry.name, reason: reason)
        if !gaps.contains(gap) { gaps.append(gap) }
      }
    }
    self.gaps = gaps
    var notes: [String] = []
    for result in stored.flatMap({ $0 }).compactMap({ $0?.result }) { for note in result.notes where !notes.contains(note) { notes.append(note) } }
    self.notes = notes
    curves = items.map { item in
      let records = (try? MetricsLog.records(at: item.configuration.folder + "/metrics.jsonl")) ?? []
      return Curve(arm: item.arm, seed: item.seed, points: records.compactMap { r in r.validationLoss.map { [Double(r.step), $0] } })
    }
    let arms = file.arms.map(\.name)
    let byArm = Dictionary(grouping: zip(items, stored), by: { $0.0.arm })
    let collected = Self.collect(file, arms, byArm, tokenizers: Dictionary(plans.map { ($0.arm, $0.tokenizer) }) { $1 })
    summaries = collected.summaries
    differences = collected.differences
    overlays = Self.overlays(file, arms, byArm)
  }

  private typealias ByArm = [String: [(ComparisonRunner.Item, [StoredResult?])]]

  private static func collect(
    _ file: ComparisonFile, _ arms: [String], _ byArm: ByArm, tokenizers: [String: String]
  ) -> (summaries: [Summary], differences: [PairedDifference]) {
    var (summaries, differences): ([Summary], [PairedDifference]) = ([], [])
    for (index, measure) in file.measures.enumerated() {
      func values(_ arm: String) -> [(seed: Int, result: MeasureResult)] {
        (byArm[arm] ?? []).compactMap { item, results in results[index]?.result.map { (item.seed, $0) } }.sorted { $0.0 < $1.0 }
      }
      let found = arms.map { (arm: $0, results: values($0)) }
      // In the order in which the measure gives them; an arm may have values that others have not.
      var names: [MeasuredValue] = []
      for value in found.flatMap({ $0.results.flatMap(\.result.values) }) where !names.contains(where: { $0.name == value.name }) { names.append(value) }
      for value in names {
        func of(_ results: [(seed: Int, result: MeasureResult)]) -> [Int: MeasuredValue] {
          Dictionary(uniqueKeysWithValues: results.compactMap { r in r.result.values.first { $0.name == value.name }.map { (r.seed, $0) } })
        }
        let perArm = found.map { (arm: $0.arm, values: of($0.results)) }.filter { !$0.values.isEmpty }
        for (arm, bySeed) in perArm {
          let seeds = bySeed.keys.sorted()
          let numbers = seeds.compactMap { bySeed[$0]?.value }
          summaries.append(
            Summary(
              measure: measure.entry.name, value: value.name, unit: value.unit, better: value.better, arm: arm, seeds: seeds, values: numbers,
              interval: Interval.ofMean(numbers)))
        }
        // What has no better direction describes; nothing is decided by it.
        guard value.better != .neither else { continue }
        // Where the reference has no such value, the first arm that has one stands in for it.
        for (first, reference) in perArm.enumerated() where file.allPairs || first == 0 {
          for other in perArm.dropFirst(first + 1) where !value.unit.contains("a token") || tokenizers[other.arm] == tokenizers[reference.arm] {
            differences.append(
              difference(
                measure.entry.name, value, other, reference, seeds: file.seeds.count, sameText: tokenizers[other.arm] == tokenizers[reference.arm]))
          }
        }
      }
    }
    return (summaries, differences)
  }

  private static func difference(
    _ measure: String, _ value: MeasuredValue, _ arm: (arm: String, values: [Int: MeasuredValue]), _ reference: (arm: String, values: [Int: MeasuredValue]),
    seeds wanted: Int, sameText: Bool
  ) -> PairedDifference {
    let seeds = arm.values.keys.filter { reference.values[$0] != nil }.sorted()
    let pairs = seeds.compactMap { seed in arm.values[seed].flatMap { a in reference.values[seed].map { (a, $0) } } }
    let items = pairs.compactMap { pair in pair.0.items.flatMap { a in pair.1.items.map { (arm: a, reference: $0) } } }
    return PairedDifference(
      measure: measure, value: value.name, arm: arm.arm, reference: reference.arm, differences: pairs.map { $0.0.value - $0.1.value }, seeds: seeds,
      overItems: sameText && items.count == pairs.count ? bootstrapOverItems(items) : nil, better: value.better, wanted: wanted)
  }

  private static func overlays(_ file: ComparisonFile, _ arms: [String], _ byArm: ByArm) -> [Overlay] {
    var overlays: [Overlay] = []
    for (index, measure) in file.measures.enumerated() {
      for arm in arms {
        let tables = (byArm[arm] ?? []).compactMap { $0.1[index]?.result?.tables }
        for name in Set(tables.flatMap(\.keys)).sorted() {
          let same = tables.compactMap { $0[name] }
          guard let columns = same.first?.columns, columns.count >= 2 else { continue }
          let rows = meanRows(same.filter { $0.columns == columns })
          if let place = overlays.firstIndex(where: { $0.measure == measure.entry.name && $0.table == name && $0.columns == columns }) {
            overlays[place].arms[arm] = rows
          } else {
            overlays.append(Overlay(measure: measure.entry.name, table: name, columns: columns, arms: [arm: rows]))
          }
        }
      }
    }
    return overlays
  }

  /// The mean of the other columns over rows whose first columns are equal, by that column.
  private static func meanRows(_ tables: [MeasuredTable]) -> [[Double]] {
    let groups = Dictionary(grouping: tables.flatMap(\.rows).filter { $0.count >= 2 }, by: { $0[0] })
    return groups.keys.sorted().map { key in
      let rows = groups[key] ?? []
      return (0..<(rows.first?.count ?? 0)).map { column in rows.reduce(0) { $0 + $1[column] } / Double(rows.count) }
    }
  }
}
