import Audit
import Checkpoints
import Collectives
import Configuration
import Core
import Data
import Foundation
import Runs

/// A small run in a folder of its own, on documents in memory.
public struct RunFixture {
  public let root: String
  public let name: String
  public var source: any SampleSource
  public let sequential: any SampleSource
  private let seed: Int

  /// Other keys than those below, as `--set` takes them.
  public var settings: [String] = []

  public static let vocabulary = Vocabulary(size: 53, mask: 0)

  public init(name: String = "run", seed: Int = 3) throws {
    root = NSTemporaryDirectory() + "lockstep-\(UUID().uuidString)"
    self.name = name
    self.seed = seed
    let random = CounterGenerator(seed: 1, purpose: .order)
    let documents = (0..<9).map { d in (0..<47).map { Int32(4 + (random.below(9, d * 100 + $0) + $0) % 40) } }
    source = try InMemoryDataset(
      documents: documents, vocabulary: Self.vocabulary, context: 8, order: .shuffled(seed: UInt64(seed)))
    sequential = try InMemoryDataset(documents: documents, vocabulary: Self.vocabulary, context: 8)
  }

  public var folder: RunFolder { RunFolder(root + "/" + name) }

  public func remove() { try? FileManager.default.removeItem(atPath: root) }

  public func configuration(steps: Int = 12) throws -> RunConfiguration {
    try RunConfiguration(
      toml: """
        name = "\(name)"
        seed = \(seed)
        [data]
        corpus = "memory"
        [model]
        max_position = 8
        hidden_size = 16
        num_layers = 1
        num_heads = 2
        dropout = 0.1
        [batch]
        samples = 6
        micro_batch = 2
        [optimizer]
        learning_rate = 3e-3
        [schedule]
        warmup_steps = 2
        [duration]
        steps = \(steps)
        [machine]
        runs = "\(root)"
        log_steps = 3
        keep_every_steps = 4
        keep_last = 100
        progress = "none"
        tensorboard = false
        """, place: "the test", settings: settings)
  }

  public var inputs: RunInputs {
    RunInputs(training: source, validation: nil, vocabulary: Self.vocabulary, tokenizerFiles: [:], dataHash: "data")
  }

  @discardableResult
  public func train(steps: Int = 12, threads: Int = 1) throws -> RunEnding {
    try TrainingRun(try configuration(steps: steps), inputs, communicator: SingleRank(), threads: threads).execute()
  }

  public func prove(quick: Bool = false, tokens: [UInt64]? = nil) throws -> SampleProof {
    try SampleProof(folder, try configuration()) { quick ? nil : try tokens ?? SampleProof.tokenDigests(sequential) }
  }

  /// The step's report, computed again by a run of its own.
  public func replay(_ step: Int, threads: Int = 1, warn: @escaping (String) -> Void = { _ in }) throws -> ReplayReport
  {
    let replay = try Replay(
      try PastRun(folder), try configuration(), inputs, communicator: SingleRank(), threads: threads, warn: warn)
    return try replay(step: step).report
  }

  /// Rewrites the ledger with other entries, every checksum right: what a forger who knows the program could do.
  public func rewriteLedger(_ change: (inout [LedgerEntry]) -> Void) throws {
    var entries = try Ledger(folder.ledgerPath).lines.map(\.entry)
    change(&entries)
    try FileManager.default.removeItem(atPath: folder.ledgerPath)
    let log = try LedgerLog(folder.ledgerPath)
    for entry in entries { try log.append(entry) }
  }

  public func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

  public func replace(_ old: String, by new: String, in path: String) throws {
    let text = try text(path)
    precondition(text.contains(old), "\(path) does not hold \(old)")
    try text.replacingOccurrences(of: old, with: new).write(toFile: path, atomically: true, encoding: .utf8)
  }
}

/// A source that reads something else than it should.
public struct FaultySource: SampleSource {
  public let source: any SampleSource
  /// The position whose sample is read instead.
  public var instead: @Sendable (UInt64) -> UInt64 = { $0 }
  public var changeToken: @Sendable (UInt64) -> Bool = { _ in false }

  public init(
    source: any SampleSource, instead: @escaping @Sendable (UInt64) -> UInt64 = { $0 },
    changeToken: @escaping @Sendable (UInt64) -> Bool = { _ in false }
  ) {
    (self.source, self.instead, self.changeToken) = (source, instead, changeToken)
  }

  public var samplesPerEpoch: Int { source.samplesPerEpoch }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    var batch = try source.samples(at: positions)
    for (row, position) in positions.enumerated() {
      let read = try source.samples(at: instead(position)..<instead(position) + 1)
      let place = row * batch.stride..<(row + 1) * batch.stride
      batch.tokens.replaceSubrange(place, with: read.tokens)
      batch.documentIDs.replaceSubrange(place, with: read.documentIDs)
      batch.indices[row] = read.indices[0]
      if changeToken(position) { batch.tokens[row * batch.stride] += 1 }
    }
    return batch
  }
}
