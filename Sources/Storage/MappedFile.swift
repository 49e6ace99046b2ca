import Core
import Glibc

/// A file mapped read-only into memory.
///
/// Invariant: `base` is a mapping of exactly `count` bytes made in `init` and unmapped in `deinit`;
/// nothing writes through it, so sharing it between threads is sound.
public final class MappedFile: @unchecked Sendable {
  // Sendable: immutable after init, and the pages are read-only.
  public let path: String
  public let count: Int
  private let base: UnsafeRawPointer?

  /// - Parameter most: bytes that such a file may have, checked before anything is mapped.
  /// - Throws: `FileError` when the file cannot be opened, measured or mapped, is no regular file, or is larger than
  ///   `most`.
  public init(_ path: String, atMost most: Int = .max) throws(FileError) {
    try FileFaults.check("open", path)
    // Without O_NONBLOCK, opening a named pipe waits for a writer that may never come.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError("open", path, reason: systemReason()) }
    defer { close(descriptor) }
    var info = stat()
    guard fstat(descriptor, &info) == 0 else { throw FileError("measure", path, reason: systemReason()) }
    guard info.st_mode & S_IFMT == S_IFREG else { throw FileError("read", path, reason: "it is not a regular file") }
    guard info.st_size <= most else {
      throw FileError(
        "read", path, reason: "it has \(info.st_size) bytes, more than the \(most) that such a file may have")
    }
    self.path = path
    self.count = Int(info.st_size)
    if count == 0 {
      self.base = nil
    } else {
      guard let base = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
        throw FileError("map", path, reason: systemReason())
      }
      self.base = UnsafeRawPointer(base)
    }
  }

  deinit {
    if let base { munmap(UnsafeMutableRawPointer(mutating: base), count) }
  }

  /// The whole file. The buffer must not outlive this object.
  public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

  /// Calls `body` with the whole file; the mapping lasts at least as long as the call. `bytes` of a file that nothing
  /// else holds may be gone while they are read: an object's life can end with its last use.
  public func withBytes<Value, Failure: Error>(_ body: (UnsafeRawBufferPointer) throws(Failure) -> Value)
    throws(Failure) -> Value
  {
    defer { withExtendedLifetime(self) {} }
    return try body(bytes)
  }

  /// SHA-256 of the whole file.
  public func sha256() -> String { withBytes { SHA256.of($0) } }
}

/// Whether `path` is a file itself: neither a folder nor a link to something elsewhere.
public func isRegularFile(_ path: String) -> Bool {
  var info = stat()
  return lstat(path, &info) == 0 && info.st_mode & S_IFMT == S_IFREG
}

/// The system's sentence for the current `errno`.
public func systemReason(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }
