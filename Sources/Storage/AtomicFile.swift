import Core
import Glibc

/// Files that are either complete or absent: written beside their place, synced, then renamed.
public enum AtomicFile {
  /// Replaces `path` by `bytes`; a reader sees the old file or the new one, never a part. A symbolic link is not
  /// replaced, and what it leads to is not written.
  ///
  /// - Throws: `FileError`; the temporary file is then removed and the old file untouched.
  public static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws(FileError) {
    try refuseLink(path)
    let temporary = path + temporaryMark + TemporaryName.random()
    do {
      try writeDurably(bytes, to: temporary)
      try rename(temporary, to: path)
    } catch {
      removeIfPossible(temporary)
      throw error
    }
  }

  public static func write(_ text: String, to path: String) throws(FileError) {
    try write(Array(text.utf8), to: path)
  }

  public static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
    let outcome = bytes.withUnsafeBytes { buffer in
      Result { () throws(FileError) in try write(buffer, to: path) }
    }
    try outcome.get()
  }

  /// What stands between the name of a file and the random part of its temporary name.
  public static let temporaryMark = ".tmp-"

  /// - Throws: `FileError` when `path` is a symbolic link.
  private static func refuseLink(_ path: String) throws(FileError) {
    guard try FileKind.of(path) == .link else { return }
    throw FileError("write", path, reason: FileKind.linkReason, remedy: FileKind.linkRemedy)
  }

  /// Writes a file that does not exist yet, and waits until it is on the disk.
  public static func writeDurably(_ bytes: UnsafeRawBufferPointer, to path: String) throws(FileError) {
    try FileFaults.check("create", path)
    // A name that someone else has put there is not used, and no link is followed.
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError("create", path, reason: systemReason()) }
    var closed = false
    defer { if !closed { close(descriptor) } }
    try FileFaults.check("write", path)
    try writeAll(bytes, to: descriptor, path: path)
    try FileFaults.check("sync", path)
    guard fsync(descriptor) == 0 else { throw FileError("sync", path, reason: systemReason()) }
    closed = true
    guard close(descriptor) == 0 else { throw FileError("close", path, reason: systemReason()) }
  }

  /// Writes every byte, going on after interruptions and short writes.
  public static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws(FileError) {
    var offset = 0
    while offset < bytes.count {
      let written = Glibc.write(descriptor, bytes.baseAddress! + offset, min(bytes.count - offset, 1 << 30))
      if written < 0 {
        if errno == EINTR { continue }
        throw FileError(
          "write", path, reason: systemReason(), remedy: "\(offset) of \(bytes.count) bytes were written.")
      }
      offset += written
    }
  }

  /// Renames and syncs the folder, so that the new name survives a crash.
  public static func rename(_ source: String, to target: String) throws(FileError) {
    try FileFaults.check("rename", source)
    guard Glibc.rename(source, target) == 0 else {
      throw FileError("rename", source, reason: "to \(target): \(systemReason())")
    }
    try syncFolder(of: target)
  }

  /// Syncs the folder that holds `path`.
  public static func syncFolder(of path: String) throws(FileError) {
    try FileFaults.check("sync", path)
    let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileError("open", folder, reason: systemReason()) }
    defer { close(descriptor) }
    // Some network file systems cannot sync a folder and say EINVAL; there the rename is durable by itself.
    guard fsync(descriptor) == 0 || errno == EINVAL else { throw FileError("sync", folder, reason: systemReason()) }
  }

  /// For clearing up after another failure, which is the one worth reporting.
  private static func removeIfPossible(_ path: String) {
    do { try FileFaults.check("remove", path) } catch { return }
    unlink(path)
  }
}
