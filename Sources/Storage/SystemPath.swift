/// A path as the system has it: any bytes but zero. A `String` cannot hold a name that is not UTF-8.
public struct SystemPath: Sendable, Hashable, CustomStringConvertible {
  public let bytes: [UInt8]

  public init(_ text: String) { bytes = Array(text.utf8) }

  public init(bytes: [UInt8]) { self.bytes = bytes }

  /// The path of an entry of this folder.
  public func appending(_ name: [UInt8]) -> SystemPath {
    SystemPath(bytes: bytes.last == UInt8(ascii: "/") ? bytes + name : bytes + [UInt8(ascii: "/")] + name)
  }

  /// Calls `body` with the path as C functions take it.
  public func withCString<Value>(_ body: (UnsafePointer<CChar>) -> Value) -> Value {
    (bytes + [0]).withUnsafeBytes { body($0.assumingMemoryBound(to: CChar.self).baseAddress!) }
  }

  /// For a person: see `readableName`.
  public var description: String { readableName(bytes) }
}

/// A file's name for messages and manifests: control characters, and bytes that are not UTF-8, stand as `\x` and two
/// digits.
public func readableName(_ bytes: some Sequence<UInt8>) -> String {
  let bytes = Array(bytes)
  var (text, index) = ("", 0)
  while index < bytes.count {
    let length = sequenceLength(bytes[index])
    let end = index + length
    if length > 0, end <= bytes.count, let character = String(validating: bytes[index..<end], as: UTF8.self),
      let scalar = character.unicodeScalars.first, scalar.properties.generalCategory != .control
    {
      text += character
      index = end
    } else {
      text += "\\x" + hexadecimal([bytes[index]])
      index += 1
    }
  }
  return text
}

/// Bytes of the UTF-8 sequence that begins with `byte`; 0 where none begins so.
private func sequenceLength(_ byte: UInt8) -> Int {
  switch byte {
  case 0..<0x80: 1
  case 0xC2..<0xE0: 2
  case 0xE0..<0xF0: 3
  case 0xF0..<0xF5: 4
  default: 0
  }
}

/// The folder that holds what `path` names; `.` for a name alone. Foundation's `deletingLastPathComponent` traps on a
/// name of one character.
public func folderAbove(_ path: String) -> String {
  guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
  let folder = path[..<slash]
  return folder.utf8.allSatisfy { $0 == UInt8(ascii: "/") } ? "/" : String(folder)
}
