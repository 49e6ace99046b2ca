import Core

/// Matrices as NumPy's `.npy` files, format version 1.0.
public enum NumPyFile {
  /// The bytes of a file that holds `values` [rows, columns], row-major, as little-endian 32-bit floats.
  ///
  /// The header is padded with blanks, so that the numbers begin at a multiple of 64 bytes.
  /// Reference: numpy.lib.format, "The .npy format", version 1.0.
  public static func bytes(_ values: [Float], rows: Int, columns: Int) -> [UInt8] {
    precondition(values.count == rows * columns, "\(values.count) values for a matrix of \(rows) × \(columns)")
    let description = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"
    let preamble = 10
    let padding = (64 - (preamble + description.utf8.count + 1) % 64) % 64
    let header = Array(description.utf8) + [UInt8](repeating: UInt8(ascii: " "), count: padding) + [UInt8(ascii: "\n")]
    var bytes: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    withUnsafeBytes(of: UInt16(header.count).littleEndian) { bytes += $0 }
    bytes += header
    for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }
    return bytes
  }
}
