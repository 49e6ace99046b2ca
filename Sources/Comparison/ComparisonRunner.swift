import Checkpoints
import Collectives
import Configuration
import Core
import Data
import Evaluation
import Foundation
import HuggingFace
import Measures
import Metrics
import Runs
import Safetensors
import Storage
import Tensors

/// Runs what is missing of a comparison: trainings that have not finished, measures that have not been taken of them.
///
/// Each rank takes its own runs, scheduled by flops as evenly as whole runs allow, which needs no communication; those
/// left over, fewer than ranks, are run by all together. It makes no difference to any bit. All methods are collective.
public final class ComparisonRunner {
  /// One training of the comparison.
  public struct Item: Sendable {
    public let arm: String
    public let seed: Int
    public let plan: ArmPlan
    public let configuration: RunConfiguration
    var name: String { configuration.name }
  }

  private let file: ComparisonFile
  private let communicator: any Communicator
  private let threads: Int
  private let version: String
  /// On rank 0.
  private let progress: ComparisonProgress?
  private var startLog: ComparisonStarts?
  public let items: [Item]

  /// - Parameters:
  ///   - progress: called after each finished item; given on rank 0 alone.
  /// - Throws: errors of configurations and corpora, which are the same on every rank.
  public init(
    _ file: ComparisonFile, plans: [ArmPlan], communicator: any Communicator, threads: Int, version: String,
    progress: ComparisonProgress?
  ) throws {
    (self.file, self.communicator, self.threads, self.version, self.progress) = (
      file, communicator, threads, version, progress
    )
    // Seeds outside, arms inside: after each seed every arm has been run as often.
    items = try file.seeds.flatMap { seed in
      try zip(file.arms, plans).map { arm, plan in
        Item(arm: arm.name, seed: seed, plan: plan, configuration: try arm.configuration(seed, plan.steps))
      }
    }
  }

  private func say(_ line: String) { progress?.note(line) }

  /// Everything that could stop the comparison later and can be known before anything is written. Only rank 0 looks,
  /// whose disk decides.
  /// - Throws: `ConfigurationError` when its folder holds runs of another configuration, corpus or budget,
  ///   `DivergenceError` when it holds one begun in a different numerical environment, `FileError` when the report
  ///   could not be written.
  public func check() throws {
    guard communicator.rank == 0 else { return }
    try file.checkOutput()
    for item in items { _ = try item.isTrained() }
    for item in items where item.failure == nil {
      for (entry, _, _) in file.measures where entry.readsModel {
        _ = try StoredResult.read(file.resultPath(item, entry.name))
      }
    }
    _ = try ComparisonStarts.read(file.startsPath)
  }

  /// The starts that did some of the work, this one included. On rank 0.
  public func starts() throws -> [ComparisonStart] { try ComparisonStarts.read(file.startsPath) }

  /// Takes the comparison's folder, then trains and measures what is missing.
  /// - Returns: false when it was asked to stop before everything was done.
  /// - Throws: what `check` throws, and errors of training and measuring.
  public func callAsFunction() throws -> Bool {
    // A rank may wait for another as long as a run takes.
    communicator.stallSeconds = nil
    let claim = communicator.rank == 0 ? try RunFolder(file.path).claim() : nil
    defer { withExtendedLifetime(claim) {} }
    let start = try ComparisonStart.current(communicator, threads: threads, version: version)
    if communicator.rank == 0 { startLog = try ComparisonStarts(file.startsPath, start) }
    guard try train(try open(items) { try !$0.isTrained() }) else { return false }
    let all = tasks
    return try measure(try open(all) { try !self.isMeasured($0) }, of: all.count)
  }

  /// A measure to be taken of a run, or of the data alone.
  private struct Task {
    /// Whose model is read; of a measure that reads none, one whose corpus stands for all.
    var item: Item
    var measure: Int
    var readsModel: Bool
  }

  private var tasks: [Task] {
    let ofData = file.measures.indices.filter { !file.measures[$0].entry.readsModel }
    let ofModels = file.measures.indices.filter { file.measures[$0].entry.readsModel }
    let whole = items.first { $0.failure == nil }
    return ofData.compactMap { measure in whole.map { Task(item: $0, measure: measure, readsModel: false) } }
      + items.flatMap { item in ofModels.map { Task(item: item, measure: $0, readsModel: true) } }
  }

