import CLZMA
import Core

/// The text of an xz file, stream after stream, over liblzma. Memory is bounded by the dictionary that the file asks
/// for, at most 128 MiB, or 2 GiB in a large file.
public final class XZReader: ByteReader {
  /// The first six bytes of a stream.
  public static let magic: [UInt8] = [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00]

  private let name: String
  private let input: CompressedInput
  // liblzma's state is owned by this object and ended with it; one thread at a time uses it.
  private var stream = lzma_stream()
  private var ended = false

  private let mostMemory: UInt64

  /// - Parameters:
  ///   - storedBytes: of the whole file: what it may ask for is in proportion.
  ///   - name: for errors.
  public init(_ source: any ByteReader, storedBytes: Int, name: String) {
    (self.name, input) = (name, CompressedInput(source))
    // `xz -9` needs 65 MiB.
    mostMemory = storedBytes >= CompressedInput.largeFile ? 2 << 30 : 128 << 20
    let code = lzma_stream_decoder(&stream, mostMemory, UInt32(CLZMA_CONCATENATED))
    precondition(code == LZMA_OK, "liblzma refused to start: code \(code.rawValue)")
  }

  deinit { lzma_end(&stream) }

  public func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    stream.next_out = buffer.assumingMemoryBound(to: UInt8.self).baseAddress
    stream.avail_out = buffer.count
    while !ended, stream.avail_out == buffer.count {
      let more = try input.fill()
      let bytes = input.bytes
      stream.next_in = UnsafePointer(bytes.assumingMemoryBound(to: UInt8.self).baseAddress)
      stream.avail_in = bytes.count
      let code = lzma_code(&stream, more ? LZMA_RUN : LZMA_FINISH)
      input.take(bytes.count - stream.avail_in)
      switch code {
      case LZMA_STREAM_END: ended = true
      case LZMA_OK: break
      case LZMA_BUF_ERROR: throw CompressedDamage.cutShort(name, input.offset)
      default: throw CompressedDamage.damaged(name, input.offset, reason(code))
      }
    }
    return buffer.count - stream.avail_out
  }

  private func reason(_ code: lzma_ret) -> String {
    switch code {
    case LZMA_MEMLIMIT_ERROR: "it needs more than \(mostMemory >> 20) MiB of memory"
    case LZMA_FORMAT_ERROR: "it is not an xz stream"
    case LZMA_OPTIONS_ERROR: "it uses a feature that liblzma does not know"
    case LZMA_DATA_ERROR: "the data is corrupt"
    default: "liblzma's code \(code.rawValue)"
    }
  }
}
