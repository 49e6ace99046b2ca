import Core
import Foundation
import Storage

@testable import Tokenizers

/// What `scripts/goldens/tokenizers.py` recorded.
enum Goldens {
  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .appendingPathComponent("goldens/tokenizers").path

  static func bytes(_ name: String) throws -> [UInt8] {
    let file = try MappedFile(folder + "/" + name)
    return withExtendedLifetime(file) { Array(file.bytes) }
  }

  static func cases() throws -> ByteJSON { try ByteJSONReader.parse(try bytes("cases.json"), place: "cases.json") }

  /// Calls `body` with each string and the ids the library gave for it.
  /// - Parameter kind: `ids`, or `specialIsText` for those with special tokens left in the text.
  static func forEachCase(_ name: String, kind: String = "ids", _ body: ([UInt8], [Int32]) -> Void) throws -> Int {
    let cases = try cases()
    let strings = cases["strings"]?.array?.compactMap(\.bytes) ?? []
    let rows = cases[kind]?[name]?.array?.map { $0.array?.compactMap { $0.integer.map(Int32.init) } ?? [] } ?? []
    for (text, ids) in zip(strings, rows) { body(text, ids) }
    return min(strings.count, rows.count)
  }

  /// Compares a file Lockstep writes with the committed one. With LOCKSTEP_RECORD set it is written instead, and the
  /// comparison fails all the same: a recording run is not a passing run.
  static func matches(_ name: String, _ bytes: [UInt8]) throws -> Bool {
    guard ProcessInfo.processInfo.environment["LOCKSTEP_RECORD"] == nil else {
      try AtomicFile.write(bytes, to: folder + "/" + name)
      return false
    }
    return try self.bytes(name) == bytes
  }
}

/// A folder for one test, removed after it.
func withTemporaryFolder(_ files: [String: [UInt8]], _ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tokenizers-" + UUID().uuidString).path
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  for (name, bytes) in files { try AtomicFile.write(bytes, to: folder + "/" + name) }
  try body(folder)
}

/// The sentence of the error `body` throws; nil when it throws none.
func sentence(_ body: () throws -> Void) -> String? {
  do {
    try body()
    return nil
  } catch {
    return "\(error)"
  }
}