  // MARK: - Scheduling

  /// What is still to be done, as rank 0 finds it, whose disk decides.
  private func open<Work>(_ all: [Work], _ isOpen: (Work) throws -> Bool) throws -> [Work] {
    var flags = try all.map { Int64(communicator.rank == 0 ? (try isOpen($0) ? 1 : 0) : 0) }
    try communicator.broadcastArray(&flags)
    return zip(all, flags).filter { $0.1 == 1 }.map(\.0)
  }

  private func train(_ open: [Item]) throws -> Bool {
    let (total, ranks) = (items.count, communicator.size)
    if total > open.count { say("\(total - open.count) of \(total) are trained already") }
    // Once for all runs instead of once per run.
    for remark in Set(open.compactMap(\.configuration.model.unsupportedByHuggingFace)).sorted() {
      say("warning: \(remark)")
    }
    // Ranks get equal numbers of whole runs; all ranks run the remainder together.
    let scheduled = ranks == 1 ? 0 : open.count / ranks * ranks
    let alone = Array(open.prefix(scheduled))
    let share = scheduleByCost(alone.map(\.plan.flops), over: ranks)
    let mine = zip(alone, share).filter { $0.1 == communicator.rank }.map(\.0)
    let rest = Array(open.dropFirst(scheduled))
    let work = mine.reduce(0) { $0 + $1.plan.flops } + rest.reduce(0) { $0 + $1.plan.flops } / Double(ranks)
    progress?.beginTraining(runs: mine.count + rest.count, work: work, measures: tasks.count)
    let isDone = try train(mine, SingleRank(), " on this rank")
    communicator.stallSeconds = nil
    // A rank that was asked to stop has saved; the others learn of it here.
    guard try communicator.sum(isDone ? 0 : 1) == 0 else { return false }
    return try train(rest, communicator, ranks > 1 ? " on all ranks together" : "")
  }

  /// - Returns: false when a rank of `communicator` was asked to stop.
  private func train(_ runs: [Item], _ communicator: any Communicator, _ place: String) throws -> Bool {
    for (index, item) in runs.enumerated() {
      let start = ContinuousClock.now
      progress?.beginRun(item.name)
      try train(item, communicator)
      communicator.stallSeconds = nil
      progress?.endRun(work: item.plan.flops / Double(communicator.size))
      guard try communicator.sum(StopRequest.isPending ? 1 : 0) == 0 else { return false }
      try startLog?.note()
      let left = progress?.trainingLeft.map { "; about \(ProgressText.duration($0)) of training left" } ?? ""
      say(
        "trained \(item.name) in \(ProgressText.duration((ContinuousClock.now - start).inSeconds)) (\(index + 1) of \(runs.count)\(place)\(left))"
      )
    }
    return true
  }

  /// Each rank takes its share of the measures by itself: no bit of one depends on ranks.
  private func measure(_ open: [Task], of total: Int) throws -> Bool {
    if total > open.count { say("\(total - open.count) of \(total) are measured already") }
    let mine = stride(from: communicator.rank, to: open.count, by: communicator.size).map { open[$0] }
    for (index, work) in mine.enumerated() where !StopRequest.isPending {
      let began = ContinuousClock.now
      let open = mine[index...].map { file.measures[$0.measure].entry.name }
      let (name, of) = (open[0], work.readsModel ? work.item.name : "baseline")
      progress?.beginMeasure(name, of: of, number: index + 1, count: mine.count, open: open)
      let reason = try measure(work)
      let seconds = (ContinuousClock.now - began).inSeconds
      progress?.endMeasure(name, seconds: seconds)
      try startLog?.note()
      if let reason {
        say("not measured: \(of), \(name): \(printable(reason))")
        continue
      }
      let left =
        progress?.measuringLeft(Array(open.dropFirst())).map { "; about \(ProgressText.duration($0)) left" } ?? ""
      say(
        "measured \(of), \(name), in \(ProgressText.duration(seconds)) (\(index + 1) of \(mine.count) on this rank\(left))"
      )
    }
    return try communicator.sum(StopRequest.isPending ? 1 : 0) == 0
  }

