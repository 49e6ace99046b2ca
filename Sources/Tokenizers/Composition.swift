import Foundation
import Storage

/// Unicode normalization of bytes, by Foundation's tables. Invalid UTF-8 is passed on as it is, and so is every
/// character younger than Unicode 9.0, which the tables of the `tokenizers` library do not know: it neither moves
/// nor composes there, and nothing moves past it.
enum Composition {
  enum Form {
    case composed, decomposed

    func applied(to text: String) -> String {
      self == .composed ? text.precomposedStringWithCanonicalMapping : text.decomposedStringWithCanonicalMapping
    }
  }

  /// Normalization form C, or nil when the text is ASCII and so in that form already.
  static func composeIfNeeded(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    text.allSatisfy { $0 < 0x80 } ? nil : transform(text, .composed)
  }

  static func compose(_ text: [UInt8]) -> [UInt8] {
    text.withUnsafeBufferPointer { composeIfNeeded($0) } ?? text
  }

  /// Normalization form D.
  static func decompose(_ text: [UInt8]) -> [UInt8] {
    text.withUnsafeBufferPointer { transform($0, .decomposed) }
  }

  /// Normalizes each longest run of valid, old enough characters.
  private static func transform(_ text: UnsafeBufferPointer<UInt8>, _ form: Form) -> [UInt8] {
    guard let base = text.baseAddress else { return [] }
    var result: [UInt8] = []
    var run: [UInt8] = []
    var marks = MarkSequence()
    func flush() {
      if !run.isEmpty { result += marks.complete(String(decoding: run, as: UTF8.self), form).utf8 }
      run.removeAll(keepingCapacity: true)
    }
    // The standard library composes U+1xxxx like U+xxxx (U+10041 with an acute becomes Á); no such pair exists, so the
    // two are kept apart.
    var afterSupplementary = false
    var index = 0
    while index < text.count {
      let scalar = UTF8Reader.decode(base, at: index, end: text.count)
      let bytes = text[index..<index + scalar.length]
      if scalar.value == UTF8Reader.invalid || CharacterClasses.of(scalar.value).contains(.young) {
        flush()
        result += bytes
      } else if marks.take(scalar.value) {
        // Held back: nothing composes with it.
      } else {
        if (afterSupplementary && scalar.value < 0x1_0000) || (marks.holds && !MarkSequence.isMark(scalar.value)) {
          flush()
        }
        if let parts = MarkSequence.pairs[scalar.value] { run += parts.utf8 } else { run += bytes }
      }
      afterSupplementary = scalar.value >= 0x1_0000 && isStarter(scalar.value)
      index += scalar.length
    }
    flush()
    return result
  }

  /// True when marks do not move past the character; its decomposition may end in a mark only among the musical
  /// symbols.
  private static func isStarter(_ value: UInt32) -> Bool {
    !(0x1D15E...0x1D1C0).contains(value) && Unicode.Scalar(value)?.properties.canonicalCombiningClass == .notReordered
  }
}
