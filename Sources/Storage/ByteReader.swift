import CLinux
import Core
import Glibc

/// Bytes that come one piece after the other, such as those of a file or of its inflated text.
public protocol ByteReader: AnyObject {
  /// Fills the beginning of `buffer`, which is not empty. - Returns: the bytes given, 0 at the end alone.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int
}

/// A regular file read from its beginning to its end with the system's `read`: a file that is cut while it is read ends
/// early, where a mapping would end the process.
public final class SequentialFile: ByteReader {
  /// For messages.
  public let name: String
  /// Bytes that are read, whatever the file has grown to.
  public let count: Int
  /// Bytes read so far.
  public private(set) var offset = 0
  private let descriptor: Int32
  private var hash = SHA256()

  /// - Parameter count: read so many bytes; nil for as many as the file has now.
  /// - Throws: `FileError` when it cannot be opened or is no regular file.
  public init(_ path: SystemPath, name: String? = nil, count: Int? = nil) throws(FileError) {
    self.name = name ?? path.description
    // Without O_NONBLOCK, opening a named pipe waits for a writer that may never come.
    descriptor = path.withCString { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else { throw FileError("open", self.name, reason: systemReason()) }
    var info = stat()
    let measured = fstat(descriptor, &info) == 0
    self.count = count ?? Int(info.st_size)
    guard measured else { throw FileError("measure", self.name, reason: systemReason()) }
    guard info.st_mode & S_IFMT == S_IFREG else {
      throw FileError("read", self.name, reason: "it is not a regular file")
    }
  }

  deinit { close(descriptor) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let wanted = min(buffer.count, count - offset)
    while wanted > 0 {
      let got = Glibc.read(descriptor, buffer.baseAddress, wanted)
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw FileError("read", name, reason: "\(systemReason()), at byte \(offset)") }
      hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<got]))
      offset += got
      return got
    }
    return 0
  }

  /// SHA-256 of the bytes read so far; may be read once.
  public func finishDigest() -> String {
    var taken = SHA256()
    swap(&taken, &hash)
    return taken.finish()
  }

  /// The first byte that the file system stores nothing for, below `count`: from there on the file reads as zero bytes.
  public var firstHole: Int? {
    let hole = lseek(descriptor, 0, Int32(LINUX_SEEK_HOLE))
    lseek(descriptor, off_t(offset), SEEK_SET)
    return hole >= 0 && hole < count ? Int(hole) : nil
  }
}

/// Compressed bytes on their way into a decoder.
final class CompressedInput {
  private let source: any ByteReader
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
  private var range = 0..<0
  /// From so many stored bytes on a file may ask for much memory.
  static let largeFile = 64 << 20

  /// Compressed bytes taken so far.
  private(set) var offset = 0
  private var ended = false

  init(_ source: any ByteReader) { self.source = source }

  deinit { buffer.deallocate() }

  /// What has been read and not taken; empty at the end alone, once `fill` was called.
  var bytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: buffer[range]) }

  /// Reads on where nothing is left. - Returns: whether there is anything.
  func fill() throws -> Bool {
    if range.isEmpty, !ended {
      range = 0..<(try source.read(into: buffer))
      ended = range.isEmpty
    }
    return !range.isEmpty
  }

  func take(_ count: Int) {
    range = range.lowerBound + count..<range.upperBound
    offset += count
  }
}

/// Why compressed data cannot be read, in the same words for all forms.
enum CompressedDamage {
  static func cutShort(_ name: String, _ offset: Int) -> DataError {
    DataError(
      name, "ends in the middle of its compressed data, after \(offset) bytes.",
      remedy: "Fetch or compress the file again.")
  }

  static func damaged(_ name: String, _ offset: Int, _ reason: String) -> DataError {
    DataError(
      name, "is damaged at byte \(offset) of its compressed data: \(reason).",
      remedy: "Fetch or compress the file again.")
  }
}
