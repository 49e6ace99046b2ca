import Core
import Foundation
import Storage

/// Finds the files that inputs name.
struct SourceSearch {
  /// What a search takes and leaves.
  struct Choice: Sendable {
    let extensions: [String]
    var exclude: [ExcludePattern] = []
    /// The corpus that is to be replaced: no source of its own successor.
    var output: FileIdentity?
  }

  private let choice: Choice
  private(set) var files: [SourceFile] = []
  private(set) var passedOver = PassedOver()
  private var visited: Set<FileIdentity> = []
  private var usedPatterns: Set<Int> = []
  /// Names from the input on, of the folder that is being read.
  private var below: [[UInt8]] = []

  /// All files of `inputs`: files as given, folders with all they hold, in the order of the paths' bytes.
  ///
  /// - Throws: `DataError` or `FileError` for an input that is missing, unreadable or holds no text.
  static func files(of inputs: [String], _ choice: Choice, standardInput: SystemPath? = nil) throws -> SourceSearch {
    guard !inputs.isEmpty else {
      throw DataError("inputs", "are missing.", remedy: "Name at least one file or folder of text.")
    }
    var search = SourceSearch(choice)
    for input in inputs {
      if input == "-", let standardInput {
        try search.addFile(standardInput, path: "standard input", name: "-")
      } else {
        try search.add(input)
      }
    }
    return search
  }

  /// Files that were named more than once, and are read as often.
  var repeated: [String] {
    var seen: Set<String> = []
    return files.filter { !seen.insert(canonicalPath($0.path)).inserted }.map(\.path)
  }

  /// Patterns that nothing matched.
  var unusedPatterns: [String] {
    choice.exclude.indices.filter { !usedPatterns.contains($0) }.map { choice.exclude[$0].text }
  }

  private init(_ choice: Choice) {
    self.choice = Choice(
      extensions: choice.extensions.map { ($0.hasPrefix(".") ? String($0.dropFirst()) : $0).lowercased() },
      exclude: choice.exclude, output: choice.output)
  }

  private mutating func add(_ input: String) throws {
    let (path, status) = (
      SystemPath(input),
      try Self.status(input, remedy: "Name a file or a folder of text; what comes through a pipe is read as --input -.")
    )
    let last = URL(fileURLWithPath: input).standardizedFileURL.lastPathComponent
    guard status.kind == .folder else { return try addFile(path, path: input, name: last) }
    let before = (files.count, passedOver)
    passedOver = PassedOver()
    below = []
    try addRoot(path, input, name: last, status)
    guard files.count > before.0 else {
      let endings = choice.extensions.map { "." + $0 }.joined(separator: ", ")
      let others = passedOver.sentence.map { "; \($0)" } ?? ""
      throw DataError(
        input, "holds no file to read that ends in \(endings) (or one of these and .gz, .zst or .xz)\(others).",
        remedy: "Name the files themselves with --input, one or more.")
    }
    passedOver = before.1.adding(passedOver)
  }

  /// - Throws: `DataError` for what is not there or can be no text, `FileError` for what cannot be looked at.
  private static func status(_ path: String, remedy: String) throws -> FileStatus {
    switch FileStatus.of(SystemPath(path)) {
    case .success(let found):
      guard case .special(let kind) = found.kind else { return found }
      throw DataError(path, "is \(kind).", remedy: remedy)
    case .failure(let error) where error.code == ENOENT || error.code == ENOTDIR: throw missing(path, SystemPath(path))
    case .failure(let error):
      throw FileError(
        "read", path, reason: systemReason(error.code), remedy: "Change its permissions or leave it out.")
    }
  }

  private static func missing(_ input: String, _ path: SystemPath) -> DataError {
    if let target = linkTarget(path) {
      return DataError(input, "is a link to \(target), which does not exist.", remedy: "Check the path.")
    }
    // The command line has no String for bytes that are not UTF-8.
    let remedy = input.contains("\u{FFFD}") ? "Its name is not UTF-8: name the folder it lies in." : "Check the path."
    return DataError(input, "does not exist.", remedy: remedy)
  }

