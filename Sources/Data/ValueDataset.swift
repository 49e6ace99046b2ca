import Core

/// The records of one split of a corpus of numbers as samples: patch after patch, normalised by channel.
///
/// A sample is a pure function of (corpus, grid, order, position): the same on every rank, after every restart. Numbers
/// that were not measured are 0, the mean.
public struct ValueDataset: SampleSource {
  /// What the samples are.
  public let shape: DataShape
  private let grid: GridShape
  private let records: ValueRecords
  private let shards: [ValueShard]
  /// The first record of each shard, and the number of all.
  private let starts: [Int]
  private let order: SampleOrder
  /// Where number k of position p stands in a record, [positions, size].
  private let places: [Int]

  /// - Throws: `DataError` when the corpus is damaged, holds text, or the split is empty.
  public init(_ corpus: Corpus, split: CorpusSplit, shape: DataShape, order: SampleOrder) throws {
    guard let records = corpus.manifest.values, let grid = shape.grid else {
      throw DataError(
        corpus.folder, "holds text, and this reads numbers.",
        remedy: "Make a corpus of numbers with lockstep prepare --values.")
    }
    (self.shape, self.grid, self.records, self.order) = (shape, grid, records, order)
    shards = try corpus.valueShards(split)
    starts = shards.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.count) }
    guard starts[starts.count - 1] > 0 else {
      throw DataError(
        "\(corpus.folder), split \(split.rawValue)", "is empty.", remedy: "Prepare the corpus with records in it.")
    }
    places = (0..<grid.count).map { grid.element($0 / grid.size, $0 % grid.size) }
  }

  public var samplesPerEpoch: Int { starts[starts.count - 1] }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let indices = positions.map { order.index(at: $0, of: samplesPerEpoch) }
    var (values, observed) = ([Float](), [Bool]())
    var fields = shape.fields.map { (shape: $0, ids: [Int32](), numbers: [Float]()) }
    for index in indices {
      let shard = shards[lastIndex(notAbove: index)]
      let record = index - starts[lastIndex(notAbove: index)]
      try append(shard, record, to: &values, &observed)
      for i in fields.indices {
        if fields[i].shape.classes > 0 {
          fields[i].ids += try shard.ids(fields[i].shape, record)
        } else {
          fields[i].numbers += try shard.numbers(fields[i].shape, record)
        }
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), indices: indices.map(UInt64.init),
      epochs: positions.map { $0 / UInt64(samplesPerEpoch) },
      length: grid.positions, lookahead: 0, values: values, valueSize: grid.size,
      documentIDs: [Int32](repeating: 0, count: positions.count * grid.positions),
      fields: fields.map {
        $0.shape.classes > 0
          ? SampleField($0.shape.name, length: $0.shape.length, ids: $0.ids)
          : SampleField($0.shape.name, length: $0.shape.length, size: $0.shape.size, numbers: $0.numbers)
      }, observed: observed)
  }

  private func append(_ shard: ValueShard, _ record: Int, to values: inout [Float], _ observed: inout [Bool]) throws {
    var stored = [Float](repeating: 0, count: records.count)
    try stored.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { try shard.copy(record, into: base) } }
    let measured = records.hasObserved ? try shard.observed(record) : []
    let perChannel = records.count / records.channels
    for place in places {
      let isMissing = !measured.isEmpty && !measured[place]
      let channel = place / perChannel
      let (mean, deviation) = (Float(records.mean[channel]), Float(records.deviation[channel]))
      values.append(isMissing ? 0 : (stored[place] - mean) / deviation)
      if !measured.isEmpty { observed.append(!isMissing) }
    }
  }

  private func lastIndex(notAbove index: Int) -> Int {
    var (low, high) = (0, shards.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= index { low = middle } else { high = middle }
    }
    return low
  }
}

/// Normal numbers and random labels in the shape of a corpus, for measurements that need no data. Every position is a
/// sample of its own.
public struct SyntheticValues: SampleSource {
  /// What the samples are.
  public let shape: DataShape
  public let samplesPerEpoch: Int
  private let grid: GridShape
  private let generator: CounterGenerator

  private static let site: UInt32 = 0x5359_4E56

  /// - Precondition: the shape has a grid.
  public init(_ shape: DataShape, seed: UInt64, samplesPerEpoch: Int = 1 << 20) {
    guard let grid = shape.grid else { preconditionFailure("synthetic values need a grid") }
    (self.shape, self.grid, self.samplesPerEpoch) = (shape, grid, samplesPerEpoch)
    generator = CounterGenerator(seed: seed, purpose: .order, site: Self.site)
  }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    var values: [Float] = []
    var fields = shape.fields.map { (shape: $0, ids: [Int32](), numbers: [Float]()) }
    for position in positions {
      let stream = generator.at(position: position, site: Self.site)
      // Sums of four uniform numbers with variance 1: near enough to normal for a measurement of speed.
      values += (0..<grid.count).map { i in (0..<4).reduce(-2) { $0 + stream.uniform(4 * i + $1) } * 1.732 }
      for i in fields.indices {
        let size = fields[i].shape.length * fields[i].shape.size
        if fields[i].shape.classes > 0 {
          fields[i].ids += (0..<size).map { Int32(stream.below(fields[i].shape.classes, $0)) }
        } else {
          fields[i].numbers += (0..<size).map { stream.uniform($0) }
        }
      }
    }
    return SampleBatch(
      sampleIDs: Array(positions), length: grid.positions, lookahead: 0, values: values, valueSize: grid.size,
      documentIDs: [Int32](repeating: 0, count: positions.count * grid.positions),
      fields: fields.map {
        $0.shape.classes > 0
          ? SampleField($0.shape.name, length: $0.shape.length, ids: $0.ids)
          : SampleField($0.shape.name, length: $0.shape.length, size: $0.shape.size, numbers: $0.numbers)
      })
  }
}
