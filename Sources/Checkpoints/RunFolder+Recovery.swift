import Core
import Foundation
import Safetensors
import Storage

/// Where a run goes on from.
public struct Recovery: Sendable {
  /// The newest intact checkpoint; nil in a run that has none yet.
  public var checkpoint: Checkpoint?
  /// One sentence for each newer checkpoint that could not be trusted.
  public var warnings: [String]
}

extension RunFolder {
  /// The newest checkpoint whose every byte is as it was written, and a warning for each newer one that is damaged.
  ///
  /// - Throws: `CheckpointError` when there are checkpoints and none is intact: to begin again at step 0
  ///   must be a person's decision. With exit code `inputOutput` when a newer one cannot be read, and when a newer
  ///   version wrote it: it may be good, and going on from an older one would compute its steps again and take its
  ///   place.
  public func newestIntact() throws(CheckpointError) -> Recovery {
    var warnings: [String] = []
    for step in try steps().reversed() {
      do throws(CheckpointError) {
        return Recovery(checkpoint: try Checkpoint(verifying: checkpointPath(step: step)), warnings: warnings)
      } catch {
        guard error.isDamage else { throw error.keepingFolder }
        warnings.append("Checkpoint \(Self.checkpointName(step: step)) is not used: \(error)")
      }
    }
    guard warnings.isEmpty else {
      throw CheckpointError(
        "resume", path,
        warnings.count == 1
          ? "its only checkpoint is not intact: \(warnings[0])"
          : "none of its \(warnings.count) checkpoints is intact; the newest says: \(warnings[0])",
        remedy: "Restore one from a backup, or remove \(checkpointsPath) to begin again.")
    }
    return Recovery(checkpoint: nil, warnings: [])
  }

  /// Lets `latest` and `best` say what the checkpoint a run goes on from says: a kill between saving and naming leaves
  /// them behind, damage makes them unreadable, and a fall-back to an older checkpoint makes them name what is not to
  /// be used.
  ///
  /// - Returns: one sentence for each that named something else.
  public func repairPointers(resuming state: TrainingState) throws(CheckpointError) -> [String] {
    var warnings: [String] = []
    if try repair("latest", to: state.step) {
      warnings.append(
        "latest did not name \(Self.checkpointName(step: state.step)), from which the run resumes, and was corrected.")
    }
    if let best = state.bestStep, isWhole(step: best) {
      if try repair("best", to: best) {
        warnings.append(
          "best did not name \(Self.checkpointName(step: best)), the step of lowest validation loss, and was corrected."
        )
      }
    } else if Folders.isFile(path + "/best") {
      // The best checkpoint is lost. An older one still serves; a name that leads nowhere does not.
      var named: Int?
      do throws(CheckpointError) { named = try best() } catch {
        guard error.isDamage else { throw error }
      }
      guard named.map({ $0 > state.step || !isWhole(step: $0) }) ?? true else { return warnings }
      try Folders.remove(path + "/best")
      warnings.append("best named no checkpoint of this run and was removed.")
    }
    return warnings
  }

  /// Lets `best` name a step that has a checkpoint. - Returns: whether it named none at all before, because it was
  /// damaged.
  public func nameBest(step: Int) throws(CheckpointError) -> Bool {
    guard isWhole(step: step) else { return false }
    var damaged = false
    do throws(CheckpointError) {
      if try best() == step { return false }
    } catch {
      guard error.isDamage else { throw error }
      damaged = true
    }
    try setBest(step: step)
    return damaged
  }

  /// Sets a pointer that does not name `step`. - Returns: whether there was one.
  private func repair(_ name: String, to step: Int) throws(CheckpointError) -> Bool {
    guard try !names(name, step) else { return false }
    let wrong = try Folders.kind(of: path + "/" + name) != .absent
    try point(name, at: step)
    return wrong
  }

  /// Whether a pointer names `step`. - Throws: `CheckpointError` when it cannot be read; one that is damaged names
  /// nothing.
  private func names(_ name: String, _ step: Int) throws(CheckpointError) -> Bool {
    do throws(CheckpointError) { return try pointer(name) == step } catch {
      guard error.isDamage else { throw error }
      return false
    }
  }

  /// Whether the step has a checkpoint that looks intact: a valid `state.json`, files of the right size.
  public func isWhole(step: Int) -> Bool { (try? Checkpoint(opening: checkpointPath(step: step))) != nil }

  /// One step's checkpoint, verified.
  public func checkpoint(step: Int) throws(CheckpointError) -> Checkpoint {
    let folder = checkpointPath(step: step)
    guard Folders.exists(folder) else {
      let present = try steps().map(String.init).joined(separator: ", ")
      throw CheckpointError(
        "open", folder, "there is no such checkpoint", remedy: present.isEmpty ? "" : "There are steps \(present).")
    }
    return try Checkpoint(verifying: folder)
  }
}

/// Which checkpoints stay.
public struct RetentionPolicy: Sendable, Equatable, Codable {
  /// How many of the newest stay; at least 1.
  public var keepLast: Int
  /// Multiples of this step stay for ever; nil for none.
  public var everySteps: Int?

  public init(keepLast: Int, everySteps: Int? = nil) {
    precondition(keepLast >= 1, "keep_last is \(keepLast); at least one checkpoint must stay")
    precondition(everySteps.map { $0 >= 1 } ?? true, "everySteps must be at least 1")
    self.keepLast = keepLast
    self.everySteps = everySteps
  }
}

extension RunFolder {
  /// Removes checkpoints the policy does not keep. The newest ones are counted among those that look intact
  /// (a valid `state.json`, files of the right size), and the one `best` names always stays, as does every
  /// damaged one: it is evidence, and costs no intact one its place.
  ///
  /// - Parameter damaged: steps found damaged when every byte was read, which a look at the sizes does not show.
  /// - Returns: the steps removed, rising.
  @discardableResult
  public func prune(_ policy: RetentionPolicy, damaged: Set<Int> = []) throws(CheckpointError) -> [Int] {
    let whole = try steps().filter { !damaged.contains($0) && isWhole(step: $0) }
    var kept = Set(whole.suffix(policy.keepLast))
    if let best = try best() { kept.insert(best) }
    if let every = policy.everySteps { kept.formUnion(whole.filter { $0 > 0 && $0 % every == 0 }) }
    let removed = whole.filter { !kept.contains($0) }
    for step in removed { try removeCheckpoint(step: step) }
    return removed
  }

  /// Takes the name away first, so that a crash half-way leaves no checkpoint that looks damaged.
  private func removeCheckpoint(step: Int) throws(CheckpointError) {
    let aside = temporaryPath(step: step)
    try Folders.rename(checkpointPath(step: step), to: aside)
    try Folders.remove(aside)
  }
}
