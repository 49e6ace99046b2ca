/// Consecutive samples of the stream: token ids, or rows of values, with the document each position belongs to.
///
/// Shapes, row-major: `tokens` [count, length + lookahead], `values` [count, length, valueSize],
/// `documentIDs` [count, length + lookahead].
public struct SampleBatch: Sendable, Equatable {
  /// Stream position of each sample: step × batch + i. Randomness is keyed by it.
  public var sampleIDs: [UInt64]
  /// Which sample of its epoch each one is, as the source read it.
  public var indices: [UInt64]
  /// How often each sample was read earlier in the run: its epoch, where an epoch reads every sample once.
  public var epochs: [UInt64]
  /// Positions per sample, the model's context.
  public var length: Int
  /// Tokens after the last position that targets may read (1 for next-token prediction).
  public var lookahead: Int
  /// Token ids; empty when the samples are values.
  public var tokens: [Int32]
  /// Continuous inputs; empty when the samples are tokens.
  public var values: [Float]
  /// Numbers per position of `values`.
  public var valueSize: Int
  /// Document number of each position inside its sample, from 0; -1 where there is nothing (padding, or past the end of
  /// the data).
  public var documentIDs: [Int32]
  /// Named arrays beside the input, in rising order of their names: labels, second inputs; none for text.
  public var fields: [SampleField]
  /// Which numbers of `values` were measured, [count, length, valueSize]; empty where all were.
  public var observed: [Bool]

  public init(
    sampleIDs: [UInt64], indices: [UInt64]? = nil, epochs: [UInt64]? = nil, length: Int, lookahead: Int = 1,
    tokens: [Int32] = [],
    values: [Float] = [], valueSize: Int = 0, documentIDs: [Int32], fields: [SampleField] = [], observed: [Bool] = []
  ) {
    precondition(
      documentIDs.count == sampleIDs.count * (length + lookahead), "documentIDs must be [count, length + lookahead]")
    precondition(tokens.isEmpty || tokens.count == documentIDs.count, "tokens must be [count, length + lookahead]")
    precondition(values.count == sampleIDs.count * length * valueSize, "values must be [count, length, valueSize]")
    precondition(indices.map { $0.count == sampleIDs.count } ?? true, "one index per sample")
    precondition(epochs.map { $0.count == sampleIDs.count } ?? true, "one epoch per sample")
    self.sampleIDs = sampleIDs
    // A source without an order of its own has a sample for every position.
    self.indices = indices ?? sampleIDs
    self.epochs = epochs ?? [UInt64](repeating: 0, count: sampleIDs.count)
    self.length = length
    self.lookahead = lookahead
    self.tokens = tokens
    self.values = values
    self.valueSize = valueSize
    self.documentIDs = documentIDs
    self.fields = fields
    self.observed = observed
    precondition(observed.isEmpty || observed.count == values.count, "observed must be [count, length, valueSize]")
    for field in fields {
      precondition(
        field.count == sampleIDs.count, "field \(field.name) has \(field.count) of \(sampleIDs.count) samples")
    }
  }

  public func field(_ name: String) -> SampleField? { fields.first { $0.name == name } }

  public var count: Int { sampleIDs.count }
  /// Entries from one sample to the next in `tokens` and `documentIDs`.
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
    result.sampleIDs += (0..<extra).map { UInt64.max - UInt64($0) }
    result.indices += (0..<extra).map { UInt64.max - UInt64($0) }
    result.epochs += [UInt64](repeating: 0, count: extra)
    if !tokens.isEmpty { result.tokens += [Int32](repeating: 0, count: extra * stride) }
    result.values += [Float](repeating: 0, count: extra * length * valueSize)
    result.documentIDs += [Int32](repeating: -1, count: extra * stride)
    result.fields = fields.map { $0.padded(by: extra) }
    if !observed.isEmpty { result.observed += [Bool](repeating: false, count: extra * length * valueSize) }
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
      sampleIDs: gather(sampleIDs, 1), indices: gather(indices, 1), epochs: gather(epochs, 1), length: length,
      lookahead: lookahead,
      tokens: gather(tokens, stride), values: gather(values, length * valueSize), valueSize: valueSize,
      documentIDs: gather(documentIDs, stride),
      fields: fields.map { $0.taking(rows) }, observed: gather(observed, length * valueSize))
  }
}
