import Core
import Foundation
import Storage

/// The few things this module does with folders, with errors that say what the system said.
public enum Folders {
  /// Creates a folder and those above it; an existing one is fine.
  public static func create(_ path: String) throws(CheckpointError) {
    try checkFault("create", path)
    if mkdir(path, 0o755) == 0 || (errno == EEXIST && exists(path)) { return }
    let code = errno
    let parent = folderAbove(path)
    if code == ENOENT, parent != ".", parent != path {
      try create(parent)
      if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    }
    throw CheckpointError("create", path, systemReason(code), exitCode: .inputOutput)
  }

  /// Creates a folder that nothing has the name of yet, and those above it.
  public static func createNew(_ path: String) throws(CheckpointError) {
    try checkFault("create", path)
    if mkdir(path, 0o755) == 0 { return }
    if errno == ENOENT {
      try create(folderAbove(path))
      if mkdir(path, 0o755) == 0 { return }
    }
    throw CheckpointError("create", path, systemReason(), exitCode: .inputOutput)
  }

  /// What stands under a path, without following a link.
  public static func kind(of path: String) throws(CheckpointError) -> FileKind {
    try CheckpointError.wrapping { () throws(FileError) in try FileKind.of(path) }
  }

  /// Whether `path` is a folder.
  public static func exists(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
  }

  public static func isFile(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && !isFolder.boolValue
  }

  /// Names in a folder, sorted; none when there is no such folder. One that cannot be read is an error: to
  /// take it for an empty one would begin a run again.
  public static func names(in path: String) throws(CheckpointError) -> [String] {
    try checkFault("list", path)
    guard let folder = opendir(path) else {
      if errno == ENOENT { return [] }
      throw CheckpointError("list", path, systemReason(), exitCode: .inputOutput)
    }
    defer { closedir(folder) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
      }
      if name != ".", name != ".." { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw CheckpointError("list", path, systemReason(), exitCode: .inputOutput) }
    return names.sorted()
  }

  /// Waits until the folder's names are on the disk.
  public static func sync(_ path: String) throws(CheckpointError) {
    try CheckpointError.wrapping { () throws(FileError) in try AtomicFile.syncFolder(of: path + "/.") }
  }

  public static func rename(_ source: String, to target: String) throws(CheckpointError) {
    try CheckpointError.wrapping { () throws(FileError) in try AtomicFile.rename(source, to: target) }
  }

  public static func writeText(_ text: String, to path: String) throws(CheckpointError) {
    try CheckpointError.wrapping { () throws(FileError) in try AtomicFile.write(text, to: path) }
  }

  public static func remove(_ path: String) throws(CheckpointError) {
    try checkFault("remove", path)
    do { try FileManager.default.removeItem(atPath: path) } catch {
      throw CheckpointError("remove", path, error.localizedDescription, exitCode: .inputOutput)
    }
  }

  /// For clearing up after another failure, which is the one worth reporting.
  public static func removeIfPossible(_ path: String) {
    do { try checkFault("remove", path) } catch { return }
    try? FileManager.default.removeItem(atPath: path)
  }

  private static func checkFault(_ operation: String, _ path: String) throws(CheckpointError) {
    try CheckpointError.wrapping { () throws(FileError) in try FileFaults.check(operation, path) }
  }

  /// The bytes of a small file. One that is larger, such as a file of holes, or no regular file is refused before
  /// anything is read.
  public static func read(_ path: String, atMost most: Int = 256 << 20) throws(CheckpointError) -> [UInt8] {
    let file = try CheckpointError.wrapping { () throws(FileError) in try MappedFile(path, atMost: most) }
    return file.withBytes { Array($0) }
  }
}
