import Core
import Storage

/// A file that numbers are read from.
struct NumberFile: Sendable {
  let location: SystemPath
  /// The path as it was found, for messages.
  let path: String
  /// The path from the input that was given on: what the manifest records.
  let name: String
  /// Bytes as stored, when it was looked at.
  let bytes: Int
  /// By its first bytes; nil where any bytes may begin it.
  let compression: Compression?

  /// - Parameter isRaw: whether its content may begin with the bytes of a compressed file, so that it is never
  ///   inflated.
  /// - Throws: `FileError` for what cannot be read, `DataError` for an empty file.
  init(_ location: SystemPath, path: String? = nil, name: String, isRaw: Bool = false) throws {
    let path = path ?? location.description
    let file = try SequentialFile(location, name: path)
    guard file.count > 0 else {
      throw DataError(path, "is empty.", remedy: "Fetch it again or leave it out.")
    }
    var head = [UInt8](repeating: 0, count: 8)
    let got = try head.withUnsafeMutableBytes { try file.read(into: $0) }
    let known = head[..<got]
    compression = isRaw ? nil : Compression.allCases.first { known.starts(with: $0.magic) }
    (self.location, self.path, self.name, bytes) = (location, path, name, file.count)
  }

  /// The content from its beginning, inflated, and the file it comes from.
  func open() throws(FileError) -> (content: any ByteReader, file: SequentialFile) {
    let file = try SequentialFile(location, name: path, count: bytes)
    return (compression?.reader(file, name: path) ?? file, file)
  }

  /// Bytes that its content can have at most: its own, or of compressed data 256 times as many, so that a small file
  /// cannot fill the memory.
  var mostContent: Int { compression == nil ? bytes : max(64 << 20, 256 * bytes) }

  /// The whole file. - Throws: `DataError` for one of more than `most` bytes.
  func contents(atMost most: Int) throws -> [UInt8] {
    guard bytes <= most else {
      throw DataError(path, "has \(bytes) bytes; such a file may have \(most).", remedy: "Leave it out.")
    }
    let source = try ByteSource(self)
    var result: [UInt8] = []
    while let piece = try source.piece(1 << 20) {
      result += piece
      guard result.count <= min(most, mostContent) else {
        throw DataError(path, "inflates to more than \(most) bytes.", remedy: "Leave it out.")
      }
    }
    return result
  }

  /// SHA-256 of the stored bytes.
  /// - Throws: `DataError` for a file that changed since it was looked at.
  func sha256() throws -> String {
    let file = try SequentialFile(location, name: path, count: bytes)
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    while try file.read(into: piece) > 0 {}
    guard file.offset == bytes else {
      throw DataError(path, "changed while it was read.", remedy: "Prepare it when nothing writes to it.")
    }
    return file.finishDigest()
  }
}

/// Bytes taken from a file's content in pieces of a known size.
final class ByteSource {
  private let file: NumberFile
  private let reader: any ByteReader
  private let stored: SequentialFile
  /// Bytes taken so far.
  private(set) var offset = 0

  init(_ file: NumberFile) throws {
    self.file = file
    (reader, stored) = try file.open()
  }

  /// Bytes of the file read so far, as they are stored.
  var storedBytes: Int { stored.offset }

  /// The next `count` bytes, fewer at the end alone; nil after it.
  /// - Throws: what reading throws.
  func piece(_ count: Int) throws -> [UInt8]? {
    precondition(count > 0, "a piece of \(count) bytes")
    var (result, got) = ([UInt8](repeating: 0, count: count), 0)
    while got < count {
      let more = try result.withUnsafeMutableBytes {
        try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[got...]))
      }
      guard more > 0 else { break }
      got += more
    }
    offset += got
    if got < count { result.removeLast(count - got) }
    return got > 0 ? result : nil
  }

  /// Exactly `count` bytes of what `what` names. - Throws: `DataError` where the file ends before.
  func exactly(_ count: Int, _ what: @autoclosure () -> String) throws -> [UInt8] {
    guard count > 0 else { return [] }
    let got = try piece(count) ?? []
    guard got.count == count else {
      throw DataError(
        file.path, "ends at byte \(offset), in \(what()), which needs \(count) bytes and has \(got.count).",
        remedy: "Fetch the file again.")
    }
    return got
  }

  /// - Throws: `DataError` where anything follows.
  func requireEnd(_ what: String) throws {
    guard try piece(1) == nil else {
      throw DataError(file.path, "goes on after \(what), at byte \(offset - 1).", remedy: "Fetch the file again.")
    }
  }
}
