import Core
import Storage

/// How a file is compressed.
enum Compression: String, Sendable, CaseIterable {
  case gzip, zstd, xz

  var magic: [UInt8] {
    switch self {
    case .gzip: Gzip.magic
    case .zstd: ZstandardReader.magic
    case .xz: XZReader.magic
    }
  }

  /// Endings of its files, in lower case.
  var endings: [String] {
    switch self {
    case .gzip: [".gz"]
    case .zstd: [".zst", ".zstd"]
    case .xz: [".xz"]
    }
  }

  func reader(_ source: SequentialFile, name: String) -> any ByteReader {
    switch self {
    case .gzip: GzipReader(source, name: name)
    case .zstd: ZstandardReader(source, storedBytes: source.count, name: name)
    case .xz: XZReader(source, storedBytes: source.count, name: name)
    }
  }

  /// What `name` says, in any case; nil for a name that says nothing.
  static func named(_ name: String) -> Compression? {
    let lower = name.lowercased()
    return allCases.first { $0.endings.contains { lower.hasSuffix($0) } }
  }

  /// `name` in lower case without the ending of a compressed file.
  static func plainName(_ name: String) -> String {
    let lower = name.lowercased()
    guard let ending = allCases.flatMap(\.endings).first(where: { lower.hasSuffix($0) }) else { return lower }
    return String(lower.dropLast(ending.count))
  }
}

/// How text is encoded, by the byte order mark it begins with.
enum TextEncoding: Sendable {
  case utf8
  case utf16(bigEndian: Bool)
  case utf32(bigEndian: Bool)

  /// - Parameter head: the first bytes of a text.
  init(markOf head: UnsafeRawBufferPointer) {
    // UTF-32's mark begins with that of UTF-16.
    if head.starts(with: [0xFF, 0xFE, 0, 0]) {
      self = .utf32(bigEndian: false)
    } else if head.starts(with: [0, 0, 0xFE, 0xFF]) {
      self = .utf32(bigEndian: true)
    } else if head.starts(with: [0xFF, 0xFE]) {
      self = .utf16(bigEndian: false)
    } else if head.starts(with: [0xFE, 0xFF]) {
      self = .utf16(bigEndian: true)
    } else {
      self = .utf8
    }
  }

  /// For a note; nil where nothing is converted.
  var name: String? {
    switch self {
    case .utf8: nil
    case .utf16(let big): big ? "UTF-16BE" : "UTF-16LE"
    case .utf32(let big): big ? "UTF-32BE" : "UTF-32LE"
    }
  }
}

/// What a file is that is not text, as far as its first bytes show.
struct ForeignContent: Error, Equatable {
  /// Such as `a PDF file`.
  let what: String
  let remedy: String

  init(_ what: String, remedy: String) { (self.what, self.remedy) = (what, remedy) }

  private static let unpack = "Unpack it, or compress the text with gzip, zstd or xz."
  private static let extract = "Take the text out of it into a text, JSON lines, CSV or TSV file."

