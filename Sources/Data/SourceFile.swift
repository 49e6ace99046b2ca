import Core
import Foundation
import Storage

/// A file that text is read from.
struct SourceFile: Sendable, Equatable {
  let path: String
  /// The path from the input that was given on: what the manifest records.
  let name: String
  /// Bytes as stored.
  let bytes: Int

  var isCompressed: Bool { path.hasSuffix(".gz") }

  /// The text, mapped. A compressed file is inflated into `scratch`, which is taken out of the folder at once
  /// and goes from the disk with the mapping.
  func open(scratch: String) throws -> MappedFile {
    let file = try MappedFile(path)
    guard isCompressed else { return file }
    guard FileManager.default.createFile(atPath: scratch, contents: nil), let handle = FileHandle(forWritingAtPath: scratch) else {
      throw FileError("create", scratch, reason: systemReason())
    }
    defer {
      try? handle.close()
      unlink(scratch)
    }
    try file.withBytes { bytes in
      try Gzip.inflate(bytes, name: path) { try AtomicFile.writeAll($0, to: handle.fileDescriptor, path: scratch) }
    }
    return try MappedFile(scratch)
  }
}

/// Finds the files that inputs name.
struct SourceSearch {
  let extensions: [String]
  private(set) var files: [SourceFile] = []
  /// Files in folders that were passed over for their ending.
  private(set) var ignored = 0
  private var visited: Set<String> = []

  /// All files of `inputs`: files as given, folders with all they hold, in the order of the paths' bytes.
  ///
  /// - Throws: `DataError` or `FileError` for an input that is missing, unreadable or holds no text.
  static func files(of inputs: [String], extensions: [String]) throws -> (files: [SourceFile], ignored: Int) {
    guard !inputs.isEmpty else { throw DataError("inputs", "are missing.", remedy: "Name at least one file or folder of text.") }
    var search = SourceSearch(extensions: extensions)
    for input in inputs { try search.add(input) }
    return (search.files, search.ignored)
  }

  private init(extensions: [String]) { self.extensions = extensions.map { $0.hasPrefix(".") ? String($0.dropFirst()) : $0 } }

  private mutating func add(_ input: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: input, isDirectory: &isFolder) else {
      throw DataError(input, "does not exist.", remedy: "Check the path.")
    }
    let last = URL(fileURLWithPath: input).standardizedFileURL.lastPathComponent
    guard isFolder.boolValue else { return try addFile(input, name: last) }
    let before = (files.count, ignored)
    try addFolder(input, name: last)
    guard files.count > before.0 else {
      let endings = extensions.map { "." + $0 }.joined(separator: ", ")
      throw DataError(
        input, "holds no file that ends in \(endings) (or one of these and .gz); \(ignored - before.1) other files are there.",
        remedy: "Name the files themselves, or the endings to take.")
    }
  }

  private mutating func addFile(_ path: String, name: String) throws {
    guard access(path, R_OK) == 0 else {
      throw FileError("read", path, reason: systemReason(), remedy: "Change its permissions or leave it out.")
    }
    files.append(SourceFile(path: path, name: name, bytes: try MappedFile(path).count))
  }

  private mutating func addFolder(_ path: String, name: String) throws {
    // A folder reached twice through links would never end.
    guard visited.insert(URL(fileURLWithPath: path).resolvingSymlinksInPath().path).inserted else { return }
    let entries: [String]
    do {
      entries = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw FileError("list", path, reason: systemReason(), remedy: "Change its permissions or leave it out.")
    }
    for entry in entries.filter({ !$0.hasPrefix(".") }).sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path + "/" + entry, isDirectory: &isFolder) else { continue }
      if isFolder.boolValue {
        try addFolder(path + "/" + entry, name: name + "/" + entry)
      } else if takes(entry) {
        try addFile(path + "/" + entry, name: name + "/" + entry)
      } else {
        ignored += 1
      }
    }
  }

  private func takes(_ entry: String) -> Bool {
    let plain = (entry.hasSuffix(".gz") ? String(entry.dropLast(3)) : entry).lowercased()
    return extensions.contains { plain.hasSuffix("." + $0.lowercased()) }
  }
}
