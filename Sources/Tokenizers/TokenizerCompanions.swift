import Core
import Foundation
import Storage

/// The small files beside a vocabulary that decide ids as it does: `tokenizer_config.json`, `special_tokens_map.json`
/// and `added_tokens.json`.
///
/// Each setting is followed, or refused by name where it contradicts the vocabulary: versions of the transformers
/// library disagree about which file wins, and a guess would train other rows than the ones that were meant.
struct TokenizerCompanions {
  /// A file and what is in it.
  struct File {
    var place: String
    var json: ByteJSON
  }

  var configuration: File?
  var specialTokensMap: File?
  var addedTokens: File?

  static let none = TokenizerCompanions()

  private static let configurationName = "tokenizer_config.json"
  private static let mapName = "special_tokens_map.json"
  private static let addedName = "added_tokens.json"
  /// The order in which the transformers library gives ids to special tokens that have none.
  private static let roleOrder: [SpecialRole] = [.bos, .eos, .unknown, .sep, .pad, .cls, .mask]

  init(configuration: File? = nil) { self.configuration = configuration }

  /// The files of `folder`. A link that leads nowhere is no file that is absent, and is an error.
  /// - Throws: `DataError` when one is not a JSON object or names two tokens for one role, `FileError` when one cannot
  ///   be read.
  init(folder: String) throws {
    func file(_ name: String) throws -> File? {
      let path = folder + "/" + name
      guard TokenizerLoader.entryExists(path) else { return nil }
      let json = try ByteJSONReader.parse(
        try TokenizerLoader.read(path, atMost: TokenizerLoader.mostCompanionBytes), place: path)
      guard json.object != nil else { throw DataError(path, "it is not a JSON object.") }
      return File(place: path, json: json)
    }
    configuration = try file(Self.configurationName)
    specialTokensMap = try file(Self.mapName)
    addedTokens = try file(Self.addedName)
    try requireOneNameARole()
  }

  /// The files that name special tokens.
  var naming: [ByteJSON] { [configuration?.json, specialTokensMap?.json].compactMap { $0 } }

  /// The class that `tokenizer_config.json` names, without the ending of the fast ones.
  var className: String? {
    configuration?.json["tokenizer_class"]?.string.map { $0.hasSuffix("Fast") ? String($0.dropLast(4)) : $0 }
  }

  /// A flag of `tokenizer_config.json`; nil where it is absent or null.
  func flag(_ name: String) throws(DataError) -> Bool? {
    guard let file = configuration, file.json[name] != nil else { return nil }
    return try file.json.flag(name, false, place: file.place)
  }

  /// Refuses a class whose rules are not those that the vocabulary's files are read by.
  func requireClass(_ known: [String], place: String) throws(DataError) {
    guard let file = configuration, let name = className, !known.contains(name) else { return }
    throw DataError(
      file.place, "tokenizer_class is \(name), whose rules Lockstep does not know for \(lastComponent(place)).",
      remedy: "Save the tokeniser with its tokenizer.json, which states them.")
  }

  private func names(_ role: SpecialRole) -> Bool { naming.contains { $0[role.configurationKey] != nil } }

  private func requireOneNameARole() throws(DataError) {
    guard let configuration, let map = specialTokensMap else { return }
    for role in SpecialRole.allCases {
      guard let first = Self.content(configuration.json[role.configurationKey]),
        let second = Self.content(map.json[role.configurationKey]),
        first != second
      else { continue }
      throw DataError(
        map.place,
        "\(role.configurationKey) is \"\(shown(second))\" here and \"\(shown(first))\" in \(Self.configurationName).",
        remedy: "Keep the one that the model was trained with.")
    }
  }

  private static func content(_ value: ByteJSON?) -> [UInt8]? { value?.bytes ?? value?["content"]?.bytes }
}

// MARK: - Settings beside a tokenizer.json

extension TokenizerCompanions {
  /// Refuses settings of case, accents and ideographs that `normalizer` does not follow; nil for a tokeniser that
  /// changes none.
  func requireCasing(_ normalizer: BertNormalizer?, place: String) throws(DataError) {
    let lowercases = normalizer?.lowercases ?? false
    let expected = [
      ("do_lower_case", lowercases), ("strip_accents", normalizer.map { $0.stripsAccents ?? lowercases } ?? false),
      ("tokenize_chinese_chars", normalizer?.separatesIdeographs ?? false),
    ]
    for (name, value) in expected {
      // A class that knows no ideographs ignores the setting; BERT's default is often written beside one.
      if normalizer == nil, name == "tokenize_chinese_chars" { continue }
      try require(name, value, place: place)
    }
  }

  /// Refuses an `add_prefix_space` that the vocabulary's own file contradicts.
  func requirePrefixSpace(_ adds: Bool, place: String) throws(DataError) {
    try require("add_prefix_space", adds, place: place)
  }

