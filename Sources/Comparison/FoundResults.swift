import Evaluation
import Foundation
import Measures

/// The stored results of a comparison's runs and baselines, and what the report takes from them.
struct FoundResults {
  private let file: ComparisonFile
  private let runs: [(item: ComparisonRunner.Item, results: [StoredResult?])]
  /// Results of measures that read no model, by the measure's place.
  private let alone: [StoredResult?]
  private let arms: [String]

  /// - Throws: `FileError` when a stored result cannot be read.
  init(_ file: ComparisonFile, _ items: [ComparisonRunner.Item]) throws {
    self.file = file
    arms = file.arms.map(\.name)
    runs = try items.map { item in
      (
        item,
        try file.measures.map {
          item.failure == nil && $0.entry.readsModel ? try StoredResult.read(file.resultPath(item, $0.entry.name)) : nil
        }
      )
    }
    alone = try file.measures.map {
      $0.entry.readsModel ? nil : try StoredResult.read(file.resultPath(nil, $0.entry.name))
    }
  }

  private typealias Found = (item: ComparisonRunner.Item, result: MeasureResult)

  /// An arm's results of a measure, by seed.
  private func results(_ arm: String, _ measure: Int) -> [Found] {
    runs.filter { $0.item.arm == arm }.compactMap { run in run.results[measure]?.result.map { (run.item, $0) } }.sorted
    { $0.0.seed < $1.0.seed }
  }

  /// An arm's value of a seed, item by item.
  func items(_ summary: ComparisonResults.Summary, _ seed: Int) -> MeasuredValue.Items? {
    guard let measure = file.measures.firstIndex(where: { $0.entry.name == summary.measure }) else { return nil }
    return results(summary.arm, measure).first { $0.item.seed == seed }?.result.values.first {
      $0.name == summary.value
    }?.items
  }

  var withoutModel: [ComparisonResults.MeasuredWithoutModel] {
    zip(file.measures, alone).compactMap { measure, stored in
      stored?.result.map { .init(measure: measure.entry.name, result: $0) }
    }
  }

  /// Every value of every arm, in the order in which measures give them; an arm may have values that others have not.
  func summaries() -> [ComparisonResults.Summary] {
    file.measures.indices.flatMap { measure -> [ComparisonResults.Summary] in
      let found = arms.map { (arm: $0, results: results($0, measure)) }
      var names: [MeasuredValue] = []
      for value in found.flatMap({ $0.results.flatMap(\.result.values) })
      where !names.contains(where: { $0.name == value.name }) {
        names.append(value)
      }
      // A baseline is no value of an arm.
      return names.filter {
        $0.baselineOf == nil && !$0.name.hasSuffix(Baseline.majority) && !$0.name.hasSuffix(Baseline.raw)
      }.flatMap { value in
        found.compactMap { summary(file.measures[measure].entry.name, value.name, $0.arm, $0.results) }
      }
    }
  }

  private func summary(_ measure: String, _ name: String, _ arm: String, _ results: [Found]) -> ComparisonResults
    .Summary?
  {
    let values = results.compactMap { found in
      found.result.values.first { $0.name == name && $0.value.isFinite }.map { (found.item.seed, $0) }
    }
    guard let first = values.first?.1 else { return nil }
    let numbers = values.map(\.1.value)
    return ComparisonResults.Summary(
      measure: measure, value: name, unit: first.unit, better: first.better, restates: first.restates,
      least: first.least, most: first.most,
      arm: arm, seeds: values.map(\.0), values: numbers,
      interval: Interval.ofMean(numbers, least: first.least, most: first.most))
  }

  func baselines() -> [Baseline] {
    file.measures.indices.flatMap { measure -> [Baseline] in
      let name = file.measures[measure].entry.name
      guard file.measures[measure].entry.readsModel else { return [] }
      let values = arms.lazy.compactMap { results($0, measure).first?.result.values }.first ?? []
      guard let examples = file.measures[measure].measure.labelledData else { return Baseline.of(name, values) }
      let words = zip(file.measures, alone).first { !$0.0.entry.readsModel && $0.0.measure.labelledData == examples }?
        .1?.result?.values
      return Baseline.of(name, values, words: words)
    }
  }

  /// Runs that failed, measures that a model does not support, values that are not finite.
  func gaps() -> [ComparisonResults.Gap] {
    var gaps: [ComparisonResults.Gap] = []
    func note(_ arm: String, _ measure: String, _ reason: String) {
      let gap = ComparisonResults.Gap(arm: arm, measure: measure, reason: reason)
      if !gaps.contains(gap) { gaps.append(gap) }
    }
    for (item, _) in runs {
      if let failure = item.failure { note("\(item.arm), seed \(item.seed)", "training", failure) }
    }
    for (index, measure) in file.measures.enumerated() {
      let name = measure.entry.name
      if let reason = alone[index]?.unsupportedReason { note("baseline", name, reason) }
      for (item, results) in runs {
        if let reason = results[index]?.unsupportedReason { note(item.arm, name, reason) }
        for value in results[index]?.result?.values ?? [] where !value.value.isFinite {
          note(
            "\(item.arm), seed \(item.seed)", name,
            "\(ValueNames.value(value.name)) is \(number(value.value)), and is left out")
        }
      }
    }
    return gaps
  }

  /// Equal sentences once, with the arms they are about.
  func notes() -> [ComparisonResults.Note] {
    var notes: [ComparisonResults.Note] = []
    for (index, measure) in file.measures.enumerated() {
      for text in alone[index]?.result?.notes ?? [] {
        notes.append(.init(arms: [], measure: measure.entry.name, text: text))
      }
      for arm in arms {
        for text in results(arm, index).flatMap(\.result.notes) {
          if let place = notes.firstIndex(where: { $0.measure == measure.entry.name && $0.text == text }) {
            if !notes[place].arms.contains(arm) { notes[place].arms.append(arm) }
          } else {
            notes.append(.init(arms: [arm], measure: measure.entry.name, text: text))
          }
        }
      }
    }
    return notes
  }

  /// What each measure drew of the first seed of each arm.
  func pictures() -> [ArmPictures] {
    file.measures.indices.flatMap { measure in
      arms.compactMap { arm -> ArmPictures? in
        guard let first = results(arm, measure).first, !first.result.pictures.isEmpty else { return nil }
        return ArmPictures(
          arm: arm, seed: first.item.seed, measure: file.measures[measure].entry.name, pictures: first.result.pictures)
      }
    }
  }

  func overlays() -> [ComparisonResults.Overlay] {
    var overlays: [ComparisonResults.Overlay] = []
    for (index, measure) in file.measures.enumerated() {
      for arm in arms {
        let tables = results(arm, index).map(\.result.tables)
        for name in Set(tables.flatMap(\.keys)).sorted() {
          let same = tables.compactMap { $0[name] }
          guard let columns = same.first?.columns, columns.count >= 2 else { continue }
          let rows = Self.meanRows(same.filter { $0.columns == columns })
          if let place = overlays.firstIndex(where: {
            $0.measure == measure.entry.name && $0.table == name && $0.columns == columns
          }) {
            overlays[place].arms[arm] = rows
          } else {
            overlays.append(.init(measure: measure.entry.name, table: name, columns: columns, arms: [arm: rows]))
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
