import Core
import Storage

/// Reads a byte-level BPE from `tokenizer.json`, refusing by name what Lockstep cannot do exactly.
struct BytePairReader {
  let json: ByteJSON
  let place: String
  /// Roles whose usual spellings are special tokens where the vocabulary has them.
  var usual: [(role: SpecialRole, spellings: [String])] = []

  func tokenizer(_ companions: TokenizerCompanions) throws(DataError) -> BytePairTokenizer {
    guard let model = json["model"] else { throw DataError(place, "there is no model.") }
    try refuseModelOptions(model)
    let tokens = try VocabularyReader.tokens(model["vocab"], place: place)
    let ids = VocabularyReader.index(tokens)
    let (merges, merged) = try mergesOf(model, ids)
    let added = try companions.completed(try addedTokens(ids), modelIDs: ids, usual: usual, place: place)
    var definition = BytePairDefinition(tokens: tokens, merges: merges, added: added)
    definition.ignoresMerges = try model.flag("ignore_merges", false, place: place)
    definition.unknown = model["unk_token"]?.bytes.flatMap(ids.find).map(Int32.init)
    definition.postProcessor = json["post_processor"] ?? .null
    try readNormalizer(&definition)
    try readPreTokenizer(&definition)
    try refuseOpenUnknown(model, definition)
    try companions.requirePrefixSpace(definition.addsPrefixSpace, place: place)
    try companions.requireCasing(nil, place: place)
    let roles = SpecialRoles(added: added, configurations: companions.naming) { name in
      ids.find(name).map(Int32.init) ?? added.first { $0.content == name }?.id
    }
    return BytePairTokenizer(definition, merged: merged, roles: roles)
  }

  private func unsupported(_ part: String, _ what: String) -> DataError {
    DataError(
      place, "\(part) \(what), which Lockstep does not support.",
      remedy: "Use a byte-level BPE or a WordPiece tokenizer.")
  }

  private func refuseModelOptions(_ model: ByteJSON) throws(DataError) {
    if try model.flag("byte_fallback", false, place: place) { throw unsupported("model.byte_fallback", "is true") }
    if let dropout = model["dropout"], dropout != .integer(0), dropout != .number(0) {
      throw unsupported("model.dropout", "is set")
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
      if let text = model[name]?.string, !text.isEmpty { throw unsupported("model.\(name)", "is \"\(text)\"") }
    }
  }

  /// An unknown token matters only where a byte has no token; then it must exist and stand for one byte each.
  private func refuseOpenUnknown(_ model: ByteJSON, _ definition: BytePairDefinition) throws(DataError) {
    guard let name = model["unk_token"]?.string else { return }
    let bytes = Set(
      definition.tokens.lazy.filter { $0.count <= 2 }.compactMap { ByteAlphabet.bytes(of: $0) }.filter { $0.count == 1 }
    )
    guard bytes.count < 256 else { return }
    if definition.unknown == nil { throw DataError(place, "model.unk_token \"\(name)\" is not in model.vocab.") }
    if try model.flag("fuse_unk", false, place: place) {
      throw unsupported("model.fuse_unk", "is true in a vocabulary without all bytes")
    }
  }

  // MARK: - Merges

  private func mergesOf(_ model: ByteJSON, _ ids: ByteStrings) throws(DataError) -> (
    [(left: Int32, right: Int32)], [Int32]
  ) {
    guard let list = model["merges"]?.array else { throw DataError(place, "model.merges is not a list.") }
    var merges: [(left: Int32, right: Int32)] = []
    var merged: [Int32] = []
    merges.reserveCapacity(list.count)
    merged.reserveCapacity(list.count)
    for (index, entry) in list.enumerated() {
      guard let (left, right) = Self.pair(entry) else {
        throw DataError(place, "merge \(index) is not two tokens.", remedy: "Write it as \"a b\" or [\"a\", \"b\"].")
      }
      merges.append((try id(left, ids, index), try id(right, ids, index)))
      merged.append(try id(left + right, ids, index))
    }
    return (merges, merged)
  }

