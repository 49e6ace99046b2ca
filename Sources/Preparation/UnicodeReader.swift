import Core
import Storage

/// Text in UTF-16 or UTF-32 as UTF-8. Halves of surrogate pairs, and numbers that are no character, become U+FFFD.
final class UnicodeReader: ByteReader {
  private let source: any ByteReader
  private let unitBytes: Int
  private let bigEndian: Bool
  private var input = [UInt8](repeating: 0, count: 1 << 16)
  private var held = 0
  private var output: [UInt8] = []
  private var given = 0
  private var highSurrogate: UInt32?
  private var ended = false

  /// Nil for an encoding that needs no conversion.
  init?(_ source: any ByteReader, _ encoding: TextEncoding) {
    self.source = source
    switch encoding {
    case .utf8: return nil
    case .utf16(let big): (unitBytes, bigEndian) = (2, big)
    case .utf32(let big): (unitBytes, bigEndian) = (4, big)
    }
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    while given == output.count, !ended { try convert() }
    let count = min(buffer.count, output.count - given)
    output[given..<given + count].withUnsafeBytes { buffer.copyMemory(from: $0) }
    given += count
    return count
  }

  private func convert() throws {
    output.removeAll(keepingCapacity: true)
    given = 0
    let got = try input.withUnsafeMutableBytes {
      try source.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[held...]))
    }
    ended = got == 0
    let (count, whole) = (held + got, (held + got) / unitBytes * unitBytes)
    for start in stride(from: 0, to: whole, by: unitBytes) { take(unit(at: start)) }
    if ended, highSurrogate != nil || count > whole {
      highSurrogate = nil
      append(0xFFFD)
    }
    for index in whole..<count { input[index - whole] = input[index] }
    held = ended ? 0 : count - whole
  }

  private func unit(at start: Int) -> UInt32 {
    var value: UInt32 = 0
    for offset in 0..<unitBytes {
      value |= UInt32(input[start + offset]) << UInt32(8 * (bigEndian ? unitBytes - 1 - offset : offset))
    }
    return value
  }

  private func take(_ unit: UInt32) {
    guard unitBytes == 2 else { return append(unit) }
    if let high = highSurrogate {
      highSurrogate = nil
      if (0xDC00..<0xE000).contains(unit) { return append(0x10000 + (high - 0xD800) << 10 + (unit - 0xDC00)) }
      append(0xFFFD)
    }
    if (0xD800..<0xDC00).contains(unit) { highSurrogate = unit } else { append(unit) }
  }

  private func append(_ value: UInt32) {
    let scalar = Unicode.Scalar(value) ?? "\u{FFFD}"
    if scalar.isASCII { return output.append(UInt8(truncatingIfNeeded: value)) }
    output.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
  }
}
