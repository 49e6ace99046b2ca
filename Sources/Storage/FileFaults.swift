import Core
import Foundation

/// Where tests let the file system fail at a change or a read, or stop as a kill would stop it. Outside tests nothing
/// is set.
public enum FileFaults {
  /// Called before every change (`create`, `write`, `sync`, `rename`, `remove`) and every read (`open`, `list`, `look
  /// at`) with its path. An error number makes it fail with that reason.
  /// One that fails from some change on freezes the file system: clearing up does not happen either.
  public typealias Fault = @Sendable (_ operation: String, _ path: String) -> Int32?

  private final class Box {
    let fault: Fault
    init(_ fault: @escaping Fault) { self.fault = fault }
  }

  private static let key = "lockstep.file-faults"

  /// Runs `body` with a fault for all changes and reads that the calling thread makes.
  public static func injecting<Value>(_ fault: @escaping Fault, _ body: () throws -> Value) rethrows -> Value {
    Thread.current.threadDictionary[key] = Box(fault)
    defer { Thread.current.threadDictionary[key] = nil }
    return try body()
  }

  /// - Throws: `FileError` with the injected reason.
  public static func check(_ operation: String, _ path: String) throws(FileError) {
    guard let box = Thread.current.threadDictionary[key] as? Box, let code = box.fault(operation, path) else { return }
    throw FileError(operation, path, reason: systemReason(code))
  }
}
