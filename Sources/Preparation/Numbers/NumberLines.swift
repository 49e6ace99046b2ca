import Core
import Glibc
import Storage

/// The lines of a text of numbers, one after the other.
final class NumberLines {
  let file: NumberFile
  private let window: TextWindow
  private let stored: SequentialFile

  /// Bytes that a line may have: long series of many digits.
  private static let longestLine = 256 << 20

  init(_ file: NumberFile) throws {
    self.file = file
    let (content, stored) = try file.open()
    self.stored = stored
    window = try TextWindow(content, path: file.path, mostBytes: min(Self.longestLine, file.mostContent))
  }

  /// Bytes of the file read so far, as they are stored.
  var storedBytes: Int { stored.offset }

  /// The next line without its end, and its number from 1. - Returns: nil after the last.
  func next() throws -> (text: String, number: Int)? {
    guard let line = try window.nextLine() else { return nil }
    return (String(decoding: line.content, as: UTF8.self), line.number)
  }

  func place(_ line: Int) -> String { "\(file.path), line \(line)" }
}

/// Numbers as people write them.
enum NumberText {
  /// How a number that was not measured is written, in lower case.
  private static let missing: Set<String> = ["", "nan", "na", "n/a", "null", "none", "?"]

  /// The number, or NaN for one that was not measured; nil for what is neither, or infinite.
  static func float(_ text: some StringProtocol) -> Float? {
    let plain = text.trimmingSpaces()
    if let value = Float(plain), value.isFinite { return value }
    return missing.contains(plain.lowercased()) ? .nan : nil
  }

  /// A label without the fraction of a whole number: `1.0000e+00` is `1`.
  static func label(_ text: some StringProtocol) -> String {
    let plain = text.trimmingSpaces()
    guard let value = Double(plain), let whole = Int(exactly: value) else { return plain }
    return String(whole)
  }
}

extension StringProtocol {
  /// The text without white space at both ends.
  func trimmingSpaces() -> String {
    var rest = self[...]
    while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
    while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
    return String(rest)
  }
}
