import Core

/// So many samples of one epoch of a source, evenly spread over it: what stands for a whole split when only a part is
/// read.
///
/// *Concretely:* of N samples, place i of n is sample ⌊i · N / n⌋; all of them in their order where n = N. The first n
/// in order would be the beginning of the first texts. Samples keep their positions, so each has the masks it has when
/// all are read.
public struct SpreadSource: SampleSource {
  public let source: any SampleSource
  public let samplesPerEpoch: Int

  /// - Parameter count: at most so many samples; 0 for all.
  public init(_ source: any SampleSource, count: Int) {
    self.source = source
    samplesPerEpoch = Self.count(count, of: source)
  }

  /// Samples that `wanted` stands for: 0 is all, and there are no more than there are.
  public static func count(_ wanted: Int, of source: any SampleSource) -> Int {
    wanted == 0 ? source.samplesPerEpoch : min(wanted, source.samplesPerEpoch)
  }

  /// Item `index` of `count` that are evenly spread over `all`.
  public static func place(_ index: Int, of count: Int, in all: Int) -> Int {
    let (whole, rest) = all.quotientAndRemainder(dividingBy: count)
    return index * whole + index * rest / count
  }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let (count, all) = (UInt64(samplesPerEpoch), UInt64(source.samplesPerEpoch))
    guard count < all else { return try source.samples(at: positions) }
    let places = positions.map { position in
      let (epoch, index) = position.quotientAndRemainder(dividingBy: count)
      return epoch * all + UInt64(Self.place(Int(index), of: Int(count), in: Int(all)))
    }
    guard let first = places.first else { return try source.samples(at: positions) }
    return try places.dropFirst().reduce(into: source.samples(at: first..<first + 1)) {
      $0.append(try source.samples(at: $1..<$1 + 1))
    }
  }
}

extension SampleBatch {
  /// Adds the samples of another batch of the same shape.
  public mutating func append(_ other: SampleBatch) {
    precondition(
      length == other.length && lookahead == other.lookahead && valueSize == other.valueSize,
      "samples of two shapes in one batch")
    sampleIDs += other.sampleIDs
    indices += other.indices
    epochs += other.epochs
    tokens += other.tokens
    values += other.values
    documentIDs += other.documentIDs
    observed += other.observed
    for i in fields.indices {
      fields[i].ids += other.fields[i].ids
      fields[i].numbers += other.fields[i].numbers
    }
  }
}
