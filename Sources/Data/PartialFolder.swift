import Core
import Foundation
import Glibc
import Storage

/// The folder beside its target in which a corpus is made, so that a half-made one is never taken for finished.
/// What an interrupted run left in it is thrown away.
final class PartialFolder {
  let target: String
  let path: String
  private let lock: Int32
  private static let lockName = ".lock"

  /// - Throws: `FileError` when the folder cannot be made; `DataError` when another process is making the same corpus.
  init(beside target: String) throws {
    self.target = target
    self.path = target + ".partial"
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw FileError("create", path, reason: systemReason(), remedy: "Choose a folder that can be written to.")
    }
    self.lock = open(path + "/" + Self.lockName, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard lock >= 0 else { throw FileError("create", path + "/" + Self.lockName, reason: systemReason()) }
    // A file system without locks says something else than EWOULDBLOCK; there nothing guards against a second process.
    guard flock(lock, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
      throw DataError(target, "is being prepared by another process.", remedy: "Wait until it has finished.")
    }
    try clear()
  }

  deinit { close(lock) }

  private func clear() throws {
    for entry in try FileManager.default.contentsOfDirectory(atPath: path) where entry != Self.lockName {
      try FileManager.default.removeItem(atPath: path + "/" + entry)
    }
  }

  /// Gives the finished folder its name. A corpus already there is removed after it has been moved out of the way.
  func commit() throws {
    unlink(path + "/" + Self.lockName)
    try AtomicFile.syncFolder(of: path + "/.")
    let old = target + ".old"
    let replaces = FileManager.default.fileExists(atPath: target + "/" + CorpusManifest.fileName)
    if replaces {
      if FileManager.default.fileExists(atPath: old) { try FileManager.default.removeItem(atPath: old) }
      try AtomicFile.rename(target, to: old)
    }
    try AtomicFile.rename(path, to: target)
    if replaces { try FileManager.default.removeItem(atPath: old) }
  }

  /// Removes the folder after a failure.
  func discard() { try? FileManager.default.removeItem(atPath: path) }
}
