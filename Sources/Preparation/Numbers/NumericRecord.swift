import Core

/// How numbers are stored in a corpus.
enum NumberType: String, Sendable {
  case u8 = "U8"
  case i16 = "I16"
  case f32 = "F32"

  /// Bytes of a number.
  var size: Int {
    switch self {
    case .u8: 1
    case .i16: 2
    case .f32: 4
    }
  }
}

/// What a record is called in a field: an id that stays as it is, or a name that gets its id when all names are known.
enum FieldEntry: Sendable, Equatable {
  case id(Int)
  case name(String)
}

/// What a reader takes out of a file: one record of [channels, extent…], or one sequence of [rows, channels].
struct NumericRecord: Sendable {
  /// One row of a sequence with a name, such as a beat.
  struct Mark: Sendable, Equatable {
    let row: Int
    let name: String
  }

  let type: NumberType
  /// [channels, extent…] of a record; [rows, channels] of a sequence.
  let shape: [Int]
  let isSequence: Bool
  /// The numbers, little-endian, row-major.
  let bytes: [UInt8]
  /// One byte per number, 1 where it was measured; empty where all were.
  var observed: [UInt8] = []
  /// What the record is called, by field.
  var fields: [String: FieldEntry] = [:]
  /// Of a sequence: named rows, by rising row.
  var marks: [Mark] = []
  /// Of a recording: samples per second; nil where that is not known.
  var rate: Int?
  /// The file and the place in it, for messages.
  let place: String

  /// - Precondition: as many bytes as the shape needs.
  init(_ type: NumberType, shape: [Int], isSequence: Bool = false, bytes: [UInt8], place: String) {
    (self.type, self.shape, self.isSequence, self.bytes, self.place) = (type, shape, isSequence, bytes, place)
    precondition(
      bytes.count == shape.reduce(1, *) * type.size, "\(bytes.count) bytes for \(type.rawValue) of \(shape)")
  }

  /// Differences of larger numbers are not finite in single precision.
  static let largest: Float = 1e30

  /// Numbers as F32; those that are NaN were not measured.
  /// - Throws: `DataError` for one that is infinite or above `largest`.
  init(floats: [Float], shape: [Int], isSequence: Bool = false, place: String) throws(DataError) {
    if let wrong = floats.first(where: { abs($0) > Self.largest }) {
      throw DataError(
        place, "has the value \(wrong).",
        remedy: "Numbers must lie between -1e30 and 1e30; NaN says that one was not measured.")
    }
    let isMissing = floats.contains(where: \.isNaN)
    let bytes = [UInt8](unsafeUninitializedCapacity: floats.count * 4) { target, count in
      for (i, value) in floats.enumerated() {
        let bits = (value.isNaN ? 0 : value).bitPattern
        for byte in 0..<4 { target[4 * i + byte] = UInt8(truncatingIfNeeded: bits >> (8 * UInt32(byte))) }
      }
      count = floats.count * 4
    }
    self.init(.f32, shape: shape, isSequence: isSequence, bytes: bytes, place: place)
    if isMissing { observed = floats.map { $0.isNaN ? 0 : 1 } }
  }

  /// Rows of a sequence; 1 for a record.
  var rows: Int { isSequence ? shape[0] : 1 }
  /// The shape that all records of a corpus share: of a sequence that of a row.
  var sharedShape: [Int] { isSequence ? Array(shape.dropFirst()) : shape }
}
