import Checkpoints
import Collectives
import Core
import Data
import Foundation
import Measures
import Storage
import Tensors
import Training

/// Runs what is missing of a comparison: trainings that have not finished, measures that have not been taken of them.
///
/// Each rank takes runs by itself, dealt by flops as evenly as whole runs allow, which needs no communication; those left over, fewer than
/// ranks, are run by all together. It makes no difference to any bit. All methods are collective.
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
  private let say: (String) -> Void
  public let items: [Item]

  /// - Parameters:
  ///   - say: gets a line for each thing done, on rank 0.
  /// - Throws: errors of configurations and corpora, which are the same on every rank.
  public init(
    _ file: ComparisonFile, plans: [ArmPlan], communicator: any Communicator, threads: Int, version: String, say: @escaping (String) -> Void
  ) throws {
    (self.file, self.communicator, self.threads, self.version, self.say) = (file, communicator, threads, version, say)
    // Seeds outside, arms inside: after each seed every arm has been run as often.
    items = try file.seeds.flatMap { seed in
      try zip(file.arms, plans).map { arm, plan in
        Item(arm: arm.name, seed: seed, plan: plan, configuration: try arm.configuration(seed, plan.steps))
      }
    }
  }

  /// - Returns: false when it was asked to stop before everything was done.
  /// - Throws: `ConfigurationError` when its folder holds runs of another configuration, corpus or budget.
  public func callAsFunction() throws -> Bool {
    // A rank may wait for another as long as a run takes.
    communicator.stallSeconds = nil
    guard try train(try open(items) { try !$0.isTrained() }) else { return false }
    let pairs = items.flatMap { item in file.measures.indices.map { (item: item, measure: $0) } }
    return try measure(try open(pairs) { try !self.isMeasured($0.item, $0.measure) }, of: pairs.count)
  }

  // MARK: - Dealing

  /// What is still to be done, as rank 0 finds it, whose disk decides.
  private func open<Work>(_ all: [Work], _ isOpen: (Work) throws -> Bool) throws -> [Work] {
    var flags = try all.map { Int64(communicator.rank == 0 ? (try isOpen($0) ? 1 : 0) : 0) }
    try communicator.broadcastArray(&flags)
    return zip(all, flags).filter { $0.1 == 1 }.map(\.0)
  }

  private func train(_ open: [Item]) throws -> Bool {
    let (total, ranks) = (items.count, communicator.size)
    if total > open.count { say("\(total - open.count) of \(total) are trained already") }
    // Once for all runs instead of once a run.
    for remark in Set(open.compactMap(\.configuration.model.huggingFaceObstacle)).sorted() { say("warning: \(remark)") }
    // As many as can be dealt out whole; what is left over is run by all ranks together.
    let dealt = ranks == 1 ? 0 : open.count / ranks * ranks
    let alone = Array(open.prefix(dealt))
    let share = dealByCost(alone.map(\.plan.flops), over: ranks)
    let mine = zip(alone, share).filter { $0.1 == communicator.rank }.map(\.0)
    let isDone = try train(mine, SingleRank(), "of this rank's")
    communicator.stallSeconds = nil
    // A rank that was asked to stop has saved; the others learn of it here.
    guard try communicator.sum(isDone ? 0 : 1) == 0 else { return false }
    return try train(Array(open.dropFirst(dealt)), communicator, ranks > 1 ? "that all ranks run together" : "open")
  }

  /// - Returns: false when a rank of `communicator` was asked to stop.
  private func train(_ runs: [Item], _ communicator: any Communicator, _ whose: String) throws -> Bool {
    let began = ContinuousClock.now
    let all = runs.reduce(0) { $0 + $1.plan.flops }
    var done = 0.0
    for (index, item) in runs.enumerated() {
      let start = ContinuousClock.now
      try train(item, communicator)
      communicator.stallSeconds = nil
      done += item.plan.flops
      guard try communicator.sum(StopRequest.isPending ? 1 : 0) == 0 else { return false }
      let now = ContinuousClock.now
      say(
        "trained \(item.name) in \(duration((now - start).inSeconds)) (\(index + 1) of \(runs.count) \(whose); about "
          + "\(duration((now - began).inSeconds * (all / done - 1))) to go)")
    }
    return true
  }

  /// Each rank takes its share of the measures by itself: no bit of one depends on ranks.
  private func measure(_ open: [(item: Item, measure: Int)], of total: Int) throws -> Bool {
    if total > open.count { say("\(total - open.count) of \(total) are measured already") }
    let mine = stride(from: communicator.rank, to: open.count, by: communicator.size).map { open[$0] }
    for (index, work) in mine.enumerated() where !StopRequest.isPending {
      let began = ContinuousClock.now
      let what = "\(work.item.name), \(file.measures[work.measure].entry.name)"
      if let obstacle = try measure(work.item, work.measure) {
        say("not measured: \(what): \(obstacle)")
        continue
      }
      say("measured \(what), in \(duration((ContinuousClock.now - began).inSeconds)) (\(index + 1) of \(mine.count) on this rank)")
    }
    return try communicator.sum(StopRequest.isPending ? 1 : 0) == 0
  }

  private func duration(_ seconds: Double) -> String {
    seconds < 90 ? String(format: "%.1f s", seconds) : seconds < 5400 ? String(format: "%.1f min", seconds / 60) : String(format: "%.1f h", seconds / 3600)
  }

  // MARK: - One item

  private func train(_ item: Item, _ communicator: any Communicator) throws {
    let inputs = try CorpusInputs.open(item.configuration)
    let run = try TrainingRun(
      item.configuration, inputs, communicator: communicator, threads: threads, command: CommandLine.arguments, version: version,
      remarksOnShape: false)
    do {
      _ = try run.execute()
    } catch let error as NumericsError {
      // An arm whose numbers break is a result of the comparison, not its end.
      guard communicator.rank == 0 else { return }
      try Failure(experiment: item.configuration.experimentHash, steps: item.plan.steps, reason: error.description).write(item.failurePath)
    }
  }

  /// Takes one measure on this rank. What this model or its data do not allow is noted in place of a result.
  /// - Returns: what stood in the way; nil for a result.
  private func measure(_ item: Item, _ index: Int) throws -> String? {
    let (entry, measure, _) = file.measures[index]
    let key = try resultKey(item, index)
    var stored = StoredResult(key: key, obstacle: nil, result: nil)
    do {
      let corpus = try Corpus(item.configuration.data.corpus)
      let model = try MeasuredModel(item.checkpointPath, vocabulary: corpus.vocabulary)
      if let reason = measure.obstacle(model) {
        stored.obstacle = "the model \(reason)"
      } else {
        let context = MeasureContext(
          model, corpus: corpus, split: CorpusSplit(rawValue: file.split) ?? .validation, communicator: SingleRank(), threads: threads,
          microBatch: file.microBatch)
        let result = try measure(context)
        let broken = result.values.first { !$0.value.isFinite }
        if let broken { stored.obstacle = "\(broken.name) is \(broken.value)" } else { stored.result = result }
      }
    } catch let error as ConfigurationError {
      stored.obstacle = error.description
    } catch let error as DataError {
      stored.obstacle = error.description
    } catch let error as NumericsError {
      stored.obstacle = error.description
    }
    try stored.write(file.resultPath(item, entry.name))
    return stored.obstacle
  }

  private func isMeasured(_ item: Item, _ index: Int) throws -> Bool {
    if item.failure != nil { return true }
    return StoredResult.read(file.resultPath(item, file.measures[index].entry.name))?.key == (try resultKey(item, index))
  }

  /// What a result depends on: the weights, the text, the tables that options name, the options and the program.
  private func resultKey(_ item: Item, _ index: Int) throws -> String {
    let (entry, _, options) = file.measures[index]
    let weights = try Checkpoint(opening: item.checkpointPath).files[CheckpointFile.model]?.sha256 ?? ""
    let corpus = try Corpus(item.configuration.data.corpus).manifest.contentHash
    let tables = try options.files.map { try MappedFile($0).sha256() }
    return SHA256.of(([weights, corpus] + tables + [entry.name, options.text, file.split, "\(file.microBatch)", version]).joined(separator: " "))
  }
}

