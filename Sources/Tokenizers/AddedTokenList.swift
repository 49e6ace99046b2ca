import Core
import Storage

/// Added tokens in the making: those of the vocabulary's own file, and what the files beside it say of them.
struct AddedTokenList {
  private(set) var tokens: [AddedToken]
  private let modelIDs: ByteStrings
  private let place: String
  /// Index in `tokens` by content.
  private var contents: ByteStrings
  private var next: Int

  /// - Parameter place: the vocabulary's file, for errors.
  init(_ added: [AddedToken], modelIDs: ByteStrings, place: String) {
    (tokens, self.modelIDs, self.place) = (added, modelIDs, place)
    contents = ByteStrings(capacity: added.count)
    for token in added { contents.insert(token.content) }
    next = max(modelIDs.count, Int(added.map(\.id).max() ?? -1) + 1)
  }

  func isInModel(_ spelling: String) -> Bool { modelIDs.find(spelling) != nil }

  /// A token with a stated id: one that is there already must be the same, a new one must follow the others.
  mutating func require(_ token: AddedToken, comparingFlags: Bool, from file: String) throws(DataError) {
    if let index = contents.find(token.content) {
      try requireID(token, tokens[index].id, from: file)
      if comparingFlags { try requireFlags(token, tokens[index], all: true, from: file) }
      return
    }
    try requireID(token, Int32(modelIDs.find(token.content) ?? next), from: file)
    append(token)
  }

  /// A special token that is named: known already, a word of the vocabulary that becomes special, or a new one with the
  /// next id.
  mutating func addSpecial(_ content: [UInt8], flags: ByteJSON, from file: String) throws(DataError) {
    let id = contents.find(content).map { tokens[$0].id } ?? Int32(modelIDs.find(content) ?? next)
    let token = try AddedToken(id: id, content: content, flags: flags, special: true, place: file)
    guard let index = contents.find(content) else { return append(token) }
    // A bare name says nothing of flags.
    if flags.object != nil { try requireFlags(token, tokens[index], all: false, from: file) }
    tokens[index].isSpecial = true
  }

  private mutating func append(_ token: AddedToken) {
    tokens.append(token)
    contents.insert(token.content)
    next = max(next, Int(token.id) + 1)
  }

  private func requireID(_ token: AddedToken, _ expected: Int32, from file: String) throws(DataError) {
    guard token.id != expected else { return }
    let text = String(decoding: token.content.prefix(60), as: UTF8.self)
    let known = contents.find(token.content) != nil || modelIDs.find(token.content) != nil
    throw DataError(
      file,
      "the added token \"\(text)\" has id \(token.id), and \(known ? "\(place) makes it" : "the next free one is") \(expected).",
      remedy: known
        ? "Keep the id that the model was trained with." : "Added ids must follow the vocabulary without holes.")
  }

  private func requireFlags(_ token: AddedToken, _ known: AddedToken, all: Bool, from file: String) throws(DataError) {
    var flags = [
      ("lstrip", token.leftStrip, known.leftStrip), ("rstrip", token.rightStrip, known.rightStrip),
      ("single_word", token.singleWord, known.singleWord),
    ]
    if all {
      flags += [("normalized", token.isNormalized, known.isNormalized), ("special", token.isSpecial, known.isSpecial)]
    }
    guard let (name, wanted, present) = flags.first(where: { $0.1 != $0.2 }) else { return }
    let text = String(decoding: token.content.prefix(60), as: UTF8.self)
    throw DataError(
      file, "\(name) of the added token \"\(text)\" is \(wanted) here and \(present) in \(place).",
      remedy: "Make the two agree on what the model was trained with.")
  }
}
