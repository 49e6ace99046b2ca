import Core

/// NumPy's `.npy`, format versions 1 to 3: [records, …].
///
/// What stands behind the axis of the records is [channels, extent…], with `ChannelAxis.last` [extent…, channels], and
/// with `none` [extent…] of one channel. An array of two axes [records, length] is of series of one channel. Unsigned
/// bytes and truth values stay U8, 16-bit integers I16, all others become F32.
/// Reference: numpy.lib.format, "The .npy format".
final class NumPyReader: NumberReader {
  private let file: NumberFile
  private let source: ByteSource
  private let header: NumPyHeader
  /// [channels, extent…].
  private let shape: [Int]
  private let channelsLast: Bool
  private var taken = 0

  init(_ file: NumberFile, _ options: NumberReaderOptions) throws {
    (self.file, source) = (file, try ByteSource(file))
    header = try NumPyHeader(source, file)
    let own = Array(header.shape.dropFirst())
    let axis = own.count < 2 ? .none : options.channelAxis
    channelsLast = axis == .last
    shape =
      switch axis {
      case .first: own
      case .last: [own[own.count - 1]] + own.dropLast()
      case .none: [1] + own
      }
    let extent = Array(shape.dropFirst())
    if let problem = GridShape.problem(channels: shape[0], extent: extent, patch: extent.map { _ in 1 }) {
      throw DataError(
        file.path, "has the shape \(header.shape), channels \(axis.rawValue): \(problem).",
        remedy: "--channel-axis says which axis holds the channels.")
    }
  }

  var storedBytes: Int { source.storedBytes }

  func next() throws -> NumericRecord? {
    guard taken < header.shape[0] else {
      try source.requireEnd("its \(counted(header.shape[0], "record"))")
      return nil
    }
    let (count, element) = (shape.reduce(1, *), header.element)
    let stored = try source.exactly(count * element.size, "record \(taken + 1) of \(header.shape[0])")
    let bytes = channelsLast ? channelsFirst(stored, size: element.size) : stored
    taken += 1
    let place = "\(file.path), record \(taken)"
    switch element.kind {
    case .byte: return NumericRecord(.u8, shape: shape, bytes: bytes, place: place)
    case .short where !element.isBigEndian: return NumericRecord(.i16, shape: shape, bytes: bytes, place: place)
    case .short:
      let swapped = bytes.indices.map { bytes[$0 ^ 1] }
      return NumericRecord(.i16, shape: shape, bytes: swapped, place: place)
    case .other:
      return try NumericRecord(floats: (0..<count).map { element.float(bytes, $0) }, shape: shape, place: place)
    }
  }

  /// [extent…, channels] as [channels, extent…].
  private func channelsFirst(_ bytes: [UInt8], size: Int) -> [UInt8] {
    let (channels, cells) = (shape[0], bytes.count / size / shape[0])
    var result = [UInt8](repeating: 0, count: bytes.count)
    for channel in 0..<channels {
      for cell in 0..<cells {
        for byte in 0..<size {
          result[(channel * cells + cell) * size + byte] = bytes[(cell * channels + channel) * size + byte]
        }
      }
    }
    return result
  }
}

/// The beginning of a `.npy` file.
struct NumPyHeader {
  /// What an element is, by `descr`: a byte order, a letter and a number of bytes.
  struct Element {
    enum Kind { case byte, short, other }

    let letter: Character
    let size: Int
    let isBigEndian: Bool

    var kind: Kind {
      letter == "b" || letter == "u" && size == 1 ? .byte : letter == "i" && size == 2 ? .short : .other
    }

    init?(_ descr: Substring) {
      let characters = Array(descr)
      guard characters.count == 3, "<>|=".contains(characters[0]), let size = characters[2].wholeNumberValue,
        ["b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"].contains(String(characters[1...]))
      else { return nil }
      (letter, self.size, isBigEndian) = (characters[1], size, characters[0] == ">")
    }

    /// Element `i` as a float.
    func float(_ bytes: [UInt8], _ i: Int) -> Float {
      var bits = UInt64(0)
      for byte in 0..<size { bits = bits << 8 | UInt64(bytes[i * size + (isBigEndian ? byte : size - 1 - byte)]) }
      switch (letter, size) {
      case ("f", 2): return Self.half(UInt16(bits))
      case ("f", 4): return Float(bitPattern: UInt32(bits))
      case ("f", _): return Float(Double(bitPattern: bits))
      case ("i", _): return Float(Int64(bitPattern: bits << (64 - 8 * UInt64(size))) >> (64 - 8 * Int64(size)))
      default: return Float(bits)
      }
    }

    /// An IEEE 754 binary16.
    private static func half(_ bits: UInt16) -> Float {
      let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Float(bits & 0x3FF))
      let magnitude: Float =
        switch exponent {
        case 0: fraction * 0x1p-24
        case 31: fraction == 0 ? .infinity : .nan
        default: Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction * 0x1p-10)
        }
      return bits >> 15 == 1 ? -magnitude : magnitude
    }
  }

  let element: Element
  let shape: [Int]

  /// Longer headers are of structured types.
  private static let longest = 65_536

  /// - Throws: `DataError` for what is no such file, or claims more than it can hold.
  init(_ source: ByteSource, _ file: NumberFile) throws {
    let start = try source.exactly(8, "the header")
    guard start.starts(with: [0x93] + Array("NUMPY".utf8)), (1...3).contains(start[6]) else {
      throw DataError(file.path, "is no .npy file of version 1 to 3.", remedy: "Write it with numpy.save.")
    }
    let width = start[6] == 1 ? 2 : 4
    let size = try source.exactly(width, "the header")
    let length = width == 2 ? Int(UInt16(littleEndianBytes: size, 0)) : Int(UInt32(littleEndianBytes: size, 0))
    guard length <= Self.longest else {
      throw DataError(file.path, "says its header has \(length) bytes; at most \(Self.longest) are read.")
    }
    let text = String(decoding: try source.exactly(length, "the header"), as: UTF8.self)
    func refuse(_ problem: String, _ remedy: String) -> DataError { DataError(file.path, problem, remedy: remedy) }
    guard let descr = text.firstMatch(of: /'descr'\s*:\s*'([^']*)'/)?.1, let element = Element(descr) else {
      throw refuse(
        "holds no plain numbers: its header is \(text.prefix(200)).",
        "Convert it to whole numbers or floats of at most 8 bytes with astype, and save that.")
    }
    guard let order = text.firstMatch(of: /'fortran_order'\s*:\s*(True|False)/)?.1, order == "False" else {
      throw refuse("is in Fortran order.", "Save numpy.ascontiguousarray of it.")
    }
    guard let sizes = text.firstMatch(of: /'shape'\s*:\s*\(([0-9, ]*)\)/)?.1 else {
      throw refuse("has no shape in its header.", "Write it with numpy.save.")
    }
    let parts = sizes.split(separator: ",").map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
    let shape = parts.compactMap { Int($0) }
    guard shape.count == parts.count, (1...5).contains(shape.count), !shape.contains(0) else {
      throw refuse(
        "has the shape (\(sizes)); it must be [records, …] with at most five axes and none of size 0.", "Reshape it.")
    }
    let needed = shape.reduce(Double(element.size)) { $0 * Double($1) }
    guard needed / Double(shape[0]) <= Double(file.mostContent), file.compression != nil || needed <= Double(file.bytes)
    else {
      throw refuse("says it holds \(shape) numbers, more than its \(file.bytes) bytes can.", "Fetch it again.")
    }
    (self.element, self.shape) = (element, shape)
  }
}
