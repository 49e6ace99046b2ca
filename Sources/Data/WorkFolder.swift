import Core
import Foundation
import Storage

/// The folder beside its target in which a corpus is made, so that a half-made one is never taken for finished.
///
/// Its name ends in characters that nobody can guess, and a marker in it says whose it is: what other programs or
/// people have called alike is never touched. The marker is locked while its process lives; a folder whose marker
/// nobody holds was left by a process that was killed, and is removed by the next one.
public final class WorkFolder {
  /// Where the corpus is built.
  public let path: String
  private let folder: String
  private let output: OutputFolder
  private let lock: Int32
  /// Folders above the target that were made for it, the highest first.
  private let made: [String]

  private static let markerName = "lockstep-prepare"
  private static let asideName = "replaced"

  /// - Throws: `FileError` when the folder cannot be made; `DataError` when another process is making the same corpus.
  public init(for output: OutputFolder) throws {
    self.output = output
    made = try Self.makeFolders(output.parent)
    do {
      // Held while looking for others and making this one, so that of two processes that start at once one sees the
      // other.
      let parentLock = Self.lockFolder(output.parent)
      defer { if parentLock >= 0 { close(parentLock) } }
      try Self.removeAbandoned(output)
      (folder, lock) = try Self.makeFolder(output)
      path = folder + "/corpus"
    } catch {
      for folder in made.reversed() { rmdir(folder) }
      throw error
    }
  }

  deinit { close(lock) }

  /// Gives the finished corpus its name; one that is there is replaced in one step and then removed.
  ///
  /// - Returns: a sentence where the old corpus, out of the way, could not be removed.
  public func commit() throws -> String? {
    try AtomicFile.syncFolder(of: path + "/.")
    if output.state == .corpus {
      // What was put there meanwhile is not removed either.
      try output.requireOnlyACorpus()
      try FolderReplacement.replace(output.path, by: path, aside: folder + "/" + Self.asideName)
    } else {
      try FolderReplacement.place(path, at: output.path)
    }
    do { try Folder.remove(SystemPath(folder)) } catch {
      return "the folder \(folder) is not needed any more and could not be removed: \(error.reason)"
    }
    return nil
  }

  /// Removes the folder after a failure, which is the one worth reporting.
  public func discard() {
    // A corpus that was moved aside and could not be moved back stays.
    if exists(folder + "/" + Self.asideName), !exists(output.path) { return }
    do { try Folder.remove(SystemPath(folder)) } catch { return }
    for folder in made.reversed() { rmdir(folder) }
  }

