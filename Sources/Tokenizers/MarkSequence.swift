import Foundation

/// The marks behind a character where there are too many of them for the standard library, whose ordering of marks
/// takes the square of their number and leaves the order of equal classes to chance beyond 64.
///
/// The first marks stay in the text that is normalized. Those that follow are held back, put in order and composed here
/// (Unicode Standard Annex 15, sections 1.3 and 3).
struct MarkSequence {
  private typealias Mark = (value: Unicode.Scalar, order: UInt8)

  /// Marks seen since the last character that is none.
  private var length = 0
  /// The marks held back, decomposed, in the order of the text.
  private var held: [Mark] = []

  /// Sequences up to here, longer than those of any language, are left to the standard library.
  private static let mostLeftAlone = 24

  var holds: Bool { !held.isEmpty }

  /// Takes a mark away from what is normalized; false for a character, and for marks that stay.
  mutating func take(_ value: UInt32) -> Bool {
    guard Self.isMark(value) else {
      if held.isEmpty { length = 0 }
      return false
    }
    length += 1
    guard length > Self.mostLeftAlone else { return false }
    held += Self.decomposed(value)
    return true
  }

  /// `text`, normalized, with the marks held back behind it. Forgets them.
  mutating func complete(_ text: String, _ form: Composition.Form) -> String {
    defer {
      length = 0
      held.removeAll(keepingCapacity: true)
    }
    guard holds else { return form.applied(to: text) }
    var head = Composition.Form.decomposed.applied(to: text).unicodeScalars
    var marks: [Mark] = []
    while let last = head.last, last.properties.canonicalCombiningClass != .notReordered {
      marks.append((last, last.properties.canonicalCombiningClass.rawValue))
      head.removeLast()
    }
    let sorted = Self.sorted(marks.reversed() + held)
    if form == .decomposed {
      head.append(contentsOf: sorted.map(\.value))
      return String(head)
    }
    return Self.composed(form.applied(to: String(head)), sorted)
  }

  /// `text` composed with the marks behind it, which are in order. A mark composes unless one of its class or a higher
  /// class was left before it.
  private static func composed(_ text: String, _ marks: [Mark]) -> String {
    var result = text.unicodeScalars
    guard var base = result.popLast() else { return String(String.UnicodeScalarView(marks.map(\.value))) }
    var left: [Mark] = []
    for mark in marks {
      if left.last.map({ $0.order < mark.order }) ?? true, let both = pair(base, mark.value) {
        base = both
      } else {
        left.append(mark)
      }
    }
    result.append(base)
    result.append(contentsOf: left.map(\.value))
    return String(result)
  }

  /// The character that the two compose to; nil where there is none.
  private static func pair(_ base: Unicode.Scalar, _ mark: Unicode.Scalar) -> Unicode.Scalar? {
    // The standard library takes U+1xxxx for U+xxxx here; no pair of both kinds composes.
    guard (base.value < 0x1_0000) == (mark.value < 0x1_0000) else { return nil }
    let both = Composition.Form.composed.applied(to: String(String.UnicodeScalarView([base, mark]))).unicodeScalars
    return both.count == 1 ? both.first : nil
  }

  /// By class; marks of one class keep their order.
  private static func sorted(_ marks: [Mark]) -> [Mark] {
    var byClass = [[Mark]](repeating: [], count: 256)
    for mark in marks { byClass[Int(mark.order)].append(mark) }
    return byClass.flatMap { $0 }
  }

  /// A character that is ordered among its neighbours, or decomposes into such.
  static func isMark(_ value: UInt32) -> Bool {
    let classes = CharacterClasses.of(value)
    guard classes.contains(.word), classes.isDisjoint(with: [.letter, .number]), let scalar = Unicode.Scalar(value)
    else { return false }
    return scalar.properties.canonicalCombiningClass != .notReordered || pairs[value] != nil
  }

  private static func decomposed(_ value: UInt32) -> [Mark] {
    guard let scalar = Unicode.Scalar(value) else { return [] }
    let text = pairs[value] ?? Composition.Form.decomposed.applied(to: String(Character(scalar)))
    return text.unicodeScalars.map { ($0, $0.properties.canonicalCombiningClass.rawValue) }
  }

  /// Tibetan vowels that are two marks each but claim to be no mark: the standard library does not order the marks
  /// after them rightly unless they are written out.
  static let pairs: [UInt32: String] = [
    0x0F73: "\u{0F71}\u{0F72}", 0x0F75: "\u{0F71}\u{0F74}", 0x0F81: "\u{0F71}\u{0F80}",
  ]
}
