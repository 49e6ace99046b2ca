import Glibc

/// One spelling for what a path leads to: links resolved, and relative to the working directory where it lies below it,
/// so that a folder with all that belongs to it may move.
public func canonicalPath(_ path: String) -> String {
  let here = resolved(".") ?? ""
  // What does not exist has no links to resolve, but its folder may.
  let full = resolved(path) ?? absolute(path, from: here)
  return full.hasPrefix(here + "/") ? String(full.dropFirst(here.count + 1)) : full
}

private func resolved(_ path: String) -> String? {
  guard let text = realpath(path, nil) else { return nil }
  defer { free(text) }
  return String(cString: text)
}

/// Without `.`, `..`, and slashes that say nothing.
private func absolute(_ path: String, from here: String) -> String {
  var parts: [Substring] = []
  for part in (path.hasPrefix("/") ? path : here + "/" + path).split(separator: "/") where part != "." {
    if part == ".." { _ = parts.popLast() } else { parts.append(part) }
  }
  return "/" + parts.joined(separator: "/")
}
