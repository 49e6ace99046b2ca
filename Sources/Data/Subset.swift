import Core

/// Some samples of one epoch of a source: sample i is the source's sample `indices[i]`.
///
/// Samples keep the source's numbers, by which their masks are drawn.
public struct Subset: SampleSource {
  private let source: any SampleSource
  private let indices: [Int]

  /// - Precondition: there is an index, and all are below the source's `samplesPerEpoch`.
  public init(_ source: any SampleSource, _ indices: [Int]) {
    precondition(
      !indices.isEmpty && indices.allSatisfy { 0..<source.samplesPerEpoch ~= $0 },
      "\(indices.count) indices into \(source.samplesPerEpoch) samples")
    (self.source, self.indices) = (source, indices)
  }

  public var samplesPerEpoch: Int { indices.count }

  public func samples(at positions: Range<UInt64>) throws -> SampleBatch {
    let (all, count) = (UInt64(source.samplesPerEpoch), UInt64(indices.count))
    let places = positions.map { $0 / count * all + UInt64(indices[Int($0 % count)]) }
    guard let first = places.first else { return try source.samples(at: 0..<0) }
    return try places.dropFirst().reduce(into: source.samples(at: first..<first + 1)) {
      $0.append(try source.samples(at: $1..<$1 + 1))
    }
  }
}
