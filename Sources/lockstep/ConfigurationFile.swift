import Collectives
import Core
import Foundation
import Storage
import Training

/// A configuration file, as a job reads it.
enum ConfigurationFile {
  /// Rank 0 reads the file, so that it need not be on every host, and all ranks come to the same configuration. Collective.
  static func read(_ path: String, settings: [String], _ communicator: any Communicator) throws -> RunConfiguration {
    let local = try Job.together(communicator) { () throws -> [UInt8] in
      guard communicator.rank == 0 else { return [] }
      return Array(try Self.text(path).utf8)
    }
    let shared = String(decoding: try communicator.broadcast(local), as: UTF8.self)
    // The model of init.from need be on rank 0's host only, as the checkpoint it is.
    let first = try Job.together(communicator) { communicator.rank == 0 ? try RunConfiguration(toml: shared, place: path, settings: settings) : nil }
    let known = try communicator.broadcast(Array(try JSONEncoder().encode(first?.initial)))
    let initial = try JSONDecoder().decode(InitialModel?.self, from: Data(known))
    let configuration = try Job.together(communicator) {
      try first ?? RunConfiguration(toml: shared, place: path, settings: settings) { path in
        if let initial, initial.path == path { return initial }
        return try InitialModel.read(path)
      }
    }
    try Job.requireEqual(RankSettings(configuration), communicator)
    return configuration
  }

  /// - Throws: `ConfigurationError` when there is no such file; `FileError` when it cannot be read, is no regular file or is far too large.
  static func text(_ path: String) throws -> String {
    var info = stat()
    guard stat(path, &info) == 0 || (errno != ENOENT && errno != ENOTDIR) else {
      throw ConfigurationError(path, "cannot be read: there is no such file. Is the path right? configs/ has examples.")
    }
    return try MappedFile(path, atMost: 64 << 20).withBytes { String(decoding: $0, as: UTF8.self) }
  }
}