  private static let signatures: [(bytes: [UInt8], offset: Int, what: String, remedy: String)] = [
    (Array("BZh".utf8), 0, "a bzip2 file", unpack),
    (Array("PK\u{3}\u{4}".utf8), 0, "a zip file", unpack),
    (Array("PK\u{5}\u{6}".utf8), 0, "a zip file", unpack),
    ([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C], 0, "a 7z file", unpack),
    (Array("Rar!\u{1A}\u{7}".utf8), 0, "a RAR file", unpack),
    ([0x04, 0x22, 0x4D, 0x18], 0, "an LZ4 file", unpack),
    (Array("LZIP\u{1}".utf8), 0, "an lzip file", unpack),
    ([0x1F, 0x9D], 0, "a file of compress", unpack),
    ([0x5D, 0, 0, 0x80, 0], 0, "an lzma file", unpack),
    (Array("ustar".utf8), 257, "a tar file", "Unpack it and name the folder."),
    (Array("PAR1".utf8), 0, "a Parquet file", extract),
    (Array("ARROW1".utf8), 0, "an Arrow file", extract),
    ([0x89, 0x48, 0x44, 0x46], 0, "an HDF5 file", extract),
    (Array("SQLite format 3\0".utf8), 0, "an SQLite database", extract),
    ([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59], 0, "a NumPy file", extract),
    (Array("LOCKSHRD".utf8), 0, "a shard of a prepared corpus", "Name the text it was made from."),
    (Array("%PDF-".utf8), 0, "a PDF file", extract),
    (Array("{\\rtf".utf8), 0, "an RTF file", extract),
    ([0xD0, 0xCF, 0x11, 0xE0], 0, "an Office file", extract),
    ([0x89, 0x50, 0x4E, 0x47], 0, "a PNG image", extract),
    ([0xFF, 0xD8, 0xFF], 0, "a JPEG image", extract),
    (Array("GIF87a".utf8), 0, "a GIF image", extract),
    (Array("GIF89a".utf8), 0, "a GIF image", extract),
    ([0x7F, 0x45, 0x4C, 0x46], 0, "a program", extract),
  ]

  /// Looks at the first bytes of what should be text.
  /// - Throws: itself, where they are of something else.
  static func refuse(_ head: UnsafeRawBufferPointer) throws(ForeignContent) {
    for (bytes, offset, what, remedy) in signatures where head.count > offset && head[offset...].starts(with: bytes) {
      // Three letters may begin a text as well: the level and the first block's mark follow them in a bzip2 file.
      if what == "a bzip2 file", !head.dropFirst(4).starts(with: [0x31, 0x41, 0x59, 0x26, 0x53, 0x59]) { continue }
      throw ForeignContent(what, remedy: remedy)
    }
    if let compression = Compression.allCases.first(where: { head.starts(with: $0.magic) }) {
      throw ForeignContent("compressed twice, the second time by \(compression.rawValue)", remedy: "Unpack it once.")
    }
    guard case .utf8 = TextEncoding(markOf: head) else { return }
    try refuseZeros(head)
  }

  /// Text of another width without a mark, or no text at all: both are full of zero bytes.
  private static func refuseZeros(_ head: UnsafeRawBufferPointer) throws(ForeignContent) {
    var zeros = [0, 0, 0, 0]
    for (index, byte) in head.enumerated() where byte == 0 { zeros[index % 4] += 1 }
    let all = zeros.reduce(0, +)
    // A single zero byte may stand in a text by mistake; such lines are counted.
    guard all * 100 > head.count else { return }
    let quarter = head.count / 4
    func mostly(_ places: Int...) -> Bool { quarter > 0 && places.allSatisfy { zeros[$0] * 2 > quarter } }
    var encoding: String?
    if mostly(1, 2, 3), zeros[0] == 0 { encoding = "UTF-32LE" }
    if mostly(0, 1, 2), zeros[3] == 0 { encoding = "UTF-32BE" }
    if mostly(1, 3), zeros[0] + zeros[2] == 0 { encoding = "UTF-16LE" }
    if mostly(0, 2), zeros[1] + zeros[3] == 0 { encoding = "UTF-16BE" }
    if let encoding {
      throw ForeignContent(
        "text in \(encoding) without a byte order mark", remedy: "Convert it with iconv -f \(encoding) -t UTF-8.")
    }
    throw ForeignContent("a binary file: \(all) of its first \(head.count) bytes are zero", remedy: extract)
  }

  /// What a name's ending says of a compressed or binary form that is not read; nil for every other name.
  static func named(_ name: String) -> String? {
    let lower = name.lowercased()
    let forms = [
      ".bz2": "a bzip2 file", ".zip": "a zip file", ".7z": "a 7z file", ".rar": "a RAR file", ".lz4": "an LZ4 file",
      ".lz": "an lzip file",
      ".lzma": "an lzma file", ".z": "a file of compress", ".tar": "a tar file", ".parquet": "a Parquet file",
      ".arrow": "an Arrow file",
    ]
    return forms.first { lower.hasSuffix($0.key) }?.value
  }
}
