import Storage
import Testing

@Suite struct NumPyFileTests {
  /// The layout that numpy.lib.format describes: magic, version, length, dictionary, blanks up to a multiple of 64,
  /// numbers.
  @Test(arguments: [(2, 3), (1, 1), (0, 4), (100_000, 1)])
  func headerAndNumbers(rows: Int, columns: Int) {
    let values = (0..<rows * columns).map { Float($0) - 1.5 }
    let bytes = NumPyFile.bytes(values, rows: rows, columns: columns)
    #expect(Array(bytes[..<8]) == [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 1, 0])
    let start = 10 + Int(bytes[8]) + 256 * Int(bytes[9])
    #expect(start % 64 == 0 && bytes[start - 1] == 0x0A && bytes.count == start + 4 * values.count)
    let header = String(decoding: bytes[10..<start], as: UTF8.self)
    #expect(header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (\(rows), \(columns)), }"))
    let numbers = stride(from: start, to: bytes.count, by: 4).map { i in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[i + $1]) << (8 * UInt32($1)) })
    }
    #expect(numbers == values)
  }
}
