import Core
import Foundation
import Storage

/// The right to write into a run folder, held by one process at a time.
///
/// Invariant: `descriptor` is open for the life of this object, and the lock is the system's: it ends with
/// the process, however that ends.
public final class RunClaim: Sendable {
  private let descriptor: Int32

  fileprivate init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Whether the lock is still that of the folder, which may have been removed or replaced.
  public func holds(_ run: RunFolder) -> Bool {
    var (mine, there) = (stat(), stat())
    return fstat(descriptor, &mine) == 0 && stat(run.lockPath, &there) == 0 && mine.st_ino == there.st_ino && mine.st_dev == there.st_dev
  }
}

extension RunFolder {
  var lockPath: String { path + "/.lock" }

  /// Takes the folder for this process until the claim is released.
  ///
  /// - Throws: `CheckpointError` when another process holds it. A file system without locks grants every claim.
  public func claim() throws(CheckpointError) -> RunClaim {
    try Folders.create(path)
    let file = lockPath
    let descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw CheckpointError("create", file, systemReason(), exitCode: .inputOutput) }
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      close(descriptor)
      throw CheckpointError(
        "start in", path, "another process is training in this folder", remedy: "Wait for it, stop it, or name another run.",
        exitCode: .usage)
    }
    return RunClaim(descriptor: descriptor)
  }
}
