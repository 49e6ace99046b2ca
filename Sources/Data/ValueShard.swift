import Core
import Safetensors

/// A shard of a corpus of numbers: a safetensors file with `values` [records, channels, extent…], where records say so
/// `observed` of the same shape, and one tensor [records, length, size] per field.
///
/// Records are read on access; the file is mapped.
public final class ValueShard: Sendable {
  public static let values = "values"
  public static let observed = "observed"

  public let path: String
  public let count: Int
  private let file: SafetensorsFile
  private let records: ValueRecords

  /// - Throws: `DataError` for a file whose tensors are not those of the records.
  public init(_ path: String, _ records: ValueRecords) throws {
    file = try Self.open(path)
    (self.path, self.records) = (path, records)
    let shape = [records.channels] + records.extent
    guard let values = file[Self.values], values.shape.count == shape.count + 1,
      Array(values.shape.dropFirst()) == shape, file.isNumeric(Self.values)
    else {
      throw DataError(
        path, "has no tensor values of shape [records, \(shape.map(String.init).joined(separator: ", "))].",
        remedy: "Run lockstep prepare again.")
    }
    count = values.shape[0]
    if records.hasObserved, file[Self.observed]?.shape != values.shape {
      throw DataError(path, "has no tensor observed of the shape of values.", remedy: "Run lockstep prepare again.")
    }
    for field in records.fields
    where file[field.name]?.count != count * field.length * field.size || !file.isNumeric(field.name) {
      throw DataError(
        path, "has no tensor \(field.name) of \(field.length) × \(field.size) per record.",
        remedy: "Run lockstep prepare again.")
    }
  }

  private static func open(_ path: String) throws(DataError) -> SafetensorsFile {
    do throws(CheckpointError) { return try SafetensorsFile(path) } catch {
      throw DataError(
        path, "is not a shard of numbers: \(error.problem).",
        remedy: "Copy the whole corpus again, or run lockstep prepare again.")
    }
  }

  /// The numbers of a record as they are stored.
  func copy(_ record: Int, into target: UnsafeMutablePointer<Float>) throws {
    try file.numbers(Self.values, record * records.count..<(record + 1) * records.count, into: target)
  }

  /// Which numbers of a record were measured.
  func observed(_ record: Int) throws -> [Bool] {
    var numbers = [Float](repeating: 0, count: records.count)
    try numbers.withUnsafeMutableBufferPointer {
      guard let base = $0.baseAddress else { return }
      try file.numbers(Self.observed, record * records.count..<(record + 1) * records.count, into: base)
    }
    return numbers.map { $0 != 0 }
  }

  func ids(_ field: FieldShape, _ record: Int) throws -> [Int32] {
    try file.integers(field.name, record * field.length..<(record + 1) * field.length).map {
      Int32(truncatingIfNeeded: $0)
    }
  }

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
