import Core
import Data
import Storage

/// Writes the parts of staged records as the shards of one side: safetensors files, as `ValueShard` reads them.
struct NumberShardWriter {
  let staged: StagedRecords
  let values: MappedFile
  let observed: MappedFile?
  let records: ValueRecords
  /// Ids of the classes of each field, by what its column holds.
  let ids: [String: (Int32) -> Int32]
  /// Ids of the names of rows; 0 is for rows without one.
  let markIDs: (Int32) -> Int32
  let shardBytes: Int

  /// The field of rows.
  static let annotation = "annotation"

  private var rowBytes: Int { staged.perRow * staged.type.size }
  /// Sequences of one length that become records: rows of channels become channels of rows.
  private var transposes: Bool { staged.isSequence && records.form == .records && records.channels > 1 }

  /// Writes all shards of a side. - Parameter progress: gets the bytes of values as they are written.
  /// - Returns: what the manifest says of them.
  func write(_ parts: [StagedPart], _ split: CorpusSplit, into folder: String, progress: (Int, Int) throws -> Void)
    throws
    -> [CorpusManifest.Shard]
  {
    var (shards, first) = ([CorpusManifest.Shard](), 0)
    while first < parts.count {
      var (last, rows) = (first, 0)
      repeat {
        rows += parts[last].rows.count
        last += 1
      } while last < parts.count && (rows + parts[last].rows.count) * rowBytes <= shardBytes
      let number = String(shards.count)
      let name =
        "\(split.rawValue)-\(String(repeating: "0", count: max(0, 5 - number.count)))\(number).safetensors"
      let digest = try write(Array(parts[first..<last]), to: folder + "/" + name, rows: rows, progress)
      shards.append(
        .init(
          file: name, documents: last - first, tokens: records.form == .sequences ? rows : last - first, textBytes: 0,
          payloadSha256: digest))
      first = last
    }
    return shards
  }

  private func write(_ parts: [StagedPart], to path: String, rows: Int, _ progress: (Int, Int) throws -> Void) throws
    -> String
  {
    let file = try ShardFile(path)
    try file.write(header(parts.count, rows: rows))
    for part in parts {
      try values.withBytes { try write(part, of: $0, size: staged.type.size, to: file) }
      try progress(part.rows.count * rowBytes, 1)
    }
    if records.hasObserved {
      for part in parts { try observed?.withBytes { try write(part, of: $0, size: 1, to: file) } }
    }
    if records.form == .sequences { try writeStarts(parts, to: file) }
    for field in records.fields { try writeField(field.name, parts, to: file) }
    for field in records.rowFields { try writeMarks(parts, size: Self.markSize(field), to: file) }
    return try file.finish()
  }

  // MARK: - Tensors

  private func write(_ part: StagedPart, of bytes: UnsafeRawBufferPointer, size: Int, to file: ShardFile) throws {
    let row = staged.perRow * size
    let start = (staged.starts[part.record] + part.rows.lowerBound) * row
    let own = UnsafeRawBufferPointer(rebasing: bytes[start..<start + part.rows.count * row])
    guard transposes else { return try file.write(own) }
    let (rows, channels) = (part.rows.count, records.channels)
    var turned = [UInt8](repeating: 0, count: own.count)
    for channel in 0..<channels {
      for row in 0..<rows {
        for byte in 0..<size {
          turned[(channel * rows + row) * size + byte] = own[(row * channels + channel) * size + byte]
        }
      }
    }
    try file.write(turned)
  }

  private func writeStarts(_ parts: [StagedPart], to file: ShardFile) throws {
    var row = Int64(0)
    for count in [0] + parts.map(\.rows.count) {
      row += Int64(count)
      try file.write(withUnsafeBytes(of: row.littleEndian) { Array($0) })
    }
  }

  private func writeField(_ name: String, _ parts: [StagedPart], to file: ShardFile) throws {
    guard let column = staged.fields[name], let id = ids[name] else { return }
    for part in parts {
      try file.write(withUnsafeBytes(of: id(column.entries[part.record]).littleEndian) { Array($0) })
    }
  }

  private static func markSize(_ field: FieldShape) -> Int { field.classes <= 256 ? 1 : 4 }

  private func writeMarks(_ parts: [StagedPart], size: Int, to file: ShardFile) throws {
    for part in parts {
      let start = staged.starts[part.record] + part.rows.lowerBound
      var bytes = [UInt8](repeating: 0, count: part.rows.count * size)
      var next = staged.markedRows.firstIndex(notBelow: start)
      while next < staged.markedRows.count, staged.markedRows[next] < start + part.rows.count {
        let id = UInt32(bitPattern: markIDs(staged.marks.entries[next]))
        for byte in 0..<size {
          bytes[(staged.markedRows[next] - start) * size + byte] = UInt8(truncatingIfNeeded: id >> (8 * UInt32(byte)))
        }
        next += 1
      }
      try file.write(bytes)
    }
  }

  // MARK: - Header

  /// The length and the JSON of the header, with spaces behind it up to a multiple of 8 bytes.
  private func header(_ count: Int, rows: Int) -> [UInt8] {
    let isSequences = records.form == .sequences
    let shape = [isSequences ? rows : count, records.channels] + records.extent
    var tensors = [(ValueShard.values, staged.type.rawValue, shape, staged.type.size)]
    if records.hasObserved { tensors.append((ValueShard.observed, "U8", shape, 1)) }
    if isSequences { tensors.append((ValueShard.starts, "I64", [count + 1], 8)) }
    tensors += records.fields.map { ($0.name, "I32", [count], 4) }
    tensors += records.rowFields.map { ($0.name, Self.markSize($0) == 1 ? "U8" : "I32", [rows], Self.markSize($0)) }
    var (members, offset) = ([JSONValue.Member](), 0)
    for (name, dtype, shape, size) in tensors {
      let end = offset + shape.reduce(size, *)
      members.append(
        .init(
          name,
          .object([
            .init("dtype", .string(dtype)), .init("shape", .array(shape.map { .integer($0) })),
            .init("data_offsets", .array([.integer(offset), .integer(end)])),
          ])))
      offset = end
    }
    var text = Array(JSONValue.object(members).compact.utf8)
    text += [UInt8](repeating: 0x20, count: (8 - text.count % 8) % 8)
    return withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) } + text
  }
}

extension [Int] {
  /// Of numbers in rising order: the place of the first that is at least `value`; the count where none is.
  func firstIndex(notBelow value: Int) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
