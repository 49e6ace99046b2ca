import Core
import Glibc
import Storage

/// A folder that a command leaves for other tools: it must not exist before, and appears when it is complete.
public enum NewFolder {
  /// Whether a folder can be made at `target`; checked before any work.
  /// - Parameter operation: what is being done, such as `export to`.
  /// - Throws: `CheckpointError` when something is there already, or the folder above cannot be written.
  public static func check(_ target: String, _ operation: String) throws(CheckpointError) {
    let target = withoutEndingSlashes(target)
    guard !target.isEmpty else {
      throw CheckpointError(operation, target, "it has no name", remedy: "Name a new folder.", exitCode: .usage)
    }
    guard try Folders.kind(of: target) == .absent else {
      throw CheckpointError(operation, target, "it exists already", remedy: "Name a new folder.", exitCode: .usage)
    }
    if let checkpoints = target.firstRange(of: "/checkpoints/"),
      Folders.exists(String(target[..<checkpoints.upperBound]))
    {
      throw CheckpointError(
        operation, target, "the checkpoints of a run stand beside it, and training would remove it",
        remedy: "Name a folder outside the run.", exitCode: .usage)
    }
    var parent = target
    repeat {
      parent =
        parent.lastIndex(of: "/").map { $0 == parent.startIndex ? "/" : withoutEndingSlashes(String(parent[..<$0])) }
        ?? "."
    } while try Folders.kind(of: parent) == .absent
    guard Folders.exists(parent) else {
      throw CheckpointError(operation, target, "\(parent) is not a folder", exitCode: .usage)
    }
    guard access(parent, W_OK | X_OK) == 0 else {
      throw CheckpointError(operation, target, "\(parent): \(String(cString: strerror(errno)))", exitCode: .inputOutput)
    }
  }

  /// Lets `body` fill a folder beside `target`, under a name that nobody else has, and gives it its name.
  /// - Throws: what `check` and `body` throw; nothing is then left behind.
  public static func write(_ target: String, _ operation: String, _ body: (String) throws(CheckpointError) -> Void)
    throws(CheckpointError)
  {
    try check(target, operation)
    let target = withoutEndingSlashes(target)
    let temporary = target + AtomicFile.temporaryMark + TemporaryName.random()
    do throws(CheckpointError) {
      try Folders.createNew(temporary)
      try body(temporary)
      try Folders.sync(temporary)
      try Folders.rename(temporary, to: target)
    } catch {
      Folders.removeIfPossible(temporary)
      throw error
    }
  }

  private static func withoutEndingSlashes(_ path: String) -> String {
    var path = path[...]
    while path.count > 1, path.last == "/" { path = path.dropLast() }
    return String(path)
  }
}
