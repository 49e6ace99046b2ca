import CZstd
import Core

/// The text of a Zstandard file (RFC 8878), frame after frame, over libzstd. Memory is bounded by the window that a
/// frame asks for, at most 128 MiB, or 2 GiB in a large file.
public final class ZstandardReader: ByteReader {
  /// The first four bytes of a frame.
  public static let magic: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]

  private let name: String
  private let input: CompressedInput
  // Freed with this object; one thread at a time uses it.
  private let stream: OpaquePointer
  private var isInsideFrame = false

  /// - Parameters:
  ///   - storedBytes: of the whole file: what it may ask for is in proportion.
  ///   - name: for errors.
  public init(_ source: any ByteReader, storedBytes: Int, name: String) {
    (self.name, input) = (name, CompressedInput(source))
    guard let stream = ZSTD_createDStream() else { preconditionFailure("libzstd has no memory for a stream") }
    self.stream = stream
    // 2 GiB is the largest window that `zstd --long=31` writes; 128 MiB are the library's own limit.
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, storedBytes >= CompressedInput.largeFile ? 31 : 27)
  }

  deinit { ZSTD_freeDStream(stream) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
    while output.pos == 0 {
      let more = try input.fill()
      guard more || isInsideFrame else { return 0 }
      let bytes = input.bytes
      var piece = ZSTD_inBuffer(src: UnsafeRawPointer(bytes.baseAddress), size: bytes.count, pos: 0)
      let code = ZSTD_decompressStream(stream, &output, &piece)
      if ZSTD_isError(code) != 0 {
        throw CompressedDamage.damaged(name, input.offset, String(cString: ZSTD_getErrorName(code)))
      }
      input.take(piece.pos)
      isInsideFrame = code != 0
      if !more, output.pos == 0 {
        if isInsideFrame { throw CompressedDamage.cutShort(name, input.offset) }
        return 0
      }
    }
    return output.pos
  }
}
