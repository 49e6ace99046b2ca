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
/// While there are at least as many open runs as ranks, each rank takes one by itself, which needs no communication; the rest is
/// run by all ranks together. It makes no difference to any bit. All methods are collective.
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
  public func callAsFunction() throws -> Bool {
    guard try work(on: try open { !$0.isTrained }, doing: "trained", train) else { return false }
    return try work(on: try open { !self.isMeasured($0) }, doing: "measured", measure)
  }

  // MARK: - Dealing

  /// Items for which `isOpen` holds on rank 0, whose disk decides.
  private func open(_ isOpen: (Item) -> Bool) throws -> [Item] {
    var flags = items.map { Int64(communicator.rank == 0 && isOpen($0) ? 1 : 0) }
    try communicator.broadcastArray(&flags)
    return zip(items, flags).filter { $0.1 == 1 }.map(\.0)
  }

  private func work(on open: [Item], doing what: String, _ body: (Item, any Communicator) throws -> Void) throws -> Bool {
    let total = items.count
    var done = total - open.count
    if done > 0 { say("\(done) of \(total) are \(what) already") }
    var rest = open[...]
    let ranks = communicator.size
    while !rest.isEmpty {
      let alone = ranks > 1 && rest.count >= ranks
      let group = Array(rest.prefix(alone ? ranks : 1))
      rest = rest.dropFirst(group.count)
      let began = ContinuousClock.now
      if alone { try body(group[communicator.rank], SingleRank()) } else { try body(group[0], communicator) }
      // A rank that was asked to stop has saved; the others learn of it here.
      guard try communicator.sum(StopRequest.isPending ? 1 : 0) == 0 else { return false }
      done += group.count
      let seconds = (ContinuousClock.now - began).inSeconds
      let rounds = (rest.count + ranks - 1) / (alone ? ranks : 1)
      say("\(what) \(group.map(\.name).joined(separator: ", ")) in \(duration(seconds)) (\(done) of \(total); about \(duration(seconds * Double(alone ? rounds : rest.count))) to go)")
    }
    return true
  }

  private func duration(_ seconds: Double) -> String {
    seconds < 90 ? String(format: "%.1f s", seconds) : seconds < 5400 ? String(format: "%.1f min", seconds / 60) : String(format: "%.1f h", seconds / 3600)
  }

  // MARK: - One item

  private func train(_ item: Item, _ communicator: any Communicator) throws {
    let inputs = try CorpusInputs.open(item.configuration)
    let run = try TrainingRun(
      item.configuration, inputs, communicator: communicator, threads: threads, command: CommandLine.arguments, version: version)
    do {
      _ = try run.execute()
    } catch let error as NumericsError {
      // An arm whose numbers break is a result of the comparison, not its end.
      guard communicator.rank == 0 else { return }
      try AtomicFile.write(error.description, to: item.failurePath)
    }
  }

  private func measure(_ item: Item, _ communicator: any Communicator) throws {
    guard !item.hasFailed else { return }
    let corpus = try Corpus(item.configuration.data.corpus)
    let model = try MeasuredModel(item.checkpointPath, vocabulary: corpus.vocabulary)
    let context = MeasureContext(
      model, corpus: corpus, split: CorpusSplit(rawValue: file.split) ?? .validation, communicator: communicator, threads: threads,
      microBatch: file.microBatch)
    for (entry, measure, options) in file.measures {
      let path = file.resultPath(item, entry.name)
      let key = try resultKey(item, options)
      var known = [Int64(communicator.rank == 0 && StoredResult.read(path)?.key == key ? 1 : 0)]
      try communicator.broadcastArray(&known)
      if known[0] == 1 { continue }
      let stored: StoredResult
      if let reason = measure.obstacle(model) {
        stored = StoredResult(key: key, obstacle: "the model \(reason)", result: nil)
      } else {
        stored = StoredResult(key: key, obstacle: nil, result: try measure(context))
      }
      if communicator.rank == 0 { try stored.write(path) }
    }
  }

  private func isMeasured(_ item: Item) -> Bool {
    if item.hasFailed { return true }
    return file.measures.allSatisfy { entry, _, options in
      guard let key = try? resultKey(item, options) else { return false }
      return StoredResult.read(file.resultPath(item, entry.name))?.key == key
    }
  }

  /// What a result depends on: the weights and the options.
  private func resultKey(_ item: Item, _ options: String) throws -> String {
    let state = try Checkpoint(opening: item.checkpointPath)
    let weights = state.files[CheckpointFile.model]?.sha256 ?? ""
    return SHA256.of("\(weights) \(options) \(file.split) \(file.microBatch)")
  }
}

extension ComparisonRunner.Item {
  var folder: RunFolder { RunFolder(configuration.folder) }
  /// The last checkpoint: arms are compared at equal budget, not each at its best.
  var checkpointPath: String { folder.checkpointPath(step: plan.steps) }
  var failurePath: String { configuration.folder + "/failed.txt" }
  var isTrained: Bool { hasFailed || folder.isWhole(step: plan.steps) }
  var hasFailed: Bool { FileManager.default.fileExists(atPath: failurePath) }
  /// Why it has no result; nil when it has.
  var failure: String? { FileManager.default.contents(atPath: failurePath).map { String(decoding: $0, as: UTF8.self) } }
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
