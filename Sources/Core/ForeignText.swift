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
  guard text.utf8.count > bytes else { return withoutControls(text) }
  func part(_ bytes: some Collection<UInt8>) -> String { withoutControls(String(decoding: bytes, as: UTF8.self)) }
  return part(text.utf8.prefix(bytes * 2 / 3)) + " … " + part(text.utf8.suffix(bytes / 3))
}

/// A name or a path in a sentence: as `printable`, and on one line, so that a file's name cannot add a line to a
/// message.
public func printableName(_ text: String, atMost bytes: Int = 4096) -> String {
  let clean = printable(text, atMost: bytes)
  guard clean.utf8.contains(where: { $0 == 0x0A || $0 == 0x09 }) else { return clean }
  return clean.unicodeScalars.map { $0 == "\n" ? "\\n" : $0 == "\t" ? "\\t" : String($0) }.joined()
}

/// `text` with every character that would command a terminal spelt out, as `\x1b`; line ends and tabs stay.
///
/// Commands are the control characters of ASCII and of Latin-1, and those that turn the direction of writing around.
public func withoutControls(_ text: String) -> String {
  // 0xC2 begins the controls of Latin-1, 0xE2 those of direction.
  let isPlain = text.utf8.allSatisfy {
    $0 >= 0x20 && $0 != 0x7F && $0 != 0xC2 && $0 != 0xE2 || $0 == 0x0A || $0 == 0x09
  }
  if isPlain { return text }
  var result = String.UnicodeScalarView()
  for scalar in text.unicodeScalars {
    if commandsTerminals(scalar) {
      result.append(contentsOf: spelling(scalar).unicodeScalars)
    } else {
      result.append(scalar)
    }
  }
  return String(result)
}

/// Whether `scalar` is one that `withoutControls` spells out.
public func commandsTerminals(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x09, 0x0A: false
  case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069: true
  default: false
  }
}

private func spelling(_ scalar: Unicode.Scalar) -> String {
  if scalar == "\r" { return "\\r" }
  let digits = String(scalar.value, radix: 16)
  let width = scalar.value < 0x100 ? 2 : 4
  return (width == 2 ? "\\x" : "\\u") + String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
}
