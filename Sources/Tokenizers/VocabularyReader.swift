import Core
import Storage

/// Reads vocabularies so that ids are 0 ..< count, each once: an id that is missing, repeated or too large would
/// be a row of the embedding that no token has, or two tokens have.
enum VocabularyReader {
  /// The tokens of `{"token": id, …}` by id.
  ///
  /// The number of entries is the size, whatever the ids say, so a huge id allocates nothing.
  static func tokens(_ vocabulary: ByteJSON?, place: String) throws(DataError) -> [[UInt8]] {
    guard let members = vocabulary?.object, !members.isEmpty else {
      throw DataError(place, "the vocabulary is missing or empty.")
    }
    var tokens = [[UInt8]?](repeating: nil, count: members.count)
    for member in members {
      let name = String(decoding: member.name.prefix(60), as: UTF8.self)
      guard let id = member.value.integer, tokens.indices.contains(id) else {
        throw DataError(
          place, "token \"\(name)\" has no id from 0 to \(members.count - 1), the number of tokens less one.")
      }
      guard tokens[id] == nil else { throw DataError(place, "two tokens have the id \(id); one is \"\(name)\".") }
      tokens[id] = member.name
    }
    return try distinct(tokens.compactMap { $0 }, place: place)
  }

  /// - Throws: `DataError` when two of `tokens` are the same.
  static func distinct(_ tokens: [[UInt8]], place: String) throws(DataError) -> [[UInt8]] {
    var seen = ByteStrings(capacity: tokens.count)
    for (id, token) in tokens.enumerated() {
      let (first, isNew) = seen.insert(token)
      guard isNew else {
        throw DataError(
          place, "token \"\(String(decoding: token.prefix(60), as: UTF8.self))\" has two ids, \(first) and \(id).")
      }
    }
    return tokens
  }

  /// The tokens by their bytes; the number of each is its id.
  static func index(_ tokens: [[UInt8]]) -> ByteStrings {
    var ids = ByteStrings(capacity: tokens.count)
    for token in tokens { ids.insert(token) }
    return ids
  }

  static func addedTokens(_ json: ByteJSON?, modelIDs: ByteStrings, place: String) throws(DataError) -> [AddedToken] {
    guard let json else { return [] }
    guard let list = json.array else { throw DataError(place, "added_tokens is not a list.") }
    var added: [AddedToken] = []
    for entry in list { added.append(try AddedToken(entry, place: place)) }
    try AddedToken.check(added, modelIDs: modelIDs, place: place)
    return added
  }
}
