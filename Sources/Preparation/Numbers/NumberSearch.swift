import Core
import Storage

/// Finds the files of one format that inputs name: files as given, folders with all they hold, in the order of the
/// bytes of their paths.
struct NumberSearch {
  private let format: NumberFormat
  private let exclude: [ExcludePattern]
  private(set) var files: [NumberFile] = []
  private var visited: Set<FileIdentity> = []

  /// - Throws: `DataError` or `FileError` for an input that is missing, unreadable or holds no such file.
  init(_ inputs: [String], _ format: NumberFormat, exclude: [ExcludePattern]) throws {
    (self.format, self.exclude) = (format, exclude)
    for input in inputs { try add(input) }
  }

  private mutating func add(_ input: String) throws {
    let path = SystemPath(input)
    guard case .success(let status) = FileStatus.of(path) else {
      throw DataError(input, "does not exist.", remedy: "Check the path.")
    }
    switch status.kind {
    case .special(let kind): throw DataError(input, "is \(kind).", remedy: "Name a file or a folder.")
    case .regular:
      files.append(try NumberFile(path, path: input, name: input.split(separator: "/").last.map(String.init) ?? input))
    case .folder:
      let before = files.count
      visited.insert(status.identity)
      try addEntries(of: path, input, name: "", below: [])
      guard files.count > before else {
        let endings = format.endings.map { "." + $0 }.joined(separator: ", ")
        throw DataError(
          input, "holds no file that ends in \(endings).", remedy: "Name the files themselves with --input.")
      }
    }
  }

  private mutating func addEntries(of path: SystemPath, _ shown: String, name: String, below: [[UInt8]]) throws {
    for entry in try Folder.names(path) where entry.first != UInt8(ascii: ".") {
      let (location, inner) = (path.appending(entry), below + [entry])
      if exclude.contains(where: { $0.matches(inner) }) { continue }
      guard case .success(let status) = FileStatus.of(location) else { continue }
      let (path, name) = (shown + "/" + readableName(entry), (name.isEmpty ? "" : name + "/") + readableName(entry))
      switch status.kind {
      case .special: continue
      case .folder:
        // A folder reached twice through links would never end.
        if visited.insert(status.identity).inserted {
          try addEntries(of: location, path, name: name, below: inner)
        }
      case .regular:
        guard format.takes(Compression.plainName(readableName(entry))) else { continue }
        files.append(try NumberFile(location, path: path, name: name))
      }
    }
  }
}
