/// The cyclic redundancy check of TFRecord files.
///
/// Concretely: CRC-32C, polynomial 0x1EDC6F41, bits reversed, start and end inverted.
/// Reference: Castagnoli, Bräuer, Herrmann, "Optimization of cyclic redundancy-check codes with 24 and 32
/// parity bits", IEEE Transactions on Communications 41(6), 1993, doi:10.1109/26.231911; check value in RFC 3720, B.4.
enum CRC32C {
  private static let table: [UInt32] = (0..<256).map { index in
    (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
  }

  static func of(_ bytes: some Sequence<UInt8>) -> UInt32 {
    ~bytes.reduce(~0) { crc, byte in table[Int((crc ^ UInt32(byte)) & 255)] ^ crc >> 8 }
  }

  /// Rotated and shifted, so that a check of data which holds checks stays meaningful.
  static func masked(_ bytes: some Sequence<UInt8>) -> UInt32 {
    let crc = of(bytes)
    return (crc >> 15 | crc << 17) &+ 0xA282_EAD8
  }
}
