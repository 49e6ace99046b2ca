import Core
import Glibc

/// A file that grows by whole pieces and outlives a disk that fails for a while: a piece that cannot be written is cut
/// back, kept in memory, and written before the next one. A file that was removed meanwhile is begun anew.
///
/// Invariant: `descriptor` is open for the life of this object; one thread at a time uses it.
public final class GrowingFile {
  public let path: String
  /// Pieces on which writing has failed so far, in order.
  public private(set) var pending: [UInt8] = []
  /// What an empty file begins with.
  private var preamble: [UInt8]
  private let remembers: Bool
  private var descriptor: Int32
  /// Where the file ended before a piece was written in part; nil when it ends with a whole one.
  private var cutBack: off_t?

  /// Opens or creates a file.
  ///
  /// - Parameters:
  ///   - preamble: what an empty file begins with.
  ///   - remembers: keep all that was written in memory, and begin a file that was removed with it, so that nothing is
  ///     lost.
  public init(_ path: String, preamble: [UInt8] = [], remembers: Bool = false) throws(FileError) {
    self.path = path
    self.preamble = preamble
    self.remembers = remembers
    descriptor = try Self.open(path)
    if !preamble.isEmpty, Self.status(descriptor)?.st_size == 0 { try append([]) }
  }

  deinit { close(descriptor) }

  /// Cuts the file off behind `bytes`, where it is longer. - Throws: `FileError`.
  public func cut(after bytes: Int) throws(FileError) {
    guard let size = Self.status(descriptor)?.st_size else { throw FileError("measure", path, reason: systemReason()) }
    guard size <= bytes || ftruncate(descriptor, off_t(bytes)) == 0 else {
      throw FileError("shorten", path, reason: systemReason())
    }
  }

  /// Adds a piece, handed to the system in one write with all that is pending.
  ///
  /// - Returns: whether the file had been removed and was begun anew.
  /// - Throws: `FileError`; the piece is then pending, and the file ends with a whole one as soon as the system lets
  ///   it.
  @discardableResult
  public func append(_ piece: [UInt8]) throws(FileError) -> Bool {
    pending += piece
    return try flush()
  }

  /// Writes what is pending. - Returns: whether the file was begun anew. - Throws: `FileError`, as `append`.
  @discardableResult
  public func flush() throws(FileError) -> Bool {
    let begunAnew = try reopenIfGone()
    guard let size = Self.status(descriptor)?.st_size else { throw FileError("measure", path, reason: systemReason()) }
    if let cutBack, size > cutBack {
      guard ftruncate(descriptor, cutBack) == 0 else { throw FileError("cut back", path, reason: systemReason()) }
    }
    let end = min(size, cutBack ?? size)
    cutBack = nil
    let bytes = (end == 0 ? preamble : []) + pending
    guard !bytes.isEmpty else { return begunAnew }
    // A closure that the standard library runs cannot throw a typed error.
    let outcome = bytes.withUnsafeBytes { bytes in
      Result { () throws(FileError) in
        try FileFaults.check("write", path)
        try AtomicFile.writeAll(bytes, to: descriptor, path: path)
      }
    }
    do { try outcome.get() } catch {
      if ftruncate(descriptor, end) != 0 { cutBack = end }
      throw error
    }
    if remembers { preamble += pending }
    pending = []
    return begunAnew
  }

  /// Writes what is pending and waits until all of it is on the disk. - Throws: `FileError`, as `append`.
  public func sync() throws(FileError) {
    try flush()
    guard fsync(descriptor) == 0 else { throw FileError("sync", path, reason: systemReason()) }
  }

  /// Another file, or none, under the path: everything further would go where nobody finds it.
  private func reopenIfGone() throws(FileError) -> Bool {
    var there = stat()
    if let mine = Self.status(descriptor), lstat(path, &there) == 0, there.st_ino == mine.st_ino,
      there.st_dev == mine.st_dev
    {
      return false
    }
    let new = try Self.open(path)
    close(descriptor)
    descriptor = new
    cutBack = nil
    return true
  }

  /// No link is followed, and no named pipe waited for.
  private static func open(_ path: String) throws(FileError) -> Int32 {
    let descriptor = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      if errno == ELOOP { throw FileError("open", path, reason: FileKind.linkReason, remedy: FileKind.linkRemedy) }
      throw FileError("open", path, reason: systemReason())
    }
    guard status(descriptor).map({ $0.st_mode & S_IFMT == S_IFREG }) ?? false else {
      close(descriptor)
      throw FileError("open", path, reason: "it is not a regular file")
    }
    return descriptor
  }

  private static func status(_ descriptor: Int32) -> stat? {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? status : nil
  }
}
