import CZlib
import Core

/// Gzip (RFC 1952), over zlib.
public enum Gzip {
  /// The first two bytes of every gzip file.
  public static let magic: [UInt8] = [0x1F, 0x8B]

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

/// The text of a gzip file, member after member, over zlib. Lengths and checksums are checked; zero bytes after the
/// last member are padding.
public final class GzipReader: ByteReader {
  private enum Place { case start, member, between, padding }

  private let name: String
  private let input: CompressedInput
  // zlib's state is owned by this object and ended with it; one thread at a time uses it.
  private var stream = z_stream()
  private var place = Place.start

  /// - Parameter name: for errors.
  public init(_ source: any ByteReader, name: String) {
    (self.name, input) = (name, CompressedInput(source))
    // 15 is the largest window, 16 asks for gzip's header and checksum.
    let code = inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(code == Z_OK, "zlib \(ZLIB_VERSION) refused to start: code \(code)")
  }

  deinit { inflateEnd(&stream) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while try input.fill() {
      switch place {
      case .member, .start: break
      case .between where input.bytes[0] == Gzip.magic[0]:
        inflateReset(&stream)
        place = .member
      case .between, .padding:
        guard input.bytes.allSatisfy({ $0 == 0 }) else {
          throw CompressedDamage.damaged(name, input.offset, "what follows the last member is not a gzip member")
        }
        place = .padding
        input.take(input.bytes.count)
        continue
      }
      let produced = try inflate(into: buffer)
      if produced > 0 { return produced }
    }
    if place == .member || place == .start { return try finish(buffer) }
    return 0
  }

  /// zlib may hold back text that no further input is needed for.
  private func finish(_ buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    if place == .member {
      let produced = try inflate(into: buffer)
      if produced > 0 || place == .between { return produced }
    }
    throw CompressedDamage.cutShort(name, input.offset)
  }

  private func inflate(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let bytes = input.bytes
    let room = min(buffer.count, 1 << 30)
    stream.next_in = bytes.assumingMemoryBound(to: UInt8.self).baseAddress
    stream.avail_in = UInt32(bytes.count)
    stream.next_out = buffer.assumingMemoryBound(to: UInt8.self).baseAddress
    stream.avail_out = UInt32(room)
    let code = CZlib.inflate(&stream, Z_NO_FLUSH)
    input.take(bytes.count - Int(stream.avail_in))
    place = code == Z_STREAM_END ? .between : .member
    guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
      throw CompressedDamage.damaged(name, input.offset, stream.msg.map { String(cString: $0) } ?? "code \(code)")
    }
    return room - Int(stream.avail_out)
  }
}
