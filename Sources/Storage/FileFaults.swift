import Core
import Foundation
import Synchronization

/// Where tests let the file system fail at a change or a read, or stop as a kill would stop it. Outside tests nothing is set.
public enum FileFaults {
  /// Asked before every change (`create`, `write`, `sync`, `rename`, `remove`) and every read (`open`, `list`, `look at`) with its
  /// path. An error number makes it fail with that reason. One that answers so from some change on freezes the file system: clearing up does not happen either.
  public typealias Fault = @Sendable (_ operation: String, _ path: String) -> Int32?

  private final class Box {
    let fault: Fault
    init(_ fault: @escaping Fault) { self.fault = fault }
  }

  private static let key = "lockstep.file-faults"
  /// Whether any test has set a fault: a program that runs asks nothing further.
  private static let isUsed = Atomic<Bool>(false)

  /// Runs `body` with a fault for all changes and reads that the calling thread makes.
  public static func injecting<Value>(_ fault: @escaping Fault, _ body: () throws -> Value) rethrows -> Value {
    isUsed.store(true, ordering: .relaxed)
    Thread.current.threadDictionary[key] = Box(fault)
    defer { Thread.current.threadDictionary[key] = nil }
    return try body()
  }

  /// - Throws: `FileError` with the injected reason.
  public static func check(_ operation: String, _ path: String) throws(FileError) {
    guard isUsed.load(ordering: .relaxed), let box = Thread.current.threadDictionary[key] as? Box, let code = box.fault(operation, path) else { return }
    throw FileError(operation, path, reason: systemReason(code))
  }
}
