import Core

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
      values += (0..<grid.count).map(stream.almostNormal)
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
