import Core
import Data
import Safetensors

/// A safetensors file of records: `values` [records, channels, extent…], optionally `observed` of that shape, and any
/// other tensor [records, …] as a field, of ids where its dtype is of whole numbers.
struct ValueFile {
  let path: String
  private let file: SafetensorsFile
  /// [records, channels, extent…].
  private let shape: [Int]

  /// - Throws: `CheckpointError` for what is no safetensors file, `DataError` for one whose values are no records.
  init(_ path: String) throws {
    (self.path, file) = (path, try SafetensorsFile(path))
    guard let values = file[ValueShard.values], values.shape.count >= 2, values.count > 0,
      file.isNumeric(ValueShard.values)
    else {
      throw DataError(
        path, "has no tensor values of shape [records, channels, …] with numbers in it.",
        remedy: "Save one with safetensors.")
    }
    shape = values.shape
    let extent = Array(shape.dropFirst(2))
    if let problem = GridShape.problem(
      channels: shape[1], extent: extent, patch: [Int](repeating: 1, count: extent.count))
    {
      throw DataError(path, "has values of shape \(shape): \(problem).")
    }
    if let observed = file[ValueShard.observed], observed.shape != shape || !file.isNumeric(ValueShard.observed) {
      throw DataError(
        path, "has a tensor observed of shape \(observed.shape); it must be numbers of the shape of values, \(shape).")
    }
  }

  /// What the records are, with the mean and the deviation of each channel.
  func records(_ unit: DataShape.Unit) throws -> ValueRecords {
    let fields = try file.tensors.map(\.name).filter { ![ValueShard.values, ValueShard.observed].contains($0) }.sorted()
      .map(field)
    let (mean, deviation) = try moments()
    return ValueRecords(
      channels: shape[1], extent: Array(shape.dropFirst(2)), unit: unit, fields: fields,
      hasObserved: file[ValueShard.observed] != nil,
      mean: mean, deviation: deviation)
  }

  private func field(_ name: String) throws -> FieldShape {
    let (own, isID) = (file[name]?.shape ?? [], file.isInteger(name))
    guard own.first == shape[0], own.count <= (isID ? 2 : 3), file.isNumeric(name), !own.contains(0) else {
      throw DataError(
        path,
        "has a tensor \(name) of shape \(own); a field is [\(shape[0])] or [\(shape[0]), length], and of fractions also [\(shape[0]), length, size]."
      )
    }
    let length = own.count > 1 ? own[1] : 1
    guard isID else { return FieldShape(name, length: length, size: own.count > 2 ? own[2] : 1) }
    return FieldShape(name, length: length, classes: Int(try ids(name).max() ?? 0) + 1)
  }

  /// The ids of a field. - Throws: `DataError` for one that is negative or too large.
  private func ids(_ name: String) throws -> [Int64] {
    let ids = try file.integers(name, 0..<shape[0] * ((file[name]?.shape.dropFirst().first) ?? 1))
    guard let wrong = ids.first(where: { !(0..<Int64(Int32.max)).contains($0) }) else { return ids }
    throw DataError(path, "has the id \(wrong) in \(name); ids must lie in 0...\(Int32.max - 1).")
  }

  /// Whether a second file has only ids that the first one has, and finite numbers.
  func check(against records: ValueRecords) throws {
    for field in records.fields where field.classes > 0 && file[field.name] != nil {
      if let wrong = try ids(field.name).first(where: { $0 >= field.classes }) {
        throw DataError(
          path, "has the id \(wrong) in \(field.name), and the training file has ids below \(field.classes).")
      }
    }
    try forEachMeasured { _, _ in }
  }

  /// Calls `body` with the channel and the value of every number that was measured.
  /// - Throws: `DataError` for one that is not finite.
  private func forEachMeasured(_ body: (Int, Double) -> Void) throws {
    let perRecord = shape.dropFirst().reduce(1, *), perChannel = shape.dropFirst(2).reduce(1, *)
    var (numbers, measured) = ([Float](repeating: 0, count: perRecord), [Float](repeating: 1, count: perRecord))
    func read(_ name: String, _ record: Int, _ target: inout [Float]) throws {
      try target.withUnsafeMutableBufferPointer {
        guard let base = $0.baseAddress else { return }
        try file.numbers(name, record * perRecord..<(record + 1) * perRecord, into: base)
      }
    }
    for record in 0..<shape[0] {
      try read(ValueShard.values, record, &numbers)
      if file[ValueShard.observed] != nil { try read(ValueShard.observed, record, &measured) }
      for i in 0..<perRecord where measured[i] != 0 {
        guard abs(numbers[i]) <= NumericRecord.largest else {
          throw DataError(
            path, "has the value \(numbers[i]) in record \(record).",
            remedy: "Numbers must lie between -1e30 and 1e30; mark those that are missing in a tensor observed.")
        }
        body(i / perChannel, Double(numbers[i]))
      }
    }
  }

  /// Mean and standard deviation of each channel over what was measured; a channel without spread has 1. Two passes, in
  /// double precision.
  private func moments() throws -> (mean: [Double], deviation: [Double]) {
    let zeros = [Double](repeating: 0, count: shape[1])
    var (sums, squares, counts) = (zeros, zeros, zeros)
    try forEachMeasured { channel, value in
      sums[channel] += value
      counts[channel] += 1
    }
    let mean = zip(sums, counts).map { $1 > 0 ? $0 / $1 : 0 }
    try forEachMeasured { channel, value in squares[channel] += (value - mean[channel]) * (value - mean[channel]) }
    let deviation = zip(squares, counts).map { sum, n -> Double in
      let value = n > 0 ? (sum / n).squareRoot() : 1
      return value > 1e-30 ? value : 1
    }
    return (mean, deviation)
  }
}
