import Core
import Safetensors

/// A shard of a corpus of numbers: a safetensors file.
///
/// Of records it has `values` [records, channels, extent…] and one tensor [records, length, size] per field. Of
/// sequences it has `values` [rows, channels], `starts` [sequences + 1], one tensor [sequences, length, size] per field
/// and one [rows] per field of rows. Where records say so, it has `observed` of the shape of `values`.
///
/// Numbers are read on access; the file is mapped.
public final class ValueShard: Sendable {
  /// The tensor with the numbers.
  public static let values = "values"
  /// The tensor that says which of them were measured.
  public static let observed = "observed"
  /// Of sequences: at which row each begins, and last the number of rows.
  public static let starts = "starts"

  /// The file.
  public let path: String
  /// Records or sequences.
  public let count: Int
  /// Rows of all sequences; of records their number.
  public let rows: Int
  /// Of sequences: `starts`; empty for records.
  let starts: [Int]
  private let file: SafetensorsFile
  private let records: ValueRecords

  /// - Throws: `DataError` for a file whose tensors are not those of the records.
  /// - Complexity: O(sequences); nothing of the values is read.
  public init(_ path: String, _ records: ValueRecords) throws {
    file = try Self.open(path)
    (self.path, self.records) = (path, records)
    let shape = [records.channels] + records.extent
    guard let values = file[Self.values], values.shape.count == shape.count + 1,
      Array(values.shape.dropFirst()) == shape, file.isNumeric(Self.values)
    else {
      let first = records.form == .records ? "records" : "rows"
      throw DataError(
        path, "has no tensor values of shape [\(first), \(shape.map(String.init).joined(separator: ", "))].",
        remedy: "Run lockstep prepare again.")
    }
    rows = values.shape[0]
    starts = records.form == .sequences ? try Self.starts(of: file, path, rows: rows) : []
    count = records.form == .sequences ? starts.count - 1 : rows
    if records.hasObserved, file[Self.observed]?.shape != values.shape || !file.isNumeric(Self.observed) {
      throw DataError(path, "has no tensor observed of the shape of values.", remedy: "Run lockstep prepare again.")
    }
    for field in records.fields { try require(field, entries: count) }
    for field in records.rowFields { try require(field, entries: rows) }
  }

  private func require(_ field: FieldShape, entries: Int) throws(DataError) {
    guard file[field.name]?.count == entries * field.length * field.size,
      field.classes > 0 ? file.isInteger(field.name) : file.isNumeric(field.name)
    else {
      throw DataError(
        path, "has no tensor \(field.name) of \(field.length) × \(field.size) for each of \(entries) entries.",
        remedy: "Run lockstep prepare again.")
    }
  }

  private static func starts(of file: SafetensorsFile, _ path: String, rows: Int) throws -> [Int] {
    let remedy = "Run lockstep prepare again."
    guard let tensor = file[starts], tensor.format == "I64", tensor.shape.count == 1, tensor.count > 0 else {
      throw DataError(path, "has no tensor starts of shape [sequences + 1] and dtype I64.", remedy: remedy)
    }
    let starts = try file.integers(starts, 0..<tensor.count).map { Int($0) }
    let rising = zip(starts, starts.dropFirst()).allSatisfy { $0 < $1 }
    guard starts[0] == 0, starts[starts.count - 1] == rows, rising else {
      throw DataError(path, "has a tensor starts that does not rise from 0 to \(rows), its rows.", remedy: remedy)
    }
    return starts
  }

  private static func open(_ path: String) throws(DataError) -> SafetensorsFile {
    do throws(CheckpointError) { return try SafetensorsFile(path) } catch {
      throw DataError(
        path, "is not a shard of numbers: \(error.problem).",
        remedy: "Copy the whole corpus again, or run lockstep prepare again.")
    }
  }

  /// Numbers `range` of `values` as they are stored, row-major over the whole tensor.
  func copy(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) throws {
    try file.numbers(Self.values, range, into: target)
  }

  /// Which of these numbers were measured: not 0 where one was.
  func copyObserved(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) throws {
    try file.numbers(Self.observed, range, into: target)
  }

  /// The ids of a field of a record or sequence.
  func ids(_ field: FieldShape, _ record: Int) throws -> [Int32] {
    try file.integers(field.name, record * field.length..<(record + 1) * field.length).map {
      Int32(truncatingIfNeeded: $0)
    }
  }

  /// The ids of a field of rows, one per row.
  func rowIDs(_ name: String, _ rows: Range<Int>) throws -> [Int32] {
    try file.integers(name, rows).map { Int32(truncatingIfNeeded: $0) }
  }

  /// The numbers of a field of a record or sequence.
  func numbers(_ field: FieldShape, _ record: Int) throws -> [Float] {
    let size = field.length * field.size
    var numbers = [Float](repeating: 0, count: size)
    try numbers.withUnsafeMutableBufferPointer {
      guard let base = $0.baseAddress else { return }
      try file.numbers(field.name, record * size..<(record + 1) * size, into: base)
    }
    return numbers
  }
}
