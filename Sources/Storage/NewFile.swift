import Core
import Foundation

/// A file that a user names: written only where nothing stands, so that no input, device or result is replaced by a
/// slip.
public enum NewFile {
  /// Whether a file can be made at `path`; checked before any work. Makes the folders above it.
  /// - Throws: `FileError` when something is there already, or the folder cannot be made or written.
  public static func check(_ path: String) throws(FileError) {
    guard try FileKind.of(path) == .absent else {
      throw FileError(
        "write", path, reason: "it exists already", remedy: "Name a new file, or remove this one.", exitCode: .usage)
    }
    let folder = folderAbove(path)
    do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
      throw FileError("create", folder, reason: systemReason(), remedy: "Name a file in a folder that can be made.")
    }
    guard access(folder, W_OK | X_OK) == 0 else {
      throw FileError("write", path, reason: systemReason(), remedy: "Name a file in a folder that can be written.")
    }
  }
}
