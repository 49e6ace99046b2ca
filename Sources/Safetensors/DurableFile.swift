import Core
import Foundation
import Storage

/// Bytes of a file that are hashed together; the file's digest is over the digests of its chunks, so that
/// chunks can be hashed by several threads.
public let chunkBytes = 4 << 20

/// The digest of a file in `state.json`: SHA-256 over the lower-case hexadecimal SHA-256 digests of its
/// 4 MiB chunks, one after the other without a separator.
public enum ChunkedDigest {
  /// - Complexity: one pass over the bytes, shared between the processor's cores.
  public static func of(_ bytes: UnsafeRawBufferPointer) -> String {
    let count = (bytes.count + chunkBytes - 1) / chunkBytes
    var digests = [String](repeating: "", count: count)
    digests.withUnsafeMutableBufferPointer { slots in
      // Each iteration writes its own slot and reads its own chunk.
      nonisolated(unsafe) let slots = slots
      nonisolated(unsafe) let bytes = bytes
      DispatchQueue.concurrentPerform(iterations: count) { index in
        let end = min((index + 1) * chunkBytes, bytes.count)
        slots[index] = SHA256.of(UnsafeRawBufferPointer(rebasing: bytes[index * chunkBytes..<end]))
      }
    }
    return SHA256.of(digests.joined())
  }
}

/// A file being written: what was handed over is on its way to the disk and in the digest.
///
/// Invariant: `descriptor` is open from `init` to `finish` or `deinit`, and this value alone writes to it.
public struct DurableFile: ~Copyable {
  let path: String
  private let descriptor: Int32
  private var open = true
  private(set) var byteCount = 0
  private var chunk = SHA256()
  private var digests = SHA256()

  public init(creating path: String) throws(FileError) {
    self.path = path
    do { try FileFaults.check("create", path) } catch {
      (descriptor, open) = (-1, false)
      throw error
    }
    descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      open = false
      throw FileError("create", path, reason: systemReason())
    }
  }

  deinit {
    if open { close(descriptor) }
  }

  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    try FileFaults.check("write", path)
    try AtomicFile.writeAll(bytes, to: descriptor, path: path)
    var rest = bytes
    while !rest.isEmpty {
      let room = chunkBytes - byteCount % chunkBytes
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(room))
      chunk.update(part)
      byteCount += part.count
      if byteCount % chunkBytes == 0 { closeChunk() }
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
    }
  }

  public mutating func write(_ bytes: [UInt8]) throws(FileError) {
    // The closure of `withUnsafeBytes` cannot throw a typed error, nor a mutating method run inside it.
    var failure: FileError?
    bytes.withUnsafeBytes { buffer in
      do throws(FileError) { try write(buffer) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private mutating func closeChunk() {
    var full = SHA256()
    swap(&full, &chunk)
    digests.update(full.finish())
  }

  /// Waits until the file is on the disk. - Returns: its digest and size.
  public consuming func finish() throws(FileError) -> FileRecord {
    try FileFaults.check("sync", path)
    guard fsync(descriptor) == 0 else { throw FileError("sync", path, reason: systemReason()) }
    open = false
    guard close(descriptor) == 0 else { throw FileError("close", path, reason: systemReason()) }
    if byteCount % chunkBytes != 0 { closeChunk() }
    var last = SHA256()
    swap(&last, &digests)
    return FileRecord(bytes: byteCount, sha256: last.finish())
  }
}

/// Size and digest of a file of a checkpoint.
public struct FileRecord: Codable, Sendable, Equatable {
  public var bytes: Int
  public var sha256: String

  public init(bytes: Int, sha256: String) {
    (self.bytes, self.sha256) = (bytes, sha256)
  }
}
