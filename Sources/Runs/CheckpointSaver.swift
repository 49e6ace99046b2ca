import Checkpoints
import Collectives
import Configuration
import Core
import Foundation
import Machine
import Safetensors
import Synchronization

/// Takes checkpoints without stopping the run for the disk: every rank hashes its share of the bytes, rank 0 copies
/// them, and a thread of rank 0 writes the copy while training goes on. A write that fails costs a warning; only the
/// last one ends the run.
///
/// All methods but `isDue` are collective.
final class CheckpointSaver {
  /// Seconds before the further attempts at the last save.
  static let retrySeconds = [1.0, 4, 10]

  private let machine: RunConfiguration.Machine
  private let communicator: any Communicator
  private let pool: WorkerPool
  /// Only on rank 0.
  private let record: RunRecord?
  let writer = WriterThread()
  private let snapshot = CheckpointSnapshot()
  private let retrySeconds: [Double]
  private var wanted = false
  private var lastSave = ContinuousClock.now
  private var savingStep = 0
  private var retries = Retries()
  /// Whether the last checkpoint is written, and only logs remain.
  private var lastIsSaved = Shared(false)

  init(
    _ machine: RunConfiguration.Machine, communicator: any Communicator, pool: WorkerPool, record: RunRecord?,
    retrySeconds: [Double] = CheckpointSaver.retrySeconds
  ) {
    (self.machine, self.communicator, self.pool) = (machine, communicator, pool)
    (self.record, self.retrySeconds) = (record, retrySeconds)
  }

  /// Whether rank 0 asks for a checkpoint of `step`, which is about to be computed: by steps, by its clock, or because
  /// the writer was busy when one was due. The decision travels with the step, so that all ranks have it.
  ///
  /// - Throws: `CheckpointError` with exit code `diverged` when the write before found other bytes of a step.
  func isDue(finishing step: Int) throws -> Bool {
    guard record != nil else { return false }
    try collect()
    if machine.checkpointSteps > 0, step % machine.checkpointSteps == 0 { wanted = true }
    // Those that stay for ever have fixed steps: for them the run waits for the writer.
    if machine.keepEverySteps > 0, step % machine.keepEverySteps == 0 { return true }
    if machine.checkpointMinutes > 0, (ContinuousClock.now - lastSave).inSeconds >= 60 * machine.checkpointMinutes {
      wanted = true
    }
    return wanted && writer.isFree
  }

  /// Takes a checkpoint and lets it be written. Waits for the one before.
  func save(_ contents: CheckpointContents) throws {
    try waitForRank0 { try collect() }
    let work = try take(contents)
    if let work { writer.start(work) }
  }

  /// Waits for the write under way, if any.
  func drain() throws { try waitForRank0 { try collect() } }

  /// Takes the last checkpoint and waits until it is written, with a few attempts.
  ///
  /// What the logs still hold and the curve are written with it.
  ///
  /// - Throws: on every rank the error of the last attempt.
  func saveLast(_ contents: CheckpointContents) throws {
    try waitForRank0 { try collect() }
    let work = try take(contents)
    let closing = record.map(Closing.init)
    let isSaved = Shared(false)
    lastIsSaved = isSaved
    let attempt: @Sendable () throws -> [String] = {
      let warnings = isSaved.value.withLock { $0 } ? [] : try work?() ?? []
      isSaved.value.withLock { $0 = true }
      try closing?.record.close()
      return warnings
    }
    retries = Retries(delays: retrySeconds[...], next: .now)
    try waitForRank0 { try pollLast(attempt) }
  }

  // MARK: - On rank 0

  /// When the last save is attempted next.
  private struct Retries {
    var delays: ArraySlice<Double> = []
    var next: ContinuousClock.Instant?
  }

  /// Starts the next attempt at the last save when it is time. - Returns: whether it is saved.
  private func pollLast(_ attempt: @escaping @Sendable () throws -> [String]) throws -> Bool {
    if let time = retries.next, time <= .now {
      retries.next = nil
      // The folder may have vanished and come back since the last attempt.
      try record?.keepClaim()
      writer.start(attempt)
    }
    guard let outcome = writer.take() else { return false }
    do {
      try report(outcome)
      return true
    } catch {
      guard Self.mayPass(error) else { throw error }
      guard let delay = retries.delays.popFirst() else {
        let code = (error as? any LockstepError)?.exitCode ?? .failed
        if lastIsSaved.value.withLock({ $0 }) {
          throw SavingError(
            "step \(savingStep) is saved, but what the logs still held and the curve could not be written in \(retrySeconds.count + 1) attempts: \(error) The checkpoint is good; the last lines of metrics.jsonl are missing.",
            code)
        }
        let latest =
          (try? record?.folder.latest() ?? nil).map { "The newest is that of step \($0)" } ?? "There is none before it"
        throw SavingError(
          "the last checkpoint, of step \(savingStep), could not be saved in \(retrySeconds.count + 1) attempts: \(error) \(latest); run the same command again when the disk can be written.",
          code)
      }
      record?.warnFailing(
        .checkpoint, "saving failed and is tried again in \(Int(delay)) s: \(error)",
        key: "last \(RunRecord.reason(error))")
      retries.next = .now + .seconds(delay)
      return false
    }
  }