  private func require(_ name: String, _ value: Bool, place: String) throws(DataError) {
    guard let file = configuration, let wanted = try flag(name), wanted != value else { return }
    throw DataError(
      file.place, "\(name) is \(wanted), and \(lastComponent(place)) does the opposite.",
      remedy: "Make the two agree on what the model was trained with.")
  }
}

// MARK: - Added tokens

extension TokenizerCompanions {
  private typealias StatedToken = (AddedToken, file: String)
  private typealias NamedToken = (content: [UInt8], flags: ByteJSON, file: String)

  /// The added tokens of a vocabulary with those that these files add, name or describe.
  ///
  /// Stated ids must be those that the `tokenizers` library would give. A special token that is named and has no id
  /// gets the next one, as in the transformers library.
  /// - Parameter usual: roles whose usual spellings are special tokens where the vocabulary has them and no file names
  ///   another: for vocabularies that do not say.
  /// - Throws: `DataError` naming the file, the token and both ids or flags where two files disagree.
  func completed(
    _ added: [AddedToken], modelIDs: ByteStrings, usual: [(role: SpecialRole, spellings: [String])] = [], place: String
  ) throws(DataError) -> [AddedToken] {
    var list = AddedTokenList(added, modelIDs: modelIDs, place: place)
    for (token, file) in try described() { try list.require(token, comparingFlags: true, from: file) }
    let special = try named()
    for (token, file) in try legacy(special) { try list.require(token, comparingFlags: false, from: file) }
    for (content, flags, file) in special { try list.addSpecial(content, flags: flags, from: file) }
    for (role, spellings) in usual where !names(role) {
      for spelling in spellings where list.isInModel(spelling) {
        try list.addSpecial(Array(spelling.utf8), flags: .null, from: place)
      }
    }
    try AddedToken.check(list.tokens, modelIDs: modelIDs, place: place)
    return list.tokens
  }

  /// `added_tokens_decoder` of the configuration, by rising id.
  private func described() throws(DataError) -> [StatedToken] {
    guard let file = configuration, let decoder = file.json["added_tokens_decoder"] else { return [] }
    guard let members = decoder.object else { throw DataError(file.place, "added_tokens_decoder is not an object.") }
    var tokens: [StatedToken] = []
    for member in members {
      guard let id = Int32(String(decoding: member.name, as: UTF8.self)), id >= 0,
        let content = Self.content(member.value),
        !content.isEmpty
      else {
        throw DataError(
          file.place, "added_tokens_decoder has the entry \"\(shown(member.name))\", which is not an id with a content."
        )
      }
      tokens.append(
        (try AddedToken(id: id, content: content, flags: member.value, special: false, place: file.place), file.place))
    }
    return tokens.sorted { $0.0.id < $1.0.id }
  }

  /// `added_tokens.json`, by rising id; a token that is named as special is.
  private func legacy(_ named: [NamedToken]) throws(DataError) -> [StatedToken] {
    guard let file = addedTokens, let members = file.json.object else { return [] }
    var special: [[UInt8]: ByteJSON] = [:]
    for name in named where special[name.content] == nil { special[name.content] = name.flags }
    var tokens: [StatedToken] = []
    for member in members {
      guard let id = member.value.integer.flatMap({ Int32(exactly: $0) }), id >= 0, !member.name.isEmpty else {
        throw DataError(file.place, "the token \"\(shown(member.name))\" has no usable id.")
      }
      let flags = special[member.name]
      tokens.append(
        (
          try AddedToken(id: id, content: member.name, flags: flags ?? .null, special: flags != nil, place: file.place),
          file.place
        ))
    }
    return tokens.sorted { $0.0.id < $1.0.id }
  }

  /// Special tokens that are named without an id, in the order in which the transformers library would give them one.
  private func named() throws(DataError) -> [NamedToken] {
    var found: [NamedToken] = []
    for file in [configuration, specialTokensMap].compactMap({ $0 }) {
      for key in Self.roleOrder.map(\.configurationKey) {
        if let value = file.json[key] { found.append(try Self.token(value, key, file)) }
      }
    }
    for file in [configuration, specialTokensMap].compactMap({ $0 }) {
      for key in ["additional_special_tokens", "extra_special_tokens"] {
        guard let value = file.json[key] else { continue }
        guard let values = value.array ?? value.object?.map(\.value) else {
          throw DataError(file.place, "\(key) is not a list of tokens.")
        }
        for value in values { found.append(try Self.token(value, key, file)) }
      }
    }
    return found
  }

  private static func token(_ value: ByteJSON, _ key: String, _ file: File) throws(DataError) -> NamedToken {
    guard let content = content(value), !content.isEmpty else {
      throw DataError(file.place, "\(key) has a token without a text.")
    }
    return (content, value, file.place)
  }
}

private func shown(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix(60), as: UTF8.self) }

private func lastComponent(_ path: String) -> String { URL(fileURLWithPath: path).lastPathComponent }