  private func id(_ token: [UInt8], _ ids: ByteStrings, _ merge: Int) throws(DataError) -> Int32 {
    if let id = ids.find(token) { return Int32(id) }
    let text = String(decoding: token.prefix(60), as: UTF8.self)
    throw DataError(place, "merge \(merge) needs the token \"\(text)\", which is not in the vocabulary.")
  }

  private static func pair(_ entry: ByteJSON) -> ([UInt8], [UInt8])? {
    if let text = entry.bytes {
      let parts = text.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
      return parts.count == 2 ? (Array(parts[0]), Array(parts[1])) : nil
    }
    guard let parts = entry.array, parts.count == 2, let left = parts[0].bytes, let right = parts[1].bytes else {
      return nil
    }
    return (left, right)
  }

  private func addedTokens(_ ids: ByteStrings) throws(DataError) -> [AddedToken] {
    try VocabularyReader.addedTokens(json["added_tokens"], modelIDs: ids, place: place)
  }

  // MARK: - Normalizer and pre-tokenizer

  private func readNormalizer(_ definition: inout BytePairDefinition) throws(DataError) {
    guard let normalizer = json["normalizer"] else { return }
    let parts = normalizer["type"]?.string == "Sequence" ? normalizer["normalizers"]?.array ?? [] : [normalizer]
    for part in parts {
      let type = part["type"]?.string ?? "(no type)"
      guard type == "NFC" else { throw unsupported("normalizer", "is of type \(type)") }
      definition.composes = true
    }
  }

  private func readPreTokenizer(_ definition: inout BytePairDefinition) throws(DataError) {
    guard let preTokenizer = json["pre_tokenizer"] else { throw unsupported("pre_tokenizer", "is absent") }
    let parts = preTokenizer["type"]?.string == "Sequence" ? preTokenizer["pretokenizers"]?.array ?? [] : [preTokenizer]
    guard let last = parts.last, last["type"]?.string == "ByteLevel", parts.count <= 2 else {
      throw unsupported("pre_tokenizer", "is \(Self.types(parts)) and not ByteLevel, alone or after one Split")
    }
    definition.addsPrefixSpace = try last.flag("add_prefix_space", true, place: place)
    definition.pattern = try last.flag("use_regex", true, place: place) ? .gpt2 : .whole
    guard parts.count == 2 else { return }
    guard definition.pattern == .whole, !definition.addsPrefixSpace else {
      throw unsupported(
        "pre_tokenizer", "is \(Self.types(parts)) with a ByteLevel that has use_regex or add_prefix_space")
    }
    definition.pattern = try splitPattern(parts[0])
  }

  private func splitPattern(_ split: ByteJSON) throws(DataError) -> PiecePattern {
    guard split["type"]?.string == "Split", let expression = split["pattern"]?["Regex"]?.string else {
      throw unsupported("pre_tokenizer", "begins with \(Self.types([split])) that is not a Split with a Regex")
    }
    guard let pattern = PiecePattern(expression: expression) else {
      throw unsupported("pre_tokenizer", "has the pattern \(expression)")
    }
    // The patterns match every character, so what lies between matches is always empty.
    let inverted = try split.flag("invert", false, place: place)
    let keepsMatches = split["behavior"]?.string == "Isolated" || (split["behavior"]?.string == "Removed" && inverted)
    guard keepsMatches else {
      throw unsupported("pre_tokenizer", "has a Split with behavior \(split["behavior"]?.string ?? "(none)")")
    }
    return pattern
  }

  private static func types(_ parts: [ByteJSON]) -> String {
    parts.isEmpty ? "(empty)" : parts.map { $0["type"]?.string ?? "(no type)" }.joined(separator: " + ")
  }
}
