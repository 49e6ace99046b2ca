import Foundation

/// Unicode normalization of bytes, by Foundation's tables; invalid UTF-8 is passed on as it is.
enum Composition {
  /// Normalization form C, or nil when the text is ASCII and so in that form already.
  static func composeIfNeeded(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    text.allSatisfy { $0 < 0x80 } ? nil : compose(Array(text))
  }

  static func compose(_ text: [UInt8]) -> [UInt8] {
    transformingValid(text) { Array($0.precomposedStringWithCanonicalMapping.utf8) }
  }

  /// Normalization form D of valid UTF-8. U+11938 stays whole, as in the `tokenizers` library, whose tables are older.
  static func decompose(_ text: [UInt8]) -> [UInt8] {
    let parts = String(decoding: text, as: UTF8.self).unicodeScalars.split(separator: "\u{11938}", omittingEmptySubsequences: false)
    return Array(parts.map { String($0).decomposedStringWithCanonicalMapping }.joined(separator: "\u{11938}").utf8)
  }

  /// Applies `transform` to each longest run of valid UTF-8.
  private static func transformingValid(_ text: [UInt8], _ transform: (String) -> [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var start = 0
    var index = 0
    func flush() { if start < index { result += transform(String(decoding: text[start..<index], as: UTF8.self)) } }
    text.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      while index < buffer.count {
        let scalar = UTF8Reader.decode(base, at: index, end: buffer.count)
        if scalar.value == UTF8Reader.invalid {
          flush()
          result.append(buffer[index])
          start = index + 1
        }
        index += scalar.length
      }
    }
    flush()
    return result
  }
}