/// A rank for each item so that no rank has much more to do than another: the dearest item first, each to the rank with least so far.
///
/// - Complexity: O(n · (log n + ranks)).
func dealByCost(_ costs: [Double], over ranks: Int) -> [Int] {
  var (loads, share) = ([Double](repeating: 0, count: ranks), [Int](repeating: 0, count: costs.count))
  for item in costs.indices.sorted(by: { (-costs[$0], $0) < (-costs[$1], $1) }) {
    let rank = loads.indices.min { (loads[$0], $0) < (loads[$1], $1) } ?? 0
    share[item] = rank
    loads[rank] += costs[item]
  }
  return share
}

/// Why a run has no end, and of which run it is.
struct Failure: Codable {
  var experiment: String
  var steps: Int
  var reason: String

  func write(_ path: String) throws { try AtomicFile.write(String(decoding: try JSONEncoder().encode(self), as: UTF8.self), to: path) }
}

extension ConfigurationNode {
  /// Paths among the texts of a table that are files.
  var files: [String] {
    guard case .table(let table) = self else { return [] }
    return table.sorted { $0.key < $1.key }.compactMap { entry in
      guard case .string(let path) = entry.value, !path.isEmpty else { return nil }
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue ? path : nil
    }
  }
}

extension ComparisonRunner.Item {
  var folder: RunFolder { RunFolder(configuration.folder) }
  /// The last checkpoint: arms are compared at equal budget, not each at its best.
  var checkpointPath: String { folder.checkpointPath(step: plan.steps) }
  var failurePath: String { configuration.folder + "/failed.json" }

