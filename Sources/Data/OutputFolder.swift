import Core
import Foundation
import Storage

/// Where a corpus is to be, looked at before any work is done.
public struct OutputFolder {
  public enum State: Equatable {
    case absent, empty, corpus
  }

  /// Without a slash at the end.
  public let path: String
  public let state: State
  /// Where the path is a symbolic link: what it leads to.
  let linkTarget: String?
  /// The folder that is there.
  public let identity: FileIdentity?

  /// - Throws: `DataError` for a path at which no corpus can be, `FileError` for one that cannot be looked at.
  public init(_ given: String) throws {
    path = try Self.normalized(given)
    linkTarget = Storage.linkTarget(SystemPath(path))?.description
    switch FileStatus.of(SystemPath(path)) {
    case .success(let status):
      guard status.kind == .folder else {
        throw DataError(
          path, "is not a folder.", remedy: "Name a folder for the corpus; it is made where it does not exist.")
      }
      identity = status.identity
      state = try Self.state(path)
    case .failure(let error) where error.code == ENOENT:
      if let linkTarget {
        throw DataError(
          path, "is a link to \(linkTarget), which does not exist.",
          remedy: "Remove the link, or name the folder itself.")
      }
      (identity, state) = (nil, .absent)
    case .failure(let error):
      throw FileError(
        "write", path, reason: systemReason(error.code), remedy: "Choose a folder that can be written to.")
    }
  }

  /// The folder that the corpus lies in.
  var parent: String { folderAbove(path) }
  var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  /// The nearest folder above the corpus that exists: where the first new one is made.
  public var nearestFolder: String {
    var folder = parent
    while folder != "/", folder != ".", case .failure(let error) = FileStatus.of(SystemPath(folder)),
      error.code == ENOENT
    {
      folder = folderAbove(folder)
    }
    return folder
  }

  /// Slashes at the end, and `.` as the last part, name the folder before them; `..` is resolved.
  private static func normalized(_ given: String) throws -> String {
    var path = given
    while true {
      if path.count > 1, path.hasSuffix("/") {
        path.removeLast()
      } else if path.hasSuffix("/.") {
        path.removeLast(2)
        if path.isEmpty { path = "/" }
      } else {
        break
      }
    }
    if path == "." || path == ".." || path.hasSuffix("/..") {
      guard let resolved = realpath(path, nil) else { throw FileError("write", given, reason: systemReason()) }
      defer { free(resolved) }
      path = String(cString: resolved)
    }
    guard path != "/", !path.isEmpty else {
      throw ConfigurationError("--output", is: "\"\(given)\"", rule: "it must name a folder for the corpus.")
    }
    return path
  }

  private static func state(_ path: String) throws -> State {
    let names: [[UInt8]]
    do { names = try Folder.names(SystemPath(path)) } catch {
      throw FileError("list", path, reason: error.reason, remedy: "Choose a folder that can be read and written to.")
    }
    if names.isEmpty { return .empty }
    guard names.contains(Array(CorpusManifest.fileName.utf8)) else {
      throw DataError(
        path, "exists and is not a corpus.",
        remedy: "Name a folder that does not exist; this one is left alone, even with --force.")
    }
    return .corpus
  }

  /// Whether the corpus can be made here: checked before the first write.
  ///
  /// - Throws: `ConfigurationError` for a link, which is never followed or replaced; `DataError` where replacing would
  ///   remove what is no part of a corpus; `FileError` without permission.
  public func requireWritable() throws {
    if let linkTarget {
      throw ConfigurationError(
        "--output", is: path,
        rule: "it is a link to \(linkTarget), and links are not written through; name that folder itself.")
    }
    if let identity, case .success(let here) = FileStatus.of(SystemPath(".")), here.identity == identity {
      throw ConfigurationError(
        "--output", is: path, rule: "it is the current folder, which cannot be replaced; name another.")
    }
    if state == .corpus { try requireOnlyACorpus() }
    let folder = nearestFolder
    guard access(folder, W_OK | X_OK) == 0, case .success(let status) = FileStatus.of(SystemPath(folder)),
      status.kind == .folder
    else {
      let reason = access(folder, W_OK | X_OK) == 0 ? systemReason(ENOTDIR) : systemReason()
      throw FileError("write in", folder, reason: reason, remedy: "Choose a folder that can be written to.")
    }
    guard name.utf8.count <= Int(NAME_MAX) else { throw FileError("create", path, reason: systemReason(ENAMETOOLONG)) }
  }

  /// A corpus that is replaced is removed with its folder: nothing else may be in it.
  func requireOnlyACorpus() throws {
    let foreign = try Folder.names(SystemPath(path)).filter { name in
      let status = FileStatus.ofLink(SystemPath(path).appending(name))
      guard case .success(let found) = status, found.kind == .regular else { return true }
      return !Self.isPart(String(decoding: name, as: UTF8.self))
    }
    guard let first = foreign.first else { return }
    throw DataError(
      path,
      "holds \(foreign.count == 1 ? "something" : "\(foreign.count) things") beside the corpus: \(readableName(first)).",
      remedy: "Move it elsewhere; replacing the corpus would remove it.")
  }

  private static func isPart(_ name: String) -> Bool {
    if [CorpusManifest.fileName, Corpus.tokenizerFile, Corpus.tokenizerConfigFile].contains(name) { return true }
    guard let ending = [".shard", ".safetensors"].first(where: name.hasSuffix),
      let side = CorpusSplit.allCases.first(where: { name.hasPrefix($0.rawValue + "-") })
    else {
      return false
    }
    let digits = name.dropFirst(side.rawValue.count + 1).dropLast(ending.count)
    return digits.utf8.count >= 5 && digits.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
  }
}
