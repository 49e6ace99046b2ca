import CZlib
import Core

/// Portable Network Graphics (ISO/IEC 15948), over zlib: 8 bits per channel, no filter, no colour profile.
public enum PNG {
  /// A whole file.
  ///
  /// - Parameters:
  ///   - pixels: [height, width, channels], row-major.
  ///   - channels: 1 for grey, 3 for red, green, blue.
  /// - Precondition: sizes are 1 … 2³¹ - 1 and fit the pixels.
  public static func encode(_ pixels: [UInt8], width: Int, height: Int, channels: Int) -> [UInt8] {
    precondition(channels == 1 || channels == 3, "a picture of \(channels) channels")
    precondition(
      width > 0 && height > 0 && pixels.count == width * height * channels,
      "\(pixels.count) numbers for a picture of \(width) × \(height) × \(channels)")
    let row = width * channels
    // Each row begins with the number of its filter, 0 for none.
    let filtered = (0..<height).flatMap { [0] + pixels[$0 * row..<($0 + 1) * row] }
    let header = bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, channels == 1 ? 0 : 2, 0, 0, 0]
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
      + chunk("IHDR", header) + chunk("IDAT", Zlib.deflate(filtered)) + chunk("IEND", [])
  }

  /// Length, type, bytes and the checksum of type and bytes.
  private static func chunk(_ type: String, _ bytes: [UInt8]) -> [UInt8] {
    let checked = Array(type.utf8) + bytes
    let sum = checked.withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) }
    return bigEndian(UInt32(bytes.count)) + checked + bigEndian(UInt32(truncatingIfNeeded: sum))
  }

  private static func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
}

/// The zlib format (RFC 1950), over zlib.
enum Zlib {
  /// - Precondition: fewer than 2 GiB.
  static func deflate(_ bytes: [UInt8], level: Int32 = 6) -> [UInt8] {
    precondition(bytes.count < 1 << 31, "Zlib.deflate takes less than 2 GiB, not \(bytes.count) bytes")
    var count = compressBound(UInt(bytes.count))
    var output = [UInt8](repeating: 0, count: Int(count))
    let code = compress2(&output, &count, bytes, UInt(bytes.count), level)
    precondition(code == Z_OK, "zlib's own bound was too small: code \(code)")
    return Array(output.prefix(Int(count)))
  }
}
