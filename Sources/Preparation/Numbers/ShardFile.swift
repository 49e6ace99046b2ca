import Core
import Glibc
import Storage

/// A new file that is written from its beginning to its end and hashed on the way.
///
/// Invariant: `descriptor` is open from `init` to `finish` or `deinit`, and this object alone writes to it.
final class ShardFile {
  let path: String
  private var descriptor: Int32
  private var hash = SHA256()
  private var buffer: [UInt8] = []
  /// Bytes written.
  private(set) var count = 0

  private static let bufferBytes = 1 << 20

  /// - Throws: `FileError` where it is there already or cannot be made.
  init(_ path: String) throws(FileError) {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError("create", path, reason: systemReason()) }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Appends bytes.
  func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    count += bytes.count
    if bytes.count >= Self.bufferBytes {
      try flush()
      hash.update(bytes)
      return try AtomicFile.writeAll(bytes, to: descriptor, path: path)
    }
    buffer.append(contentsOf: bytes)
    if buffer.count >= Self.bufferBytes { try flush() }
  }

  /// Appends bytes.
  func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  /// Appends one byte `times` times.
  func `repeat`(_ byte: UInt8, _ times: Int) throws {
    let piece = [UInt8](repeating: byte, count: min(times, Self.bufferBytes))
    var left = times
    while left > 0 {
      try write(Array(piece.prefix(left)))
      left -= min(left, piece.count)
    }
  }

  private func flush() throws(FileError) {
    guard !buffer.isEmpty else { return }
    var failure: FileError?
    buffer.withUnsafeBytes { bytes in
      hash.update(bytes)
      do throws(FileError) { try AtomicFile.writeAll(bytes, to: descriptor, path: path) } catch { failure = error }
    }
    buffer.removeAll(keepingCapacity: true)
    if let failure { throw failure }
  }

  /// Waits until the file is on the disk. - Returns: SHA-256 of its bytes.
  func finish() throws(FileError) -> String {
    try flush()
    guard fsync(descriptor) == 0 else { throw FileError("sync", path, reason: systemReason()) }
    let closing = descriptor
    descriptor = -1
    guard close(closing) == 0 else { throw FileError("close", path, reason: systemReason()) }
    var taken = SHA256()
    swap(&taken, &hash)
    return taken.finish()
  }
}
