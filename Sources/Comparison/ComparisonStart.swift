import Collectives
import Core
import Foundation
import Machine
import Storage

/// One start of `compare` that did some of its work: where, when, with what. Lines of the report's box, apart from what
/// was found.
public struct ComparisonStart: Codable, Sendable, Equatable {
  /// Seconds since 1970.
  public var began: Double
  /// Until its last run or measure ended.
  public var seconds: Double
  public var ranks: Int
  public var threads: Int
  public var hosts: Int
  /// Different CPUs, by name.
  public var processors: [String]
  /// The kernels of OpenBLAS, and its version.
  public var kernel: String
  public var blas: String
  public var version: String

  /// This start, before it has done anything. Collective.
  static func current(_ communicator: any Communicator, threads: Int, version: String) throws -> ComparisonStart {
    func everywhere(_ text: String) throws -> [String] {
      let bytes = Array(text.utf8.prefix(256)) + [UInt8](repeating: 0, count: max(0, 256 - text.utf8.count))
      return try communicator.allGather(bytes).map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
    let arithmetic = Arithmetic.current()
    return ComparisonStart(
      began: Date().timeIntervalSince1970, seconds: 0, ranks: communicator.size, threads: threads,
      hosts: Set(try everywhere(ProcessInfo.processInfo.hostName)).count,
      processors: Set(try everywhere(Processor.current().model)).sorted(), kernel: arithmetic.core,
      blas: arithmetic.blas, version: version)
  }
}

/// `starts.json`: the starts of a comparison that did some work. On rank 0.
final class ComparisonStarts {
  private let path: String
  private let earlier: [ComparisonStart]
  private var current: ComparisonStart

  init(_ path: String, _ current: ComparisonStart) throws {
    (self.path, self.current) = (path, current)
    earlier = try Self.read(path)
  }

  /// Writes how long this start has run: after everything that it has finished, so that a kill loses little.
  func note() throws {
    current.seconds = Date().timeIntervalSince1970 - current.began
    try AtomicFile.write(try comparisonJSON(earlier + [current]), to: path)
  }

  /// - Throws: `FileError` when there is a file and it cannot be read, `DataError` when it is damaged.
  static func read(_ path: String) throws -> [ComparisonStart] {
    guard let bytes = try bytesIfPresent(path) else { return [] }
    do { return try JSONDecoder.snakeCase().decode([ComparisonStart].self, from: bytes) } catch {
      throw DataError(
        path, "is not the list of starts that lockstep compare writes.",
        remedy: "Remove it: only the times of earlier starts are lost.")
    }
  }
}
