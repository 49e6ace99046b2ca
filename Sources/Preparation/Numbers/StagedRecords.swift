import Core
import Data
import Storage

/// All records of a preparation in two files of its work folder, in the order in which they were read, with what is
/// known of each: sides, classes and lengths are decided when all are there.
///
/// Memory: some 40 bytes per record; the numbers stay on the disk.
final class StagedRecords {
  private let folder: String
  private var valueFile: ShardFile
  private var observedFile: ShardFile?
  private var first: NumericRecord?

  /// Where each record begins, in rows, and last the number of rows.
  private(set) var starts = [0]
  /// Whether it comes from the input for validation.
  private(set) var isValidation: [Bool] = []
  /// Number in [0, 1) that depends on the content alone.
  private(set) var keys: [Double] = []
  /// The file that each comes from, among all of both inputs.
  private(set) var files: [Int32] = []
  private(set) var fields: [String: FieldColumn] = [:]
  /// Names of rows, by rising row of all.
  private(set) var markedRows: [Int] = []
  private(set) var marks = FieldColumn()
  private var hasMarks = false
  private let needsKeys: Bool

  /// - Parameter needsKeys: whether records are parted by their content.
  init(in folder: String, needsKeys: Bool) throws {
    (self.folder, self.needsKeys) = (folder, needsKeys)
    valueFile = try ShardFile(folder + "/values.staged")
  }

  var count: Int { isValidation.count }
  var type: NumberType { first?.type ?? .f32 }
  /// [channels, extent…] of a record, [channels] of a row.
  var sharedShape: [Int] { first?.sharedShape ?? [] }
  var isSequence: Bool { first?.isSequence ?? false }
  var hasObserved: Bool { observedFile != nil }
  /// Numbers of a row or record.
  var perRow: Int { sharedShape.reduce(1, *) }
  var hasRowField: Bool { hasMarks }

  /// - Throws: `DataError` for a record that is not like the first.
  func append(_ record: NumericRecord, file: Int, isValidation: Bool) throws {
    if let first { try require(record, like: first) } else { first = Self.withoutNumbers(record) }
    guard record.rows > 0, !record.bytes.isEmpty else {
      throw DataError(record.place, "holds no numbers.", remedy: "Leave it out.")
    }
    try write(record)
    for (name, entry) in record.fields {
      try fields[name, default: FieldColumn()].append(entry, name, place: record.place)
    }
    for mark in record.marks {
      markedRows.append(starts[count] + mark.row)
      try marks.append(.name(mark.name), "annotation", place: record.place)
    }
    hasMarks = hasMarks || !record.marks.isEmpty
    self.isValidation.append(isValidation)
    files.append(Int32(file))
    if needsKeys { keys.append(ContentKey.of(record.bytes)) }
    starts.append(starts[starts.count - 1] + record.rows)
  }

  private func write(_ record: NumericRecord) throws {
    if !record.observed.isEmpty, observedFile == nil {
      let file = try ShardFile(folder + "/observed.staged")
      try file.repeat(1, starts[starts.count - 1] * perRow)
      observedFile = file
    }
    try valueFile.write(record.bytes)
    if record.observed.isEmpty {
      try observedFile?.repeat(1, record.shape.reduce(1, *))
    } else {
      try observedFile?.write(record.observed)
    }
  }

  /// Its shape, type and fields, without what takes memory.
  private static func withoutNumbers(_ record: NumericRecord) -> NumericRecord {
    let shape = record.isSequence ? [0] + record.sharedShape : record.sharedShape
    var result = NumericRecord(
      record.type, shape: record.isSequence ? shape : record.sharedShape, isSequence: record.isSequence,
      bytes: record.isSequence ? [] : [UInt8](repeating: 0, count: record.bytes.count), place: record.place)
    (result.fields, result.rate) = (record.fields, record.rate)
    return result
  }

  private func require(_ record: NumericRecord, like first: NumericRecord) throws(DataError) {
    guard record.sharedShape == first.sharedShape, record.isSequence == first.isSequence else {
      throw DataError(
        record.place,
        "has the shape \(record.sharedShape) (channels first), and \(first.place) has \(first.sharedShape).",
        remedy: "All records of a corpus have one shape; resize or leave out those that differ.")
    }
    guard record.type == first.type else {
      throw DataError(
        record.place, "holds \(record.type.rawValue), and \(first.place) holds \(first.type.rawValue).",
        remedy: "Store both alike.")
    }
    guard record.rate == first.rate else {
      throw DataError(
        record.place, "has \(record.rate ?? 0) samples per second, and \(first.place) has \(first.rate ?? 0).",
        remedy: "Bring all recordings to one rate, for example with sox.")
    }
    guard Set(record.fields.keys) == Set(first.fields.keys) else {
      let names = Set(record.fields.keys).symmetricDifference(first.fields.keys).sorted().joined(separator: ", ")
      let (with, without) = record.fields.count > first.fields.count ? (record, first) : (first, record)
      throw DataError(
        without.place, "has no \(names), and \(with.place) has.", remedy: "Give it to all records or to none.")
    }
  }

  /// Ends writing and maps what was written. - Throws: `FileError`.
  func finish() throws -> (values: MappedFile, observed: MappedFile?) {
    _ = try valueFile.finish()
    _ = try observedFile?.finish()
    return (
      try MappedFile(folder + "/values.staged"),
      observedFile == nil ? nil : try MappedFile(folder + "/observed.staged")
    )
  }

  /// Removes the files.
  func remove() throws { try Folder.remove(SystemPath(folder)) }
}

/// A number in [0, 1) out of content: the first 52 bits of a SHA-256.
enum ContentKey {
  static func of(_ bytes: [UInt8]) -> Double {
    var hash = SHA256()
    hash.update("lockstep validation split\n")
    bytes.withUnsafeBytes { hash.update($0) }
    let bits = hash.finish().utf8.prefix(13).reduce(0 as UInt64) { bits, digit in
      bits << 4 | UInt64(digit >= UInt8(ascii: "a") ? digit - UInt8(ascii: "a") + 10 : digit - UInt8(ascii: "0"))
    }
    return Double(bits) * 0x1p-52
  }
}