  /// Takes the result of a write that has ended. - Returns: whether the writer is free.
  @discardableResult
  func collect() throws -> Bool {
    if let outcome = writer.take() {
      do { try report(outcome) } catch {
        guard Self.mayPass(error) else { throw error }
        record?.warnFailing(
          .checkpoint,
          "the checkpoint of step \(savingStep) was not saved: \(error) The run continues, and saves again when the next one is due.",
          key: RunRecord.reason(error))
      }
    }
    return writer.isFree
  }

  /// Warnings of a write that succeeded. - Throws: its error, if it did not.
  private func report(_ outcome: WriterThread.Outcome) throws {
    for sentence in try outcome.get() { record?.warn(sentence) }
    record?.recovered(.checkpoint, "checkpoints are saved again: step \(savingStep).")
    record?.restoreFolder()
  }

  /// Failures of the world may pass; replicas that disagree do not.
  private static func mayPass(_ error: any Error) -> Bool { (error as? any LockstepError)?.exitCode != .diverged }

  // MARK: - On all ranks

  /// Copies on rank 0 and hashes on all. - Returns: on rank 0 the work of writing.
  private func take(_ contents: CheckpointContents) throws -> (@Sendable () throws -> [String])? {
    let start = ContinuousClock.now
    try record?.keepClaim()
    let image = CheckpointImage(contents)
    let roomError = record == nil ? nil : makeRoom(for: image)
    let hasRoom = record != nil && roomError == nil
    let digests = try hash(image, copy: hasRoom)
    (wanted, lastSave, savingStep) = (false, .now, contents.state.step)
    guard let record else { return nil }
    if hasRoom { snapshot.finish(image, digests: digests, contents, ranks: communicator.size) }
    record.pause((ContinuousClock.now - start).inSeconds)
    let work = record.writing(snapshot, step: contents.state.step, best: contents.state.bestStep)
    return {
      if let roomError { throw roomError }
      return try work()
    }
  }

  /// - Returns: why there is no memory for a snapshot. The other ranks wait for this one's digests all the same.
  private func makeRoom(for image: CheckpointImage) -> CheckpointError? {
    do {
      try snapshot.begin(image)
      return nil
    } catch { return error }
  }

  /// The digests of all chunks, each from the rank that has it in its share.
  private func hash(_ image: CheckpointImage, copy: Bool) throws -> [String] {
    let shares = (0..<communicator.size).map { image.share(of: $0, ranks: communicator.size) }
    let share = shares[communicator.rank]
    let mine = Shared([Int: String]())
    let (snapshot, chunks) = (snapshot, copy ? 0..<image.chunkCount : share)
    pool.forEach(chunks.count) { index in
      let chunk = chunks.lowerBound + index
      if copy { snapshot.copy(chunk: chunk, of: image) }
      guard share.contains(chunk) else { return }
      let digest = image.digest(chunk: chunk)
      mine.value.withLock { $0[chunk] = digest }
    }
    let digests = mine.value.withLock { digests in share.map { digests[$0] ?? "" } }
    var bytes = digests.flatMap { Array($0.utf8) }
    bytes += [UInt8](repeating: 0, count: 64 * (shares.map(\.count).max() ?? 0) - bytes.count)
    return zip(try communicator.allGather(bytes), shares).flatMap { bytes, share in
      share.indices.map {
        String(decoding: bytes[64 * ($0 - share.lowerBound)..<64 * ($0 - share.lowerBound + 1)], as: UTF8.self)
      }
    }
  }

  /// All ranks wait until rank 0 has what it waits for, in small steps: a single long collective would look like a
  /// stall.
  ///
  /// - Parameter isDone: evaluated on rank 0 alone. What it throws is thrown on every rank.
  private func waitForRank0(_ isDone: () throws -> Bool) throws {
    var pause = 0.001
    let started = ContinuousClock.now
    while true {
      // A slow disk is no stall; one that hangs for ten times the limit is.
      if (ContinuousClock.now - started).inSeconds < 10 * (communicator.stallSeconds ?? 0) { Heartbeat.beat() }
      var status = [Int64(0)]
      var failure: (any Error)?
      if communicator.rank == 0 {
        do { status[0] = try isDone() ? -1 : 0 } catch {
          failure = error
          status[0] = Int64((error as? any LockstepError)?.exitCode.rawValue ?? ExitCode.failed.rawValue)
        }
      }
      try communicator.broadcastArray(&status)
      if status[0] < 0 { return }
      if status[0] > 0 {
        let sentence = try communicator.broadcast(Array("\(failure.map { "\($0)" } ?? "")".utf8))
        throw failure
          ?? SavingError(String(decoding: sentence, as: UTF8.self), ExitCode(rawValue: Int32(status[0])) ?? .failed)
      }
      if communicator.rank == 0 { Thread.sleep(forTimeInterval: pause) }
      pause = min(2 * pause, 0.1)
    }
  }
}

/// A last save that failed; on the other ranks, whatever failed on rank 0.
struct SavingError: LockstepError {
  let description: String
  let exitCode: ExitCode

  init(_ description: String, _ exitCode: ExitCode) {
    (self.description, self.exitCode) = (description, exitCode)
  }
}

/// A value that closures on several threads share.
private final class Shared<Value: Sendable>: Sendable {
  let value: Mutex<Value>

  init(_ value: Value) { self.value = Mutex(value) }
}

/// A record whose files the writer's thread closes.
private struct Closing: @unchecked Sendable {
  // Sendable: the main thread leaves the files alone until the work has ended.
  let record: RunRecord
}
