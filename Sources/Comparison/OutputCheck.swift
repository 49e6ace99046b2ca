import Core
import Foundation
import Storage

extension ComparisonFile {
  /// Whether everything that the comparison leaves could be written, without writing anything.
  /// - Throws: `FileError` naming what stands in the way.
  func checkOutput() throws(FileError) {
    for folder in [path, path + "/runs", path + "/measures", path + "/" + ReportFiles.figures] {
      var info = stat()
      guard lstat(folder, &info) == 0 else { continue }
      let isLink = info.st_mode & S_IFMT == S_IFLNK
      // Inside its folder everything is the comparison's own; a link would lead its files elsewhere.
      if isLink, folder != path {
        throw FileError("write into", folder, reason: "it is a link", remedy: Self.otherName)
      }
      guard stat(folder, &info) == 0, info.st_mode & S_IFMT == S_IFDIR else {
        throw FileError("write into", folder, reason: "it is not a folder", remedy: Self.otherName)
      }
      guard access(folder, W_OK | X_OK) == 0 else { throw FileError("write into", folder, reason: systemReason()) }
    }
    for name in ReportFiles.names {
      var info = stat()
      guard lstat(path + "/" + name, &info) == 0, info.st_mode & S_IFMT != S_IFREG else { continue }
      throw FileError("write", path + "/" + name, reason: "it is not a regular file", remedy: Self.otherName)
    }
    try checkNearestFolder()
  }

  private static let otherName = "Remove it, or give the comparison another name."

  /// The folder in which the first missing one is to be made.
  private func checkNearestFolder() throws(FileError) {
    var folder = path
    while !folder.isEmpty, access(folder, F_OK) != 0 { folder = folderAbove(folder) }
    if folder.isEmpty { folder = "/" }
    var info = stat()
    guard stat(folder, &info) == 0, info.st_mode & S_IFMT == S_IFDIR else {
      throw FileError("create a folder in", folder, reason: "it is not a folder", remedy: "Name another folder.")
    }
    guard access(folder, W_OK | X_OK) == 0 else {
      throw FileError("create a folder in", folder, reason: systemReason())
    }
  }
}