  // MARK: - One item

  private func train(_ item: Item, _ communicator: any Communicator) throws {
    let inputs = try CorpusInputs.open(item.configuration)
    let run = try TrainingRun(
      item.configuration, inputs, communicator: communicator, threads: threads,
      .init(command: CommandLine.arguments, version: version, remarksOnShape: false))
    if let progress {
      let work = item.plan.flops / Double(communicator.size)
      run.onStep = { progress.step($0, of: item.plan.steps, work: work) }
    }
    do {
      _ = try run.execute()
    } catch let error as NumericsError {
      // An arm whose numbers break is a result of the comparison, not its end.
      guard communicator.rank == 0 else { return }
      try Failure(experiment: item.configuration.experimentHash, steps: item.plan.steps, reason: error.description)
        .write(item.failurePath)
    }
  }

  /// Takes one measure on this rank. What this model or its data do not allow is noted in place of a result.
  /// - Returns: why it could not be taken; nil for a result.
  private func measure(_ task: Task) throws -> String? {
    let item = task.item
    let (entry, measure, _) = file.measures[task.measure]
    let key = try resultKey(task)
    var stored = StoredResult(key: key, unsupportedReason: nil, result: nil)
    do {
      let corpus = try Corpus(item.configuration.data.corpus)
      let model = try MeasuredModel(item.checkpointPath, corpus: corpus)
      if let reason = measure.unsupportedReason(model) {
        stored.unsupportedReason = "the model \(reason)"
      } else {
        let context = MeasureContext(
          model, corpus: corpus, split: CorpusSplit(rawValue: file.split) ?? .validation, communicator: SingleRank(),
          threads: threads,
          microBatch: file.microBatch, meters: communicator.rank == 0 ? .standardError() : nil)
        context.activity = "\(item.name), \(entry.name)"
        stored.result = try measure(context)
      }
    } catch let error as ConfigurationError {
      stored.unsupportedReason = error.description
    } catch let error as DataError {
      stored.unsupportedReason = error.description
    } catch let error as NumericsError {
      stored.unsupportedReason = error.description
    }
    try stored.write(file.resultPath(task.readsModel ? item : nil, entry.name))
    return stored.unsupportedReason
  }

  private func isMeasured(_ task: Task) throws -> Bool {
    if task.item.failure != nil { return true }
    let path = file.resultPath(task.readsModel ? task.item : nil, file.measures[task.measure].entry.name)
    return try StoredResult.read(path)?.key == (try resultKey(task))
  }

  /// What a result depends on: the weights, the text, the tables that options name, the options and the program.
  private func resultKey(_ task: Task) throws -> String {
    let (entry, _, options) = file.measures[task.measure]
    let tables = try options.files.map { try MappedFile($0).sha256() }
    // The number changes with what a stored result says of its values.
    let own = tables + [entry.name, options.text, file.split, "\(file.microBatch)", version, "3"]
    guard task.readsModel else { return SHA256.of(own.joined(separator: " ")) }
    let weights = try Checkpoint(opening: task.item.checkpointPath).files[CheckpointFile.model]?.sha256 ?? ""
    let corpus = try Corpus(task.item.configuration.data.corpus).manifest.contentHash
    return SHA256.of(([weights, corpus] + own).joined(separator: " "))
  }
}

/// A rank for each item so that no rank has much more to do than another: the most expensive item first, each to the
/// rank with least so far.
///
/// - Complexity: O(n · (log n + ranks)).
func scheduleByCost(_ costs: [Double], over ranks: Int) -> [Int] {
  var (loads, share) = ([Double](repeating: 0, count: ranks), [Int](repeating: 0, count: costs.count))
  for item in costs.indices.sorted(by: { (-costs[$0], $0) < (-costs[$1], $1) }) {
    let rank = loads.indices.min { (loads[$0], $0) < (loads[$1], $1) } ?? 0
    share[item] = rank
    loads[rank] += costs[item]
  }
  return share
}
