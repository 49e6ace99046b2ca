import CZlib
import Core

/// Gzip (RFC 1952) in both directions, over zlib.
public enum Gzip {
  /// The first two bytes of every gzip file.
  public static let magic: [UInt8] = [0x1F, 0x8B]

  /// Inflates every member of a gzip file and hands the text on in pieces of at most `pieceBytes`.
  ///
  /// Lengths and checksums of the members are checked; zero bytes after the last member are padding.
  /// - Parameter name: the file's path, for errors.
  /// - Throws: `DataError` when the file is cut short, fails its checksum or is not gzip; what `consume` throws.
  public static func inflate(
    _ bytes: UnsafeRawBufferPointer, name: String, pieceBytes: Int = 1 << 18, _ consume: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard bytes.starts(with: magic) else {
      throw DataError(name, "is not a gzip file: it does not begin with the bytes 1f 8b.", remedy: "Rename it if it is not compressed.")
    }
    var stream = z_stream()
    // 15 is the largest window, 16 asks for gzip's header and checksum.
    let code = inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(code == Z_OK, "zlib \(ZLIB_VERSION) refused to start: code \(code)")
    defer { inflateEnd(&stream) }
    let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceBytes, alignment: 64)
    defer { piece.deallocate() }
    var input = GzipInput(bytes: bytes)
    repeat {
      try inflateMember(&stream, &input, piece: piece, name: name, consume)
      inflateReset(&stream)
    } while !input.onlyZerosRemain
  }

  private static func inflateMember(
    _ stream: inout z_stream, _ input: inout GzipInput, piece: UnsafeMutableRawBufferPointer, name: String,
    _ consume: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    while true {
      input.lend(to: &stream)
      stream.next_out = piece.baseAddress?.assumingMemoryBound(to: UInt8.self)
      stream.avail_out = UInt32(piece.count)
      let code = CZlib.inflate(&stream, Z_NO_FLUSH)
      input.takeBack(from: stream)
      let produced = piece.count - Int(stream.avail_out)
      if produced > 0 { try consume(UnsafeRawBufferPointer(rebasing: piece[..<produced])) }
      if code == Z_STREAM_END { return }
      guard code == Z_OK, produced > 0 || !input.isEmpty else { throw damage(code, stream, input, name: name) }
    }
  }

  private static func damage(_ code: Int32, _ stream: z_stream, _ input: GzipInput, name: String) -> DataError {
    let remedy = "Fetch or compress the file again."
    if code == Z_OK || code == Z_BUF_ERROR {
      return DataError(name, "ends in the middle of its compressed data, after \(input.bytes.count) bytes.", remedy: remedy)
    }
    let reason = stream.msg.map { String(cString: $0) } ?? "code \(code)"
    return DataError(name, "is damaged at byte \(input.offset) of its compressed data: \(reason).", remedy: remedy)
  }

  /// One member that holds `bytes`, without a name or a time, so that equal bytes give equal files.
  public static func deflate(_ bytes: [UInt8], level: Int32 = 6) -> [UInt8] {
    var stream = z_stream()
    let code = deflateInit2_(
      &stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(code == Z_OK, "zlib \(ZLIB_VERSION) refused to start: code \(code)")
    precondition(bytes.count < 1 << 31, "Gzip.deflate takes less than 2 GiB, not \(bytes.count) bytes")
    defer { deflateEnd(&stream) }
    var source = bytes
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))))
    source.withUnsafeMutableBufferPointer { source in
      output.withUnsafeMutableBufferPointer { output in
        (stream.next_in, stream.avail_in) = (source.baseAddress, UInt32(source.count))
        (stream.next_out, stream.avail_out) = (output.baseAddress, UInt32(output.count))
        let code = CZlib.deflate(&stream, Z_FINISH)
        precondition(code == Z_STREAM_END, "zlib's own bound was too small: code \(code)")
      }
    }
    output.removeLast(Int(stream.avail_out))
    return output
  }
}

/// What is left of a compressed file, lent to zlib in pieces that its 32-bit counts can hold.
private struct GzipInput {
  let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0
  private var lent = 0

  init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var isEmpty: Bool { offset == bytes.count }
  var onlyZerosRemain: Bool { bytes[offset...].allSatisfy { $0 == 0 } }

  mutating func lend(to stream: inout z_stream) {
    lent = min(bytes.count - offset, 1 << 30)
    // zlib reads through next_in and never writes.
    let next = bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0 + offset) }
    stream.next_in = next?.assumingMemoryBound(to: UInt8.self)
    stream.avail_in = UInt32(lent)
  }

  mutating func takeBack(from stream: z_stream) { offset += lent - Int(stream.avail_in) }
}
