import Collectives
import Configuration
import Core
import Foundation
import Storage

/// A configuration file, as a job reads it.
public enum ConfigurationFile {
  /// Rank 0 reads the file, so that it need not be on every host, and all ranks come to the same configuration.
  /// Collective.
  public static func read(_ path: String, settings: [String], _ communicator: any Communicator) throws
    -> RunConfiguration
  {
    let local = try Job.collectively(communicator) { () throws -> [UInt8] in
      guard communicator.rank == 0 else { return [] }
      return Array(try Self.text(path).utf8)
    }
    let shared = String(decoding: try communicator.broadcast(local), as: UTF8.self)
    // The model of init.from need be on rank 0's host only, as the checkpoint it is.
    let first = try Job.collectively(communicator) {
      communicator.rank == 0 ? try RunConfiguration(toml: shared, place: path, settings: settings) : nil
    }
    let known = try communicator.broadcast(Array(try JSONEncoder.snakeCase().encode(first?.initial)))
    let initial = try JSONDecoder.snakeCase().decode(InitialModel?.self, from: Data(known))
    let configuration = try Job.collectively(communicator) {
      try first
        ?? RunConfiguration(toml: shared, place: path, settings: settings) { path in
          if let initial, initial.path == path { return initial }
          return try InitialModel.read(path)
        }
    }
    try Job.requireEqual(RankSettings(configuration), communicator)
    return configuration
  }

  /// The text of a configuration, or of a comparison.
  /// - Throws: `ConfigurationError` that says what the path names instead, such as a folder or a book; `FileError` when
  ///   it cannot be read or is no regular file.
  public static func text(_ path: String) throws -> String {
    var info = stat()
    guard stat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR) else {
      throw ConfigurationError(path, "cannot be read: there is no such file. Is the path right? configs/ has examples.")
    }
    let kind = info.st_mode & S_IFMT
    if kind == S_IFDIR { throw ConfigurationError(path, inPlaceOfAFolder(path)) }
    guard kind != S_IFREG || info.st_size <= mostBytes else {
      throw ConfigurationError(
        path, "has \(info.st_size) bytes, and a configuration has at most \(mostBytes). \(adviceForText(path))")
    }
    guard let text = try MappedFile(path, atMost: mostBytes).withBytes({ String(validating: $0, as: UTF8.self) }) else {
      throw ConfigurationError(
        path, "is not TOML: it is not UTF-8. iconv -f ISO-8859-1 -t UTF-8 converts what an older editor wrote.")
    }
    if isProse(text), !path.hasSuffix(".toml") {
      throw ConfigurationError(
        path, "is not a configuration: none of its first lines sets a key. \(adviceForText(path))")
    }
    return text
  }

  private static let mostBytes = 1 << 20

  private static func inPlaceOfAFolder(_ path: String) -> String {
    func has(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path + "/" + name) }
    if has("config.toml") {
      return "is a run folder, and this argument is its configuration: name \(path)/config.toml to resume the run."
    }
    if has("corpus.json") {
      return
        "is a corpus, and this takes a configuration: copy one of configs/ and set data.corpus = \"\(path)\" in it."
    }
    return "is a folder, and this takes a configuration, a TOML file. \(adviceForText(path))"
  }

  private static func adviceForText(_ path: String) -> String {
    "Text becomes a corpus by lockstep prepare --input \(path) --output corpora/NAME; a configuration that trains on it is a TOML file, such as configs/quickstart.toml."
  }

  /// Whether none of the first lines that say anything looks like TOML.
  private static func isProse(_ text: String) -> Bool {
    let lines = text.prefix(4000).split(separator: "\n").prefix(20).map { $0.drop { $0 == " " || $0 == "\t" } }.filter {
      !$0.isEmpty && !$0.hasPrefix("#")
    }
    return !lines.isEmpty && lines.allSatisfy { !$0.contains("=") && !$0.hasPrefix("[") }
  }
}
