import Core
import Storage

/// A token that is matched in the text before anything else happens to it.
struct AddedToken: Sendable, Equatable {
  let id: Int32
  let content: [UInt8]
  /// Only where no word character touches it.
  var singleWord = false
  /// Takes the white space before it.
  var leftStrip = false
  /// Takes the white space after it.
  var rightStrip = false
  /// Matched in the normalized text, after all tokens that are not.
  var isNormalized = false
  var isSpecial = true

  init(id: Int32, content: [UInt8], isNormalized: Bool = false, isSpecial: Bool = true) {
    (self.id, self.content, self.isNormalized, self.isSpecial) = (id, content, isNormalized, isSpecial)
  }

  /// The token that Lockstep makes for a role.
  ///
  /// - Parameter maskStripsLeft: of a byte-level BPE, whose tokens begin with their blank: in "the [MASK] of" the blank
  ///   belongs to the predicted token. RoBERTa's mask does the same.
  init(_ role: SpecialRole, id: Int32, maskStripsLeft: Bool) {
    self.init(id: id, content: Array(role.spelling.utf8))
    leftStrip = maskStripsLeft && role == .mask
  }

  /// - Throws: `DataError` when a part is missing or has another type.
  init(_ json: ByteJSON, place: String) throws(DataError) {
    guard let id = json["id"]?.integer.flatMap({ Int32(exactly: $0) }), id >= 0, let content = json["content"]?.bytes,
      !content.isEmpty
    else {
      throw DataError(
        place, "an entry of added_tokens has no usable id and content.",
        remedy: "Each needs an id of 0 or more and a text.")
    }
    try self.init(id: id, content: content, flags: json, special: false, place: place)
  }

  /// - Parameters:
  ///   - flags: an object with `single_word`, `lstrip`, `rstrip`, `special` and `normalized`, each of which may be
  ///     absent.
  ///   - special: what an absent `special` means.
  /// - Throws: `DataError` when a flag is not true or false, or the token is longer than any in use.
  init(id: Int32, content: [UInt8], flags: ByteJSON, special: Bool, place: String) throws(DataError) {
    guard content.count <= Self.longest else {
      let text = String(decoding: content.prefix(40), as: UTF8.self)
      throw DataError(
        place, "the added token \"\(text)…\" has \(content.count) bytes; at most \(Self.longest) are read.")
    }
    self.init(id: id, content: content)
    singleWord = try flags.flag("single_word", false, place: place)
    leftStrip = try flags.flag("lstrip", false, place: place)
    rightStrip = try flags.flag("rstrip", false, place: place)
    isSpecial = try flags.flag("special", special, place: place)
    isNormalized = try flags.flag("normalized", !isSpecial, place: place)
  }

  /// Bytes of the longest added token. Looking for one costs its length at each place that begins like it.
  static let longest = 1024

  var json: ByteJSON {
    .members([
      "id": .integer(Int(id)), "content": .string(content), "single_word": .bool(singleWord),
      "lstrip": .bool(leftStrip),
      "rstrip": .bool(rightStrip), "normalized": .bool(isNormalized), "special": .bool(isSpecial),
    ])
  }

  /// Checks that the `tokenizers` library gives each added token the id the file states: it ignores the stated
  /// one and takes the model's id of the same text, or else the next free number.
  static func check(_ tokens: [AddedToken], modelIDs: ByteStrings, place: String) throws(DataError) {
    var next = modelIDs.count
    var seen = ByteStrings(capacity: tokens.count)
    for token in tokens {
      let text = String(decoding: token.content.prefix(60), as: UTF8.self)
      guard seen.insert(token.content).isNew else { throw DataError(place, "added token \"\(text)\" is listed twice.") }
      let expected = modelIDs.find(token.content) ?? next
      guard Int(token.id) == expected else {
        throw DataError(
          place, "added token \"\(text)\" has id \(token.id), but the ids before it make it \(expected).",
          remedy: "Added ids must follow the model's vocabulary without holes, in the order of the list.")
      }
      if expected == next { next += 1 }
    }
  }
}
