import Core
import Foundation
import Storage

/// Opens tokenizers of the kinds Lockstep knows.
public enum TokenizerLoader {
  /// More than any vocabulary in use; a larger file is not a tokenizer.
  private static let largestFile = 256 << 20

  /// Opens a folder, or one of its files: `tokenizer.json`, else `vocab.json` with `merges.txt`, else `vocab.txt`.
  /// `tokenizer_config.json` and `special_tokens_map.json` beside them name the special tokens.
  ///
  /// - Throws: `DataError` when a file is damaged or asks for something Lockstep does not do, `FileError` when it cannot be read.
  public static func load(_ path: String) throws -> any Tokenizer {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw DataError(path, "there is no such file or folder.", remedy: "Give a tokenizer.json, or the folder that has it.")
    }
    let folder = isFolder.boolValue ? path : URL(fileURLWithPath: path).deletingLastPathComponent().path
    let configurations = try ["tokenizer_config.json", "special_tokens_map.json"].compactMap { try optionalJSON(folder + "/" + $0) }
    let file = isFolder.boolValue ? try mainFile(of: path) : path
    switch URL(fileURLWithPath: file).lastPathComponent {
    case "vocab.txt":
      return try WordPieceTokenizer(vocabularyText: read(file), configurations: configurations, place: file)
    case "vocab.json", "merges.txt":
      let (vocabulary, merges) = (folder + "/vocab.json", folder + "/merges.txt")
      return try BytePairTokenizer(
        vocabularyJSON: read(vocabulary), mergesText: read(merges), configurations: configurations, place: vocabulary)
    default:
      return try load(json: read(file), configurations: configurations, place: file)
    }
  }

  /// Opens the contents of a `tokenizer.json`.
  ///
  /// - Parameters:
  ///   - configuration: the contents of `tokenizer_config.json`, which names the special tokens; empty for none.
  ///   - place: what error messages call the file.
  public static func load(json: [UInt8], configuration: [UInt8] = [], place: String = "tokenizer.json") throws(DataError) -> any Tokenizer {
    let configurations = configuration.isEmpty ? [] : [try JSONReader.parse(configuration, place: "tokenizer_config.json")]
    return try load(json: json, configurations: configurations, place: place)
  }

  private static func load(json: [UInt8], configurations: [ByteJSON], place: String) throws(DataError) -> any Tokenizer {
    let bytes = ByteTokenizer()
    if json == bytes.tokenizerJSON() { return bytes }
    let parsed = try JSONReader.parse(json, place: place)
    guard let model = parsed["model"] else {
      throw DataError(place, "it has no model and so is not a tokenizer.json.", remedy: "Give the file of the tokenizers library.")
    }
    // Old files do not name the model's type.
    switch model["type"]?.string ?? (model["merges"] != nil ? "BPE" : "WordPiece") {
    case "BPE": return try BytePairReader(json: parsed, place: place).tokenizer(configurations: configurations)
    case "WordPiece": return try WordPieceReader(json: parsed, place: place).tokenizer(configurations: configurations)
    case "WordLevel": return try WordLevelReader(json: parsed, place: place).tokenizer(configurations: configurations)
    case let type:
      throw DataError(
        place, "the model is of type \(type), which Lockstep does not support.", remedy: "Use a byte-level BPE, a WordPiece or a word-level tokenizer.")
    }
  }

  private static func mainFile(of folder: String) throws(DataError) -> String {
    for name in ["tokenizer.json", "vocab.json", "vocab.txt"] where FileManager.default.fileExists(atPath: folder + "/" + name) {
      return folder + "/" + name
    }
    throw DataError(folder, "the folder has neither tokenizer.json nor vocab.json nor vocab.txt.")
  }

  private static func optionalJSON(_ path: String) throws -> ByteJSON? {
    FileManager.default.fileExists(atPath: path) ? try JSONReader.parse(read(path), place: path) : nil
  }

  private static func read(_ path: String) throws -> [UInt8] {
    let file = try MappedFile(path)
    guard file.count <= largestFile else {
      throw DataError(path, "the file has \(file.count) bytes, more than any tokenizer (\(largestFile)).")
    }
    return withExtendedLifetime(file) { Array(file.bytes) }
  }
}

extension Tokenizer {
  /// A name for exactly this tokenizer: the SHA-256 of its `tokenizer.json`.
  public var contentHash: String { SHA256.of(tokenizerJSON()) }
}