  /// One file by its path.
  /// - Throws: `DataError` for what is no text, `FileError` for what cannot be read.
  static func file(_ path: String) throws -> SourceFile {
    let status = try status(path, remedy: "Name a file; what comes through a pipe can be kept in one.")
    if status.kind == .folder { throw DataError(path, "is a folder.", remedy: "Name a file.") }
    return try examined(SystemPath(path), path: path, name: path)
  }

  /// A file named by the user.
  private mutating func addFile(_ location: SystemPath, path: String, name: String) throws {
    files.append(try Self.examined(location, path: path, name: name))
  }

  private static func examined(_ location: SystemPath, path: String, name: String) throws -> SourceFile {
    do {
      return try SourceFile(examining: location, path: path, name: name)
    } catch let error as ForeignContent {
      throw DataError(path, "is \(error.what).", remedy: error.remedy)
    } catch let error as FileError {
      throw FileError(error.operation, path, reason: error.reason, remedy: "Change its permissions or leave it out.")
    }
  }

  // MARK: - Folders

  private mutating func addRoot(_ path: SystemPath, _ input: String, name: String, _ status: FileStatus) throws {
    visited.insert(status.identity)
    let entries: [[UInt8]]
    do { entries = try Folder.names(path) } catch {
      throw FileError("list", input, reason: error.reason, remedy: "Change its permissions or leave it out.")
    }
    try addEntries(entries, of: path, name: name)
  }

  private mutating func addEntries(_ entries: [[UInt8]], of path: SystemPath, name: String) throws {
    for entry in entries {
      let shown = name + "/" + readableName(entry)
      below.append(entry)
      defer { below.removeLast() }
      if entry.first == UInt8(ascii: ".") {
        passedOver.add(.hidden, shown)
      } else if let pattern = choice.exclude.firstIndex(where: { $0.matches(below) }) {
        usedPatterns.insert(pattern)
        passedOver.add(.excluded, shown)
      } else {
        try addEntry(path.appending(entry), readableName(entry), name: shown)
      }
    }
  }

  private mutating func addEntry(_ path: SystemPath, _ entry: String, name: String) throws {
    switch FileStatus.of(path) {
    case .failure(let error):
      // What is not there but was listed is a link; another file of that ending would be missed.
      guard error.code == ENOENT || error.code == ELOOP, let target = linkTarget(path) else {
        return passedOver.add(.unreadable(systemReason(error.code)), name)
      }
      passedOver.add(.deadLink, "\(name) -> \(target)")
    case .success(let status):
      switch status.kind {
      case .folder: try addFolder(path, name: name, status)
      case .special(let kind): passedOver.add(.special(kind), name)
      case .regular: try examine(path, entry, name: name)
      }
    }
  }

  private mutating func addFolder(_ path: SystemPath, name: String, _ status: FileStatus) throws {
    if status.identity == choice.output { return passedOver.add(.output, name) }
    // A folder reached twice through links would never end.
    guard visited.insert(status.identity).inserted else { return passedOver.add(.seenBefore, name) }
    let entries: [[UInt8]]
    do { entries = try Folder.names(path) } catch { return passedOver.add(.unreadableFolder(error.reason), name) }
    try addEntries(entries, of: path, name: name)
  }

  private mutating func examine(_ path: SystemPath, _ entry: String, name: String) throws {
    guard takes(entry) else {
      let what = ForeignContent.named(entry)
      return passedOver.add(what.map { .foreign($0) } ?? .ending, name)
    }
    do {
      files.append(try SourceFile(examining: path, name: name))
    } catch let error as ForeignContent {
      passedOver.add(.foreign(error.what), name)
    } catch let error as FileError {
      passedOver.add(.unreadable(error.reason), name)
    }
  }

  private func takes(_ entry: String) -> Bool {
    let plain = Compression.plainName(entry)
    return choice.extensions.contains { plain.hasSuffix("." + $0) }
  }
}
