/// Consecutive samples of the stream: token ids, or rows of values, with the document each position belongs to.
///
/// Shapes, row-major: `tokens` [count, length + lookahead], `values` [count, length, valueWidth],
/// `segments` [count, length + lookahead].
public struct SampleBatch: Sendable, Equatable {
  /// Stream position of each sample: step × batch + i. Randomness is keyed by it.
  public var positions: [UInt64]
  /// Which sample of its epoch each one is, as the source read it.
  public var indices: [UInt64]
  /// How often each sample was read earlier in the run: its epoch, where an epoch reads every sample once.
  public var visits: [UInt64]
  /// Positions a sample, the model's context.
  public var length: Int
  /// Tokens after the last position that targets may read (1 for next-token prediction).
  public var lookahead: Int
  /// Token ids; empty when the samples are values.
  public var tokens: [Int32]
  /// Continuous inputs; empty when the samples are tokens.
  public var values: [Float]
  /// Numbers per position of `values`.
  public var valueWidth: Int
  /// Document number of each position inside its sample, from 0; -1 where there is nothing (padding, or past the end of the data).
  public var segments: [Int32]

  public init(
    positions: [UInt64], indices: [UInt64]? = nil, visits: [UInt64]? = nil, length: Int, lookahead: Int = 1, tokens: [Int32] = [],
    values: [Float] = [], valueWidth: Int = 0, segments: [Int32]
  ) {
    precondition(segments.count == positions.count * (length + lookahead), "segments must be [count, length + lookahead]")
    precondition(tokens.isEmpty || tokens.count == segments.count, "tokens must be [count, length + lookahead]")
    precondition(values.count == positions.count * length * valueWidth, "values must be [count, length, valueWidth]")
    precondition(indices.map { $0.count == positions.count } ?? true, "one index a sample")
    precondition(visits.map { $0.count == positions.count } ?? true, "one number of visits a sample")
    self.positions = positions
    // A source without an order of its own has a sample for every position.
    self.indices = indices ?? positions
    self.visits = visits ?? [UInt64](repeating: 0, count: positions.count)
    self.length = length
    self.lookahead = lookahead
    self.tokens = tokens
    self.values = values
    self.valueWidth = valueWidth
    self.segments = segments
  }

  public var count: Int { positions.count }
  /// Entries from one sample to the next in `tokens` and `segments`.
  public var stride: Int { length + lookahead }
}

/// Where samples come from. A pure function of positions: the same on every rank, after every restart.
public protocol SampleSource: Sendable {
  /// Samples in one epoch.
  var samplesPerEpoch: Int { get }
  /// The samples at these stream positions. Position p belongs to epoch p / samplesPerEpoch.
  func samples(at positions: Range<UInt64>) throws -> SampleBatch
}

extension SampleBatch {
  /// The same samples followed by empty ones, whose positions belong to no document and get no loss weight.
  public func padded(to wanted: Int) -> SampleBatch {
    guard count < wanted else { return self }
    var result = self
    let extra = wanted - count
    // Positions at the end of the stream, which no real sample reaches.
    result.positions += (0..<extra).map { UInt64.max - UInt64($0) }
    result.indices += (0..<extra).map { UInt64.max - UInt64($0) }
    result.visits += [UInt64](repeating: 0, count: extra)
    if !tokens.isEmpty { result.tokens += [Int32](repeating: 0, count: extra * stride) }
    result.values += [Float](repeating: 0, count: extra * length * valueWidth)
    result.segments += [Int32](repeating: -1, count: extra * stride)
    return result
  }
}

extension SampleBatch {
  /// The samples in these rows, in this order; a row may come more than once.
  public func taking(_ rows: [Int]) -> SampleBatch {
    func gather<Element>(_ all: [Element], _ size: Int) -> [Element] {
      all.isEmpty ? [] : rows.flatMap { all[$0 * size..<($0 + 1) * size] }
    }
    return SampleBatch(
      positions: gather(positions, 1), indices: gather(indices, 1), visits: gather(visits, 1), length: length, lookahead: lookahead,
      tokens: gather(tokens, stride), values: gather(values, length * valueWidth), valueWidth: valueWidth, segments: gather(segments, stride))
  }
}