  /// Why it has no result; nil when it has, or when another configuration failed.
  var failure: String? {
    guard let bytes = FileManager.default.contents(atPath: failurePath), let failure = try? JSONDecoder().decode(Failure.self, from: bytes),
      failure.experiment == configuration.experimentHash, failure.steps == plan.steps
    else { return nil }
    return failure.reason
  }

  /// Whether its last checkpoint is there, made as planned.
  /// - Throws: `ConfigurationError` when its folder holds a run of another configuration, corpus or budget.
  func isTrained() throws -> Bool {
    if failure != nil { return true }
    guard let newest = try folder.newestIntact().checkpoint else { return false }
    func refuse(_ what: String) -> ConfigurationError {
      ConfigurationError(
        "name", "names a comparison whose run \(configuration.folder) \(what). Give the comparison another name, or remove that folder.")
    }
    let state = newest.state
    guard state.experimentHash == configuration.experimentHash else { throw refuse("was made with other settings") }
    guard state.dataHash == (try Corpus(configuration.data.corpus).manifest.contentHash) else { throw refuse("was trained on other data") }
    guard state.schedule["steps"].map({ Int($0) }) == plan.steps else {
      throw refuse("was planned for \(state.schedule["steps"].map { Int($0) } ?? 0) steps, and the budget makes it \(plan.steps)")
    }
    return folder.isWhole(step: plan.steps)
  }
}

extension ComparisonFile {
  func resultPath(_ item: ComparisonRunner.Item, _ measure: String) -> String { "\(path)/measures/\(item.name)/\(measure).json" }
}

/// A measure's result on disk, with what it was taken of.
struct StoredResult: Codable {
  var key: String
  /// Why the model could not be measured so.
  var obstacle: String?
  var result: MeasureResult?

  static func read(_ path: String) -> StoredResult? {
    FileManager.default.contents(atPath: path).flatMap { try? JSONDecoder().decode(StoredResult.self, from: $0) }
  }

  func write(_ path: String) throws {
    try makeFolders((path as NSString).deletingLastPathComponent)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    try AtomicFile.write(String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: path)
  }
}

/// - Throws: `FileError` naming the folder.
func makeFolders(_ path: String) throws(FileError) {
  do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
    throw FileError("create the folder", path, reason: error.localizedDescription, remedy: "Is there a file of that name, or no permission?")
  }
}
