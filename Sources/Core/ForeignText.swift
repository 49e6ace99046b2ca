/// Whether `name`, found in a file, can only mean a file beside that one.
///
/// Bytes are compared, not characters: a slash before a combining mark is another character and still the system's
/// separator, and the system ends a path at the first zero byte.
public func isPlainFileName(_ name: String) -> Bool {
  name != "." && name != ".." && (1...255).contains(name.utf8.count)
    && name.utf8.allSatisfy { $0 != UInt8(ascii: "/") && $0 >= 0x20 && $0 != 0x7F }
}

/// `text` as a terminal and a person can take it: no control characters but line ends and tabs, and of a long text its
/// beginning and its end. Sentences of errors quote what files hold, and files may hold anything.
public func printable(_ text: String, atMost bytes: Int = 600) -> String {
  func isHarmless(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 || byte == 0x0A }
  func clean(_ part: some Collection<UInt8>) -> String { String(decoding: part.map { isHarmless($0) ? $0 : UInt8(ascii: "?") }, as: UTF8.self) }
  guard text.utf8.count > bytes else { return text.utf8.allSatisfy(isHarmless) ? text : clean(text.utf8) }
  return clean(text.utf8.prefix(bytes * 2 / 3)) + " … " + clean(text.utf8.suffix(bytes / 3))
}
