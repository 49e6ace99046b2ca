import Checkpoints
import Core
import Foundation
import Machine
import Metrics
import Runs
import Storage

/// What a run folder records of the steps of its run. Only reads: the run may still be in progress, and the folder may
/// not be writable.
public struct PastRun: Sendable {
  public let folder: RunFolder
  /// Logged steps, by the number of finished steps.
  let records: [Int: StepRecord]
  /// Steps that have a checkpoint folder.
  public let checkpoints: [Int]
  /// Steps known to have been finished.
  public let lastStep: Int
  /// Whether steps were finished and no log of them is left.
  let isLogLost: Bool
  private let chain: LedgerChain

  public init(_ folder: RunFolder) throws {
    self.folder = folder
    checkpoints = try folder.steps()
    chain = LedgerChain(try Ledger(folder.ledgerPath))
    let logged = try FileKind.of(folder.metricsPath) != .absent ? try MetricsLog.records(at: folder.metricsPath) : []
    records = Dictionary(logged.map { ($0.step, $0) }, uniquingKeysWith: { $1 })
    isLogLost = logged.isEmpty && !checkpoints.isEmpty
    lastStep = max(checkpoints.last ?? 0, chain.endStep, logged.last?.step ?? 0)
  }

  /// Steps that need no other step to be run before: the first, and those right after a checkpoint.
  public var cheapSteps: [Int] { ([0] + checkpoints).map { $0 + 1 }.filter { $0 <= lastStep } }

  /// - Throws: `ConfigurationError` that lists the steps which are cheap, when `step` is none of the run's.
  public func require(_ step: Int?) throws(ConfigurationError) -> Int {
    if let step, (1...max(lastStep, 1)).contains(step), lastStep > 0 { return step }
    guard lastStep > 0 else { throw ConfigurationError(folder.path, "has finished no step yet.") }
    let rule =
      "\(folder.path) has finished steps 1...\(lastStep). Those right after a checkpoint take one step to replay: \(listed(cheapSteps))."
    guard let step else { throw ConfigurationError("--step", "is missing; \(rule)") }
    throw ConfigurationError("--step", is: step, rule: rule)
  }

  func listed(_ steps: [Int]) -> String {
    let shown = steps.count > 24 ? steps.prefix(12) + steps.suffix(12) : steps[...]
    return shown.map(String.init).joined(separator: ", ") + (steps.count > 24 ? " (and others between)" : "")
  }

  /// The newest intact checkpoint at or before `finished` steps; nil for the beginning of the run.
  /// - Parameter warn: gets a sentence for each one that was passed over.
  func nearestCheckpoint(_ finished: Int, warn: (String) -> Void) -> Checkpoint? {
    for step in checkpoints.reversed() where step <= finished {
      do { return try Checkpoint(verifying: folder.checkpointPath(step: step)) } catch {
        warn("the checkpoint of step \(step) is not used: \(error)")
      }
    }
    return nil
  }

  func nextRecorded(after step: Int) -> Int? { (Array(records.keys) + checkpoints).filter { $0 > step }.min() }

  /// The checkpoint of `step`, if there is one that is intact.
  func checkpoint(_ step: Int) -> Checkpoint? {
    checkpoints.contains(step) ? try? Checkpoint(verifying: folder.checkpointPath(step: step)) : nil
  }

  /// Steps planned when step `step` (counted from 0) was run: schedules depend on it, and a run can be extended.
  func plannedSteps(of step: Int, else planned: Int) -> Int { chain.start(of: step)?.plannedSteps ?? planned }

  /// The arithmetic of the start that ran step `step` (counted from 0), or of the newest start; nil where it left no
  /// record.
  func arithmetic(of step: Int) throws -> Arithmetic? {
    struct Launch: Decodable { var arithmetic: Arithmetic }
    guard let number = try chain.start(of: step)?.launch ?? folder.launches().last else { return nil }
    let digits = String(number)
    let path = folder.launchesPath + "/" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + ".json"
    guard let bytes = try? MappedFile(path, atMost: LaunchRecord.mostBytes).withBytes({ Data($0) }) else { return nil }
    return try? JSONDecoder.snakeCase().decode(Launch.self, from: bytes).arithmetic
  }
}

extension PastRun {
  /// - Throws: `DataError` when the run was trained on other data than that of `hash`.
  public func requireData(_ hash: String, in corpus: String) throws {
    let known = checkpoints.reversed().lazy.compactMap {
      try? Checkpoint(opening: folder.checkpointPath(step: $0)).state.dataHash
    }
    guard let wanted = known.first(where: { !$0.isEmpty }), wanted != hash else { return }
    throw DataError(
      corpus, "holds other data than \(folder.path) was trained on.", remedy: "Name the corpus with --corpus.")
  }
}
