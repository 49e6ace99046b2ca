import Core
import Foundation
import Glibc
import Storage

/// Opens tokenizers of the kinds Lockstep knows.
public enum TokenizerLoader {
  /// More than any vocabulary in use; a larger file is not a tokenizer.
  public static let largestFile = 256 << 20
  /// The same for the small files beside a vocabulary.
  public static let mostCompanionBytes = 16 << 20

  /// Opens a folder, or one of its files: `tokenizer.json`, else `vocab.json` with `merges.txt`, else `vocab.txt`.
  /// `tokenizer_config.json`, `special_tokens_map.json` and `added_tokens.json` beside them are followed, or refused
  /// where they contradict the vocabulary (`TokenizerCompanions`).
  ///
  /// - Throws: `DataError` when a file is damaged or needs something Lockstep does not do, `FileError` when it cannot
  ///   be read.
  public static func load(_ path: String) throws -> any Tokenizer {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw DataError(
        path, "there is no such file or folder.", remedy: "Give a tokenizer.json, or the folder that has it.")
    }
    let folder = isFolder.boolValue ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path
    let companions = try TokenizerCompanions(folder: folder)
    let file = isFolder.boolValue ? try mainFile(of: path) : path
    switch URL(fileURLWithPath: file).lastPathComponent {
    case "vocab.txt":
      return try WordPieceTokenizer(vocabularyText: read(file), companions: companions, place: file)
    case "vocab.json", "merges.txt":
      let (vocabulary, merges) = (folder + "/vocab.json", folder + "/merges.txt")
      return try BytePairTokenizer(
        vocabularyJSON: read(vocabulary), mergesText: read(merges), companions: companions, place: vocabulary)
    default:
      return try load(json: read(file), companions: companions, place: file)
    }
  }

  /// Opens the contents of a `tokenizer.json`.
  ///
  /// - Parameters:
  ///   - configuration: the contents of `tokenizer_config.json`, which names the special tokens; empty for none.
  ///   - place: what error messages call the file.
  public static func load(json: [UInt8], configuration: [UInt8] = [], place: String = "tokenizer.json")
    throws(DataError) -> any Tokenizer
  {
    let name = "tokenizer_config.json"
    let file =
      configuration.isEmpty
      ? nil : TokenizerCompanions.File(place: name, json: try ByteJSONReader.parse(configuration, place: name))
    return try load(json: json, companions: TokenizerCompanions(configuration: file), place: place)
  }

  private static func load(json: [UInt8], companions: TokenizerCompanions, place: String) throws(DataError)
    -> any Tokenizer
  {
    let bytes = ByteTokenizer()
    if json == bytes.tokenizerJSON() { return bytes }
    let parsed = try ByteJSONReader.parse(json, place: place)
    guard let model = parsed["model"] else {
      throw DataError(
        place, "it has no model and so is not a tokenizer.json.", remedy: "Give the file of the tokenizers library.")
    }
    // Old files do not name the model's type.
    switch model["type"]?.string ?? (model["merges"] != nil ? "BPE" : "WordPiece") {
    case "BPE": return try BytePairReader(json: parsed, place: place).tokenizer(companions)
    case "WordPiece": return try WordPieceReader(json: parsed, place: place).tokenizer(companions)
    case "WordLevel": return try WordLevelReader(json: parsed, place: place).tokenizer(companions)
    case let type:
      throw DataError(
        place, "the model is of type \(type), which Lockstep does not support.",
        remedy: "Use a byte-level BPE, a WordPiece or a word-level tokenizer.")
    }
  }

  private static let mainFiles = ["tokenizer.json", "vocab.json", "vocab.txt"]

  /// Whether a folder holds a vocabulary, be it a damaged one.
  public static func isTokenizer(_ folder: String) -> Bool { mainFiles.contains { entryExists(folder + "/" + $0) } }

  private static func mainFile(of folder: String) throws(DataError) -> String {
    for name in mainFiles where entryExists(folder + "/" + name) { return folder + "/" + name }
    throw DataError(folder, "the folder has neither tokenizer.json nor vocab.json nor vocab.txt.")
  }

  /// Whether the folder has the name, be it a link that leads nowhere: what cannot be read is an error, not an absent
  /// file.
  static func entryExists(_ path: String) -> Bool {
    var info = stat()
    return lstat(path, &info) == 0 || errno != ENOENT
  }

  static func read(_ path: String, atMost most: Int = largestFile) throws(FileError) -> [UInt8] {
    try MappedFile(path, atMost: most).withBytes { Array($0) }
  }
}

extension Tokenizer {
  /// A name for exactly this tokenizer: the SHA-256 of its `tokenizer.json`.
  public var contentHash: String { SHA256.of(tokenizerJSON()) }
}
