import Collectives
import Core
import Foundation
import Training

/// A configuration file, as a job reads it.
enum ConfigurationFile {
  /// Rank 0 reads the file, so that it need not be on every host. Collective.
  static func read(_ path: String, settings: [String], _ communicator: any Communicator) throws -> RunConfiguration {
    let local = try Job.together(communicator) { () throws -> [UInt8] in
      guard communicator.rank == 0 else { return [] }
      return Array(try Self.text(path).utf8)
    }
    let shared = String(decoding: try communicator.broadcast(local), as: UTF8.self)
    return try Job.together(communicator) { try RunConfiguration(toml: shared, place: path, settings: settings) }
  }

  static func text(_ path: String) throws(ConfigurationError) -> String {
    guard let bytes = FileManager.default.contents(atPath: path) else {
      throw ConfigurationError(path, "cannot be read. Is the path right? configs/ has examples.")
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
