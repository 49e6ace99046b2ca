import Core

/// The records of one split of a corpus of numbers as samples, or windows of its sequences: patch after patch,
/// normalised by channel.
///
/// A sample is a pure function of (corpus, grid, order, position): the same on every rank, after every restart. Numbers
/// that were not measured, and those behind the end of a document, are 0, the mean; positions that lie behind it wholly
/// belong to document -1. Where channels have positions of their own these are not the last of a sample, and belong to
/// the document like positions of which nothing was measured.
public struct ValueDataset: SampleSource {
  /// What the samples are.
  public let shape: DataShape
  private let grid: GridShape
  private let records: ValueRecords
  private let shards: [ValueShard]
  private let windows: ValueWindows
  /// Whether samples lie along one axis, which windows cut; other records are read whole.
  private let hasRows: Bool
  private let order: SampleOrder
  /// Where number k of position p stands in a record, [positions, size].
  private let places: [Int]
  private let mean: [Float]
  private let deviation: [Float]
  private let hasObserved: Bool

  /// - Parameters:
  ///   - shape: of `ValueRecords.shape`; where its only axis differs from that of the records, it is a window's.
  ///   - stride: rows from one window of a document to the next; 0 for the window, so that windows do not overlap.
  /// - Throws: `DataError` when the corpus is damaged, holds text, or the split is empty.
  public init(_ corpus: Corpus, split: CorpusSplit, shape: DataShape, order: SampleOrder, stride: Int = 0) throws {
    guard let records = corpus.manifest.values, let grid = shape.grid else {
      throw DataError(
        corpus.folder, "holds text, and this reads numbers.",
        remedy: "Make a corpus of numbers with lockstep prepare.")
    }
    hasRows = records.form == .sequences || records.extent.count == 1
    guard grid.channels == records.channels, hasRows ? grid.extent.count == 1 : grid.extent == records.extent else {
      throw DataError(
        corpus.folder,
        "has records of \(records.channels) × \(records.extent), and \(grid.channels) × \(grid.extent) are read.",
        remedy: "Use the corpus that the configuration was made for.")
    }
    (self.shape, self.grid, self.records, self.order) = (shape, grid, records, order)
    shards = try corpus.valueShards(split)
    let window = hasRows ? grid.extent[0] : 1
    let rowsPerRecord = records.form == .sequences ? nil : hasRows ? records.extent[0] : 1
    windows = ValueWindows(shards, rowsPerRecord: rowsPerRecord, window: window, stride: stride > 0 ? stride : window)
    guard windows.count > 0 else {
      throw DataError(
        "\(corpus.folder), split \(split.rawValue)", "is empty.", remedy: "Prepare the corpus with records in it.")
    }
    places = (0..<grid.count).map { grid.element($0 / grid.size, $0 % grid.size) }
    (mean, deviation) = (records.mean.map { Float($0) }, records.deviation.map { Float($0) })
    // Of all samples or of none: a sample must not depend on those that it is read with.
    hasObserved = records.hasObserved || windows.isPadded
  }

  public var samplesPerEpoch: Int { windows.count }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let indices = positions.map { order.index(at: $0, of: samplesPerEpoch) }
    var (values, observed, documentIDs) = ([Float](), [Bool](), [Int32]())
    values.reserveCapacity(indices.count * grid.count)
    let places = indices.map { windows.place($0) }
    for place in places { try append(place, to: &values, &observed, &documentIDs) }
    return SampleBatch(
      sampleIDs: Array(positions), indices: indices.map(UInt64.init),
      epochs: positions.map { $0 / UInt64(samplesPerEpoch) },
      length: grid.positions, lookahead: 0, values: values, valueSize: grid.size, documentIDs: documentIDs,
      fields: try shape.fields.map { try field($0, places) }, observed: observed)
  }

  /// A field of some samples; an id behind the end of a document is -1.
  private func field(_ field: FieldShape, _ places: [ValueWindows.Place]) throws -> SampleField {
    if records.rowFields.contains(where: { $0.name == field.name }) {
      return SampleField(
        field.name, length: field.length,
        ids: try places.flatMap { place in
          let start = shards[place.shard].starts[place.document]
          return try shards[place.shard].rowIDs(
            field.name, start + place.rows.lowerBound..<start + place.rows.upperBound)
            + [Int32](repeating: -1, count: field.length - place.rows.count)
        })
    }
    if field.classes > 0 {
      return SampleField(
        field.name, length: field.length, ids: try places.flatMap { try shards[$0.shard].ids(field, $0.document) })
    }
    return SampleField(
      field.name, length: field.length, size: field.size,
      numbers: try places.flatMap { try shards[$0.shard].numbers(field, $0.document) })
  }

  private func append(
    _ place: ValueWindows.Place, to values: inout [Float], _ observed: inout [Bool], _ documentIDs: inout [Int32]
  ) throws {
    let stored = try numbers(place) { try $0.copy($1, into: $2) }
    let measured = records.hasObserved ? try numbers(place) { try $0.copyObserved($1, into: $2) } : []
    let perChannel = grid.count / grid.channels
    let rows = hasRows ? place.rows.count : perChannel
    let endsSamples = hasRows && (grid.channels == 1 || !grid.separateChannels)
    for position in 0..<grid.positions {
      let first = places[position * grid.size] % perChannel
      documentIDs.append(endsSamples && first >= rows ? -1 : 0)
      for k in position * grid.size..<(position + 1) * grid.size {
        let (channel, row) = places[k].quotientAndRemainder(dividingBy: perChannel)
        let isThere = row < rows && (measured.isEmpty || measured[places[k]] != 0)
        values.append(isThere ? (stored[places[k]] - mean[channel]) / deviation[channel] : 0)
        if hasObserved { observed.append(isThere) }
      }
    }
  }

  /// The numbers of a sample, [channels, extent…], with zeros behind the end of its document.
  private func numbers(
    _ place: ValueWindows.Place, _ copy: (ValueShard, Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws -> [Float] {
    var result = [Float](repeating: 0, count: grid.count)
    let shard = shards[place.shard]
    try result.withUnsafeMutableBufferPointer { target in
      guard let base = target.baseAddress else { return }
      if records.form == .sequences {
        try copyRows(shard, place, into: base, copy)
      } else if hasRows {
        let (length, window) = (records.extent[0], grid.extent[0])
        for channel in 0..<grid.channels {
          let start = (place.document * grid.channels + channel) * length + place.rows.lowerBound
          try copy(shard, start..<start + place.rows.count, base + channel * window)
        }
      } else {
        try copy(shard, place.document * records.count..<(place.document + 1) * records.count, base)
      }
    }
    return result
  }

  /// Rows of a sequence, [rows, channels], as [channels, window].
  private func copyRows(
    _ shard: ValueShard, _ place: ValueWindows.Place, into base: UnsafeMutablePointer<Float>,
    _ copy: (ValueShard, Range<Int>, UnsafeMutablePointer<Float>) throws -> Void
  ) throws {
    let (channels, window) = (grid.channels, grid.extent[0])
    let first = shard.starts[place.document] + place.rows.lowerBound
    let range = first * channels..<(first + place.rows.count) * channels
    if channels == 1 { return try copy(shard, range, base) }
    var rows = [Float](repeating: 0, count: range.count)
    try rows.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { try copy(shard, range, base) } }
    for row in 0..<place.rows.count {
      for channel in 0..<channels { base[channel * window + row] = rows[row * channels + channel] }
    }
  }
}