  /// Puts back the corpus that a killed process had moved aside to replace it, where the file system cannot exchange
  /// folders.
  /// - Returns: whether there was one.
  public static func restore(_ path: String) throws -> Bool {
    guard let (output, aside) = replaced(path) else { return false }
    let descriptor = open(folderAbove(aside) + "/" + markerName, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
    defer { if descriptor >= 0 { close(descriptor) } }
    guard descriptor >= 0, flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else { return false }
    try FolderReplacement.place(aside, at: output.path)
    return true
  }

  /// For an error about a missing corpus: where a killed process left the one that it was replacing.
  static func replaced(_ path: String) -> (output: OutputFolder, aside: String)? {
    guard let output = try? OutputFolder(path), output.state == .absent else { return nil }
    let aside = abandoned(output).map { $0 + "/" + asideName }.first { FileManager.default.fileExists(atPath: $0) }
    return aside.map { (output, $0) }
  }

  private func exists(_ path: String) -> Bool {
    if case .success = FileStatus.ofLink(SystemPath(path)) { return true }
    return false
  }

  // MARK: - Folders of other processes

  /// What names of work folders begin with; a long name is cut, and the marker has it whole.
  private static func prefix(_ output: OutputFolder) -> String {
    var name = output.name
    while name.utf8.count > 200 { name.removeLast() }
    return name + ".partial-"
  }

  private static func marker(_ output: OutputFolder) -> String {
    "lockstep prepare makes the corpus \(output.name) in this folder\n"
  }

  /// Folders beside the target that carry its marker.
  private static func abandoned(_ output: OutputFolder) -> [String] {
    let prefix = Array(prefix(output).utf8)
    guard let names = try? Folder.names(SystemPath(output.parent)) else { return [] }
    return names.filter { $0.starts(with: prefix) && $0.count == prefix.count + 6 }.compactMap { name in
      let path = SystemPath(output.parent).appending(name)
      guard case .success(let status) = FileStatus.ofLink(path), status.kind == .folder else { return nil }
      let marker = path.appending(Array(markerName.utf8))
      guard isRegularFile(marker.description), let file = try? MappedFile(marker.description, atMost: 4096) else {
        return nil
      }
      let text = file.withBytes { String(decoding: $0, as: UTF8.self) }
      return text == Self.marker(output) ? path.description : nil
    }
  }

  /// Removes what killed processes left; a corpus that one of them had moved aside goes back to its place.
  private static func removeAbandoned(_ output: OutputFolder) throws {
    for folder in abandoned(output) {
      let descriptor = open(folder + "/" + markerName, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
      guard descriptor >= 0 else {
        throw FileError(
          "open", folder + "/" + markerName, reason: systemReason(), remedy: "Remove the folder \(folder).")
      }
      defer { close(descriptor) }
      // A file system without locks says something else than EWOULDBLOCK; there nothing guards against a second
      // process.
      guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
        throw DataError(
          output.path, "is being prepared by another process, in \(folder).", remedy: "Wait until it has finished.")
      }
      let aside = folder + "/" + asideName
      if case .success = FileStatus.ofLink(SystemPath(aside)) {
        throw DataError(
          aside, "is a corpus that a killed process was replacing.",
          remedy: "Keep it elsewhere or remove it, then remove \(folder).")
      }
      try Folder.remove(SystemPath(folder))
    }
  }

  // MARK: - This folder

  /// - Returns: the folders made, the highest first.
  private static func makeFolders(_ path: String) throws(FileError) -> [String] {
    guard case .failure(let error) = FileStatus.of(SystemPath(path)), error.code == ENOENT else { return [] }
    let made = try makeFolders(folderAbove(path))
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
      throw FileError("create", path, reason: systemReason(), remedy: "Choose a folder that can be written to.")
    }
    return made + [path]
  }

  /// - Returns: a descriptor to close, below 0 where the file system cannot lock a folder.
  private static func lockFolder(_ path: String) -> Int32 {
    let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    // Others hold it for a moment; whoever holds it longer is no preparation.
    for _ in 0..<50 where descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
      usleep(20_000)
    }
    return descriptor
  }

  private static func makeFolder(_ output: OutputFolder) throws -> (folder: String, lock: Int32) {
    var template = Array("\(output.parent)/\(prefix(output))XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      throw FileError(
        "create a folder in", output.parent, reason: systemReason(), remedy: "Choose a folder that can be written to.")
    }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    do {
      let lock = try makeMarker(folder, output)
      guard mkdir(folder + "/corpus", 0o777) == 0 else {
        close(lock)
        throw FileError("create", folder + "/corpus", reason: systemReason())
      }
      return (folder, lock)
    } catch {
      unlink(folder + "/" + markerName)
      rmdir(folder)
      throw error
    }
  }

  private static func makeMarker(_ folder: String, _ output: OutputFolder) throws -> Int32 {
    let path = folder + "/" + markerName
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
    guard descriptor >= 0 else { throw FileError("create", path, reason: systemReason()) }
    do {
      // The lock comes first: a marker that is complete and free is an abandoned one.
      flock(descriptor, LOCK_EX | LOCK_NB)
      try Array(marker(output).utf8).withUnsafeBytes { try AtomicFile.writeAll($0, to: descriptor, path: path) }
    } catch {
      close(descriptor)
      throw error
    }
    return descriptor
  }
}
