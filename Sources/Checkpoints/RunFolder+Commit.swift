import Core
import Foundation
import HuggingFace
import Safetensors
import Storage

/// What became of a commit.
public enum CommitOutcome: Sendable, Equatable {
  case written
  /// The step had been saved before a resume, and the replay gave the same bytes; the first one stays.
  case alreadyThere
  /// The step had a checkpoint that was damaged, as reported; the new one took its place.
  case replacedDamaged(String)
}

extension RunFolder {
  /// Saves a checkpoint: everything into a temporary folder, each file and the folder synced, `state.json`
  /// last, then one rename. A reader sees all of it or nothing.
  ///
  /// A checkpoint of the same step that is intact is never replaced: a step has one set of bytes, so a
  /// replay that gives others is an error.
  ///
  /// - Throws: `CheckpointError` with the system's reason when writing fails; the temporary folder is then
  ///   removed, and earlier checkpoints and `latest` are as before. With exit code `diverged` when an intact
  ///   checkpoint of this step differs.
  @discardableResult
  public func commit(_ contents: CheckpointContents) throws(CheckpointError) -> CommitOutcome {
    try commit(CheckpointSnapshot(of: contents))
  }

  /// Saves a snapshot likewise; nothing else may use it meanwhile. Folders that vanished are made again.
  @discardableResult
  public func commit(_ snapshot: CheckpointSnapshot) throws(CheckpointError) -> CommitOutcome {
    let step = snapshot.state.step
    let temporary = temporaryPath(step: step)
    try snapshot.requireOneReplica()
    guard try Folders.kind(of: checkpointsPath) != .link else {
      throw CheckpointError(
        "write in", checkpointsPath, FileKind.linkReason, remedy: FileKind.linkRemedy, exitCode: .inputOutput)
    }
    clearLeftovers()
    do throws(CheckpointError) {
      try Folders.createNew(temporary)
      let document = try write(snapshot, into: temporary)
      let outcome = try place(document, from: temporary, step: step)
      try setLatest(step: step)
      return outcome
    } catch {
      Folders.removeIfPossible(temporary)
      throw error
    }
  }

  /// Removes what an earlier save or removal that failed half-way left behind: it would fill the disk further.
  private func clearLeftovers() {
    let names = (try? Folders.names(in: checkpointsPath)) ?? []
    for name in names where Self.isLeftover(name) { Folders.removeIfPossible(checkpointsPath + "/" + name) }
  }

  private func write(_ snapshot: CheckpointSnapshot, into folder: String) throws(CheckpointError) -> StateDocument {
    var files: [String: FileRecord] = [:]
    for file in snapshot.files {
      checkName(file.name)
      files[file.name] = file.record
      try CheckpointError.wrapping { () throws(FileError) in
        try AtomicFile.writeDurably(snapshot.bytes(of: file), to: folder + "/" + file.name)
      }
    }
    for (name, bytes) in snapshot.byteFiles.sorted(by: { $0.key < $1.key }) {
      checkName(name)
      precondition(files[name] == nil, "\(name) is given both as tensors and as bytes")
      files[name] = try writeNew(bytes, to: folder + "/" + name)
    }
    let document = StateDocument(files: files, training: snapshot.state)
    try Folders.sync(folder)
    _ = try writeNew(try document.encoded(), to: folder + "/" + CheckpointFile.state)
    try Folders.sync(folder)
    return document
  }

  private func checkName(_ name: String) {
    precondition(
      !name.isEmpty && !name.contains("/") && name != CheckpointFile.state, "\(name) cannot be a file of a checkpoint")
  }

  private func writeNew(_ bytes: [UInt8], to path: String) throws(CheckpointError) -> FileRecord {
    try CheckpointError.wrapping { () throws(FileError) in
      var file = try DurableFile(creating: path)
      try file.write(bytes)
      return try file.finish()
    }
  }

  /// Gives the temporary folder its name, unless the step has an intact checkpoint already.
  private func place(_ document: StateDocument, from temporary: String, step: Int) throws(CheckpointError)
    -> CommitOutcome
  {
    let target = checkpointPath(step: step)
    guard try Folders.kind(of: target) != .absent else {
      try Folders.rename(temporary, to: target)
      return .written
    }
    let present: Checkpoint
    do throws(CheckpointError) {
      present = try Checkpoint(verifying: target)
    } catch {
      // One that cannot be read, or that a newer version wrote, may be good.
      guard error.isDamage else { throw error }
      let aside = temporaryPath(step: step)
      try Folders.rename(target, to: aside)
      try Folders.rename(temporary, to: target)
      Folders.removeIfPossible(aside)
      return .replacedDamaged(error.description)
    }
    try requireEqual(present, document)
    Folders.removeIfPossible(temporary)
    return .alreadyThere
  }

  private func requireEqual(_ present: Checkpoint, _ document: StateDocument) throws(CheckpointError) {
    let names = Set(present.files.keys).union(document.files.keys).sorted()
    var different = names.filter { present.files[$0] != document.files[$0] }
    if present.state != document.training { different.append("the training state") }
    guard !different.isEmpty else { return }
    throw CheckpointError(
      "commit", present.path,
      "the step was saved before, and computing it again gave other bytes in \(different.joined(separator: ", "))",
      remedy:
        "The checkpoint that was there is kept. Run `lockstep doctor`: the arithmetic, the data or the configuration has changed.",
      exitCode: .diverged)
  }
}
