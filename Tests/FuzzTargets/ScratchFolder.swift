import Core
import Foundation
import Storage

/// A folder of this process for the files that readers are given, in memory where the system offers that.
public final class ScratchFolder: Sendable {
  public let path: String

  /// - Parameter given: a folder that someone else removes, as after a process that a signal ended; nil for a new one.
  public init(_ given: String? = nil) {
    let base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : NSTemporaryDirectory()
    path = given.map { $0 + "/files" } ?? "\(base)/lockstep-fuzz-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    mkdir(path, 0o700)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, and the folders above it. - Returns: its path.
  public func write(_ bytes: [UInt8], to name: String) throws -> String {
    let file = path + "/" + name
    var descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    if descriptor < 0 {
      try FileManager.default.createDirectory(
        atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    }
    guard descriptor >= 0 else { throw FileError("create", file, reason: systemReason()) }
    defer { close(descriptor) }
    try bytes.withUnsafeBytes { try AtomicFile.writeAll($0, to: descriptor, path: file) }
    return file
  }

  /// Empties a folder inside.
  public func clear(_ name: String) { try? FileManager.default.removeItem(atPath: path + "/" + name) }
}
