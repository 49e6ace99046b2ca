import CLinux
import Core
import Glibc

/// Folders that take each other's names.
public enum FolderReplacement {
  /// Gives `source` the name `target`, which nothing has or an empty folder.
  /// - Throws: `FileError`; nothing has changed then.
  public static func place(_ source: String, at target: String) throws(FileError) {
    try FileFaults.check("rename", source)
    // The system's own rename replaces an empty folder and refuses every other.
    guard rename(source, target) == 0 else {
      throw FileError("rename", source, reason: "to \(target): \(systemReason())")
    }
    try AtomicFile.syncFolder(of: target)
  }

  /// Replaces the folder `target` by `source`; what was there is at `source` or at `aside` afterwards.
  ///
  /// One call of the system exchanges the two names, so that at every moment one of them is there. Where the file
  /// system cannot do that (NFS), the old folder is moved to `aside` and the new one to its place: a process killed
  /// between the two leaves both, and whoever finds `aside` beside a missing `target` moves it back.
  /// - Throws: `FileError`; the old folder is at `target` then, or the new one where only the disk has not confirmed
  ///   it.
  public static func replace(_ target: String, by source: String, aside: String) throws(FileError) {
    if try !exchange(source, target) { try replaceInTwoSteps(target, source, aside) }
    try AtomicFile.syncFolder(of: target)
  }

  private static func replaceInTwoSteps(_ target: String, _ source: String, _ aside: String) throws(FileError) {
    try FileFaults.check("move aside", target)
    guard rename(target, aside) == 0 else {
      throw FileError("rename", target, reason: "to \(aside): \(systemReason())")
    }
    do throws(FileError) {
      try FileFaults.check("rename", source)
      guard rename(source, target) == 0 else {
        throw FileError("rename", source, reason: "to \(target): \(systemReason())")
      }
    } catch {
      guard rename(aside, target) == 0 else {
        throw FileError(
          "rename", source, reason: "to \(target): \(error.reason)",
          remedy: "The old folder is in \(aside): move it back.")
      }
      throw error
    }
  }

  /// - Returns: false where the file system does not know how.
  private static func exchange(_ source: String, _ target: String) throws(FileError) -> Bool {
    do { try FileFaults.check("exchange", source) } catch { return false }
    if renameat2(AT_FDCWD, source, AT_FDCWD, target, UInt32(LINUX_RENAME_EXCHANGE)) == 0 { return true }
    if errno == EINVAL || errno == ENOSYS || errno == ENOTSUP { return false }
    throw FileError("rename", source, reason: "to \(target): \(systemReason())")
  }
}

/// A file without a name, which goes with the process whatever ends it.
public final class UnnamedFile {
  /// Leads to the file as long as this object lives.
  public let path: SystemPath
  private let descriptor: Int32
  public private(set) var count = 0
  private let folder: String

  /// - Throws: `FileError` when the folder cannot be written to.
  public init(in folder: String) throws(FileError) {
    self.folder = folder
    var file = open(folder, O_RDWR | Int32(LINUX_O_TMPFILE) | O_DIRECTORY | O_CLOEXEC, 0o600)
    if file < 0 {
      // A file system that cannot make one without a name: a random name, taken away at once.
      var template = Array("\(folder)/.lockstep-XXXXXX".utf8CString)
      file = mkstemp(&template)
      if file >= 0 { unlink(template) }
    }
    guard file >= 0 else { throw FileError("create a file in", folder, reason: systemReason()) }
    descriptor = file
    path = SystemPath("/proc/self/fd/\(file)")
  }

  deinit { close(descriptor) }

  /// Adds all that a descriptor gives, to its end. A signal that the process handles ends the reading with an error.
  public func append(from source: Int32, name: String) throws(FileError) {
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { piece.deallocate() }
    while true {
      let got = Glibc.read(source, piece.baseAddress, piece.count)
      guard got >= 0 else { throw FileError("read", name, reason: systemReason()) }
      guard got > 0 else { return }
      try AtomicFile.writeAll(
        UnsafeRawBufferPointer(rebasing: piece[..<got]), to: descriptor, path: "a file without a name in \(folder)")
      count += got
    }
  }
}
