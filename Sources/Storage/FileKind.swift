import Core
import Glibc

/// What stands under a path, without following a link.
public enum FileKind: Sendable, Equatable {
  case absent, file, folder, link
  /// A named pipe, a socket or a device: reading it may never end.
  case special

  /// - Throws: `FileError` when the path cannot be looked at: what cannot be read is not taken for absent.
  public static func of(_ path: String) throws(FileError) -> FileKind { try measure(path).kind }

  /// The same, with the size in bytes. - Throws: as `of`.
  public static func measure(_ path: String) throws(FileError) -> (kind: FileKind, bytes: Int) {
    try FileFaults.check("look at", path)
    var info = stat()
    guard lstat(path, &info) == 0 else {
      if errno == ENOENT || errno == ENOTDIR { return (.absent, 0) }
      throw FileError("look at", path, reason: systemReason())
    }
    let kind: FileKind =
      switch info.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .folder
      case S_IFLNK: .link
      default: .special
      }
    return (kind, Int(info.st_size))
  }

  /// Why a link is not written through, and what to do.
  public static let linkReason = "it is a symbolic link, and what it leads to is not to be changed"
  public static let linkRemedy = "Put a file of its own in its place, or remove the link."
}

/// Names that nobody can have put in their place before.
public enum TemporaryName {
  static let digits = 16

  /// 16 hexadecimal digits from the system's generator.
  public static func random() -> String {
    let text = String(UInt64.random(in: 0...UInt64.max), radix: 16)
    return String(repeating: "0", count: digits - text.count) + text
  }

  /// Whether `text` is as `random` makes it.
  public static func isRandom(_ text: some StringProtocol) -> Bool {
    text.utf8.count == digits && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }
}
