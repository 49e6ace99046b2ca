import Core
import Foundation
import Storage

/// A file that text is read from.
struct SourceFile: Sendable {
  let location: SystemPath
  /// The path as it was found, for messages.
  let path: String
  /// The path from the input that was given on: what the manifest records.
  let name: String
  /// Bytes as stored, when it was looked at; more that come later are not read.
  let bytes: Int
  let compression: Compression?
  let encoding: TextEncoding

  /// Bytes of the text that are looked at.
  private static let headBytes = 4096

  /// Looks at the first bytes of a file: how it is compressed and encoded.
  ///
  /// - Parameter content: what the name does not say, as for standard input.
  /// - Throws: `ForeignContent` for what is no text, `FileError` for what cannot be read, `DataError` for damaged
  ///   compressed data.
  init(examining location: SystemPath, path: String? = nil, name: String) throws {
    let path = path ?? location.description
    let file = try SequentialFile(location, name: path)
    if let hole = file.firstHole {
      throw ForeignContent(sparse: hole, of: file.count)
    }
    var head = try Self.head(file)
    let compression = Compression.allCases.first { head.starts(with: $0.magic) }
    if let compression {
      head = try Self.head(compression.reader(try SequentialFile(location, name: path), name: path))
    } else if let claimed = Compression.named(path) {
      let magic = claimed.magic.map { hexadecimal([$0]) }.joined(separator: " ")
      throw DataError(
        path, "is not a \(claimed.rawValue) file: it does not begin with the bytes \(magic).",
        remedy: "Rename it if it is not compressed.")
    }
    try head.withUnsafeBytes { try ForeignContent.refuse($0) }
    (self.location, self.path, self.name, bytes) = (location, path, name, file.count)
    (self.compression, encoding) = (compression, head.withUnsafeBytes { TextEncoding(markOf: $0) })
  }

  private static func head(_ reader: any ByteReader) throws -> [UInt8] {
    var (head, count) = ([UInt8](repeating: 0, count: headBytes), 0)
    while count < headBytes {
      let got = try head.withUnsafeMutableBytes {
        try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[count...]))
      }
      guard got > 0 else { break }
      count += got
    }
    return Array(head[..<count])
  }

  /// The text from its beginning, inflated and as UTF-8, and the file it comes from.
  func open() throws(FileError) -> (text: any ByteReader, file: SequentialFile) {
    let file = try SequentialFile(location, name: path, count: bytes)
    let plain = compression?.reader(file, name: path) ?? file
    return (UnicodeReader(plain, encoding) ?? plain, file)
  }

  /// Bytes that a document or row may have: of compressed data 256 times its size, so that a small file cannot fill the
  /// memory.
  var mostRecordBytes: Int {
    guard compression != nil, bytes < TextWindow.longestRecord / 256 else { return TextWindow.longestRecord }
    return max(64 << 20, 256 * bytes)
  }

  /// SHA-256 of the stored bytes.
  /// - Parameter progress: gets the number of bytes of each piece.
  func sha256(_ progress: (Int) -> Void) throws -> String {
    let file = try SequentialFile(location, name: path, count: bytes)
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
    defer { piece.deallocate() }
    while true {
      let got = try file.read(into: piece)
      if got == 0 { break }
      progress(got)
    }
    guard file.offset == bytes else { throw changed("has \(file.offset) bytes where it had \(bytes)") }
    return file.finishDigest()
  }

  /// A file that is written to while it is read would give a corpus of neither state.
  func changed(_ how: String) -> DataError {
    DataError(
      path, "changed while it was read: it \(how).", remedy: "Prepare it when nothing writes to it, or prepare a copy.")
  }
}

extension ForeignContent {
  /// Of a file with a hole, which reads as zero bytes: sparse by intent, or left by a copy that was interrupted.
  fileprivate init(sparse hole: Int, of count: Int) {
    self.init(
      "a file with a hole: its storage ends or pauses at byte \(hole) of \(count)",
      remedy: "Copy it again; a hole reads as zero bytes, which are no text.")
  }
}
