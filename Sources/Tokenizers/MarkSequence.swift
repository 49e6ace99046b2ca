import Foundation

/// The marks behind a character, kept short for normalization, whose ordering of marks takes the square of their number.
///
/// The first few marks are left to normalization. Of a longer sequence only as many of each combining class as could ever
/// compose go there; the others are blocked by those before them (Unicode Standard Annex 15, definition D115), so they only have to be put in
/// order, which is done here.
struct MarkSequence {
  /// Marks met since the last character that is none.
  private var length = 0
  /// Marks left to normalization since there were too many, by class.
  private var passed = [Int](repeating: 0, count: 256)
  /// The others, decomposed, in the order of the text.
  private var held: [(value: Unicode.Scalar, order: UInt8)] = []

  /// Sequences up to here, far beyond those of any language, are passed on whole.
  private static let mostLeftAlone = 64
  /// No character composes with more than three marks of a class one after the other.
  private static let mostOfClass = 4

  var holds: Bool { !held.isEmpty }

  /// Takes a mark away from what is normalized; false for a character, and for marks that must be there.
  mutating func take(_ value: UInt32) -> Bool {
    guard Self.isMark(value) else {
      if held.isEmpty { restart() }
      return false
    }
    length += 1
    guard length > Self.mostLeftAlone else { return false }
    let parts = Self.decomposed(value)
    if parts.contains(where: { passed[Int($0.order)] < Self.mostOfClass }) {
      for part in parts { passed[Int(part.order)] += 1 }
      return false
    }
    held += parts
    return true
  }

  /// The normalized text, at whose end the held marks belong, with them. Forgets them.
  mutating func complete(_ text: String) -> String {
    defer { restart() }
    guard holds else { return text }
    var scalars = text.unicodeScalars
    var tail: [(value: Unicode.Scalar, order: UInt8)] = []
    while let last = scalars.last, last.properties.canonicalCombiningClass != .notReordered {
      tail.append((last, last.properties.canonicalCombiningClass.rawValue))
      scalars.removeLast()
    }
    tail.reverse()
    // A stable sort by counting: marks of one class keep their order.
    var byClass = [[Unicode.Scalar]](repeating: [], count: 256)
    for mark in tail + held { byClass[Int(mark.order)].append(mark.value) }
    for marks in byClass { scalars.append(contentsOf: marks) }
    return String(scalars)
  }

  private mutating func restart() {
    if length > Self.mostLeftAlone {
      for order in passed.indices { passed[order] = 0 }
      held.removeAll(keepingCapacity: true)
    }
    length = 0
  }

  /// A character that is ordered among its neighbours, or decomposes into such.
  static func isMark(_ value: UInt32) -> Bool {
    let classes = CharacterClasses.of(value)
    guard classes.contains(.word), classes.isDisjoint(with: [.letter, .number]), let scalar = Unicode.Scalar(value) else { return false }
    return scalar.properties.canonicalCombiningClass != .notReordered || pairs[value] != nil
  }

  private static func decomposed(_ value: UInt32) -> [(value: Unicode.Scalar, order: UInt8)] {
    guard let scalar = Unicode.Scalar(value) else { return [] }
    let text = pairs[value] ?? String(Character(scalar)).decomposedStringWithCanonicalMapping
    return text.unicodeScalars.map { ($0, $0.properties.canonicalCombiningClass.rawValue) }
  }

  /// Tibetan vowels that are two marks each but claim to be no mark: the standard library does not order the marks
  /// after them rightly unless they are written out.
  static let pairs: [UInt32: String] = [
    0x0F73: "\u{0F71}\u{0F72}", 0x0F75: "\u{0F71}\u{0F74}", 0x0F81: "\u{0F71}\u{0F80}",
  ]
}
