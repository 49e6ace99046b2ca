import Core

/// IDX, the format of MNIST: [records, extent…] of any rank, each record with one channel.
///
/// Two zero bytes, the type of the elements, the number of axes, their sizes as big-endian 32-bit integers, then the
/// elements, big-endian, the last axis varying fastest. Unsigned bytes stay U8, signed bytes and 16-bit integers become
/// I16, the others F32.
final class IDXReader: NumberReader {
  private let file: NumberFile
  private let source: ByteSource
  private let header: IDXHeader
  private var taken = 0

  init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    (self.file, source) = (file, try ByteSource(file))
    header = try IDXHeader(source, file)
    let extent = Array(header.sizes.dropFirst())
    if let problem = GridShape.problem(channels: 1, extent: extent, patch: extent.map { _ in 1 }) {
      throw DataError(file.path, "has the sizes \(header.sizes): \(problem).")
    }
  }

  var storedBytes: Int { source.storedBytes }

  func next() throws -> NumericRecord? {
    guard taken < header.sizes[0] else {
      try source.requireEnd("its \(header.sizes[0]) records")
      return nil
    }
    let shape = [1] + header.sizes.dropFirst()
    let count = shape.reduce(1, *)
    let bytes = try source.exactly(
      count * header.element.size, "record \(taken + 1) of \(header.sizes[0])")
    taken += 1
    let place = "\(file.path), record \(taken)"
    switch header.element {
    case .unsignedByte: return NumericRecord(.u8, shape: shape, bytes: bytes, place: place)
    case .signedByte, .short:
      var result: [UInt8] = []
      result.reserveCapacity(2 * count)
      for i in 0..<count {
        let value = header.element == .short ? Int16(bigEndianBytes: bytes, 2 * i) : Int16(Int8(bitPattern: bytes[i]))
        withUnsafeBytes(of: value.littleEndian) { result += $0 }
      }
      return NumericRecord(.i16, shape: shape, bytes: result, place: place)
    case .int, .float, .double:
      return try NumericRecord(floats: (0..<count).map { header.element.float(bytes, $0) }, shape: shape, place: place)
    }
  }
}

/// The beginning of an IDX file.
struct IDXHeader {
  enum Element: UInt8 {
    case unsignedByte = 0x08
    case signedByte = 0x09
    case short = 0x0B
    case int = 0x0C
    case float = 0x0D
    case double = 0x0E

    /// Bytes of an element.
    var size: Int {
      switch self {
      case .unsignedByte, .signedByte: 1
      case .short: 2
      case .int, .float: 4
      case .double: 8
      }
    }

    /// Element `i` as a float.
    func float(_ bytes: [UInt8], _ i: Int) -> Float {
      switch self {
      case .unsignedByte: Float(bytes[i])
      case .signedByte: Float(Int8(bitPattern: bytes[i]))
      case .short: Float(Int16(bigEndianBytes: bytes, 2 * i))
      case .int: Float(Int32(bigEndianBytes: bytes, 4 * i))
      case .float: Float(bitPattern: UInt32(bigEndianBytes: bytes, 4 * i))
      case .double: Float(Double(bitPattern: UInt64(bigEndianBytes: bytes, 8 * i)))
      }
    }
  }

  let element: Element
  /// Records, then the axes of one.
  let sizes: [Int]

  /// - Throws: `DataError` for what is no IDX, or claims more than the file can hold.
  init(_ source: ByteSource, _ file: NumberFile) throws {
    let start = try source.exactly(4, "the IDX header")
    guard start[0] == 0, start[1] == 0, let element = Element(rawValue: start[2]), start[3] > 0 else {
      let bytes = start.map { String($0, radix: 16) }.joined(separator: " ")
      throw DataError(
        file.path, "is no IDX file: it begins with the bytes \(bytes), and IDX with 0 0, a type and a number of axes.",
        remedy: "Say what it is with --format.")
    }
    self.element = element
    guard start[3] <= 4 else {
      throw DataError(file.path, "has \(start[3]) axes; there may be at most 4, records included.")
    }
    let bytes = try source.exactly(4 * Int(start[3]), "the IDX header")
    sizes = (0..<Int(start[3])).map { Int(UInt32(bigEndianBytes: bytes, 4 * $0)) }
    // Sizes of 32 bits cannot overflow a double.
    let needed = sizes.reduce(Double(element.size)) { $0 * Double($1) }
    guard sizes[0] > 0, !sizes.contains(0) else { throw DataError(file.path, "has the sizes \(sizes): no records.") }
    let record = sizes[0] > 0 ? needed / Double(sizes[0]) : 0
    guard record <= Double(file.mostContent), file.compression != nil || needed <= Double(file.bytes - source.offset)
    else {
      throw DataError(
        file.path,
        "says it holds \(sizes) elements of \(counted(element.size, "byte")), more than its \(file.bytes) bytes can.",
        remedy: "Fetch the file again.")
    }
  }
}

extension FixedWidthInteger {
  /// The integer that stands big-endian at an offset. - Precondition: it lies inside.
  init(bigEndianBytes bytes: [UInt8], _ offset: Int) {
    self = bytes.withUnsafeBytes { Self(bigEndian: $0.loadUnaligned(fromByteOffset: offset, as: Self.self)) }
  }

  /// The integer that stands little-endian at an offset. - Precondition: it lies inside.
  init(littleEndianBytes bytes: [UInt8], _ offset: Int) {
    self = bytes.withUnsafeBytes { Self(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Self.self)) }
  }
}
