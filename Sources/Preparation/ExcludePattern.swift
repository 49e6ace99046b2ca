import Core
import Glibc
import Storage

/// A pattern of the shell for files and folders that are left out of a folder.
///
/// Without a slash it is compared with the name of every file and folder below the input; with one, with the path below
/// the input, where `*` does not cross a slash. A folder that matches is left out with all it holds.
struct ExcludePattern: Sendable {
  let text: String
  private let pattern: [UInt8]
  private let hasSlash: Bool

  /// - Throws: `ConfigurationError` for an empty pattern.
  init(_ text: String) throws(ConfigurationError) {
    self.text = text
    var bytes = Array(text.utf8)
    if bytes.starts(with: Array("./".utf8)) { bytes.removeFirst(2) }
    if bytes.first == UInt8(ascii: "/") { bytes.removeFirst() }
    hasSlash = text.utf8.dropLast().contains(UInt8(ascii: "/"))
    if bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    pattern = bytes
    guard !pattern.isEmpty else {
      throw ConfigurationError(
        "--exclude", is: "\"\(text)\"", rule: "it must be a pattern such as drafts, *.bak or old/*.txt.")
    }
  }

  /// - Parameter path: names from the input on, without the input's own.
  func matches(_ path: [[UInt8]]) -> Bool {
    let subject = hasSlash ? Array(path.joined(separator: [UInt8(ascii: "/")])) : path.last ?? []
    return SystemPath(bytes: pattern).withCString { pattern in
      SystemPath(bytes: subject).withCString { fnmatch(pattern, $0, hasSlash ? FNM_PATHNAME : 0) == 0 }
    }
  }
}
