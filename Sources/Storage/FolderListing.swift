import Core
import Glibc

/// What a path leads to, for reading: links are followed unless a caller asks for the link itself.
public enum EntryKind: Sendable, Equatable {
  /// A file of bytes.
  case regular
  case folder
  /// A pipe, a socket, a device: the words for it.
  case special(String)

  init(mode: mode_t) {
    self =
      switch mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .folder
      case S_IFIFO: .special("a named pipe")
      case S_IFSOCK: .special("a socket")
      case S_IFLNK: .special("a symbolic link")
      default: .special("a device")
      }
  }
}

/// Which file a path leads to, whatever its name.
public struct FileIdentity: Sendable, Hashable {
  let device: UInt64
  let node: UInt64
}

/// What the system knows of a path.
public struct FileStatus: Sendable {
  public let kind: EntryKind
  public let identity: FileIdentity
  public let bytes: Int

  /// Follows links. - Returns: the system's error number where it fails.
  public static func of(_ path: SystemPath) -> Result<FileStatus, SystemError> { read(path, stat) }

  /// Of a link itself.
  public static func ofLink(_ path: SystemPath) -> Result<FileStatus, SystemError> { read(path, lstat) }

  private static func read(
    _ path: SystemPath, _ call: (UnsafePointer<CChar>, UnsafeMutablePointer<stat>) -> Int32
  ) -> Result<FileStatus, SystemError> {
    var info = stat()
    guard path.withCString({ call($0, &info) }) == 0 else { return .failure(SystemError(code: errno)) }
    return .success(
      FileStatus(
        kind: EntryKind(mode: info.st_mode),
        identity: FileIdentity(device: UInt64(info.st_dev), node: UInt64(info.st_ino)),
        bytes: Int(info.st_size)))
  }
}

/// An error number of the system.
public struct SystemError: Error, Equatable {
  public let code: Int32
}

/// The target of a symbolic link; nil where there is no link.
public func linkTarget(_ path: SystemPath) -> SystemPath? {
  var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
  let count = path.withCString { name in
    buffer.withUnsafeMutableBytes { readlink(name, $0.assumingMemoryBound(to: CChar.self).baseAddress!, $0.count) }
  }
  return count > 0 ? SystemPath(bytes: Array(buffer[..<count])) : nil
}

/// Folders read and removed without following links.
public enum Folder {
  /// The names of all entries but `.` and `..`, in the order of their bytes.
  /// - Throws: `FileError` where the folder cannot be opened or read to its end.
  public static func names(_ path: SystemPath) throws(FileError) -> [[UInt8]] {
    guard let folder = path.withCString({ opendir($0) }) else {
      throw FileError("list", path.description, reason: systemReason())
    }
    defer { closedir(folder) }
    var names: [[UInt8]] = []
    while true {
      errno = 0
      guard let entry = readdir(folder) else { break }
      let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
        field.withMemoryRebound(to: UInt8.self, capacity: MemoryLayout.size(ofValue: field.pointee)) { bytes in
          Array(
            UnsafeBufferPointer(
              start: bytes, count: strlen(UnsafeRawPointer(bytes).assumingMemoryBound(to: CChar.self))))
        }
      }
      if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
    }
    guard errno == 0 else { throw FileError("list", path.description, reason: systemReason()) }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// Removes a folder with all that is in it; a link in it is removed, never what it leads to.
  public static func remove(_ path: SystemPath) throws(FileError) {
    for name in try names(path) {
      let entry = path.appending(name)
      if case .success(let status) = FileStatus.ofLink(entry), status.kind == .folder {
        try remove(entry)
      } else {
        guard entry.withCString({ unlink($0) }) == 0 || errno == ENOENT else {
          throw FileError("remove", entry.description, reason: systemReason())
        }
      }
    }
    guard path.withCString({ rmdir($0) }) == 0 || errno == ENOENT else {
      throw FileError("remove", path.description, reason: systemReason())
    }
  }
}
