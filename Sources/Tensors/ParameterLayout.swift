/// How a parameter is initialised.
public enum Initializer: Sendable, Equatable {
  case zeros
  case ones
  /// Normal with mean 0 and this standard deviation.
  case normal(Float)
  /// Sines and cosines of the coordinates of a grid, one row per cell in row-major order, behind `leading` rows of
  /// zeros.
  ///
  /// *Concretely:* of C columns each of n axes has C/n: with ω_k = 10000^(-k/(C/2n)), first all sin(x·ω_k), then all
  /// cos(x·ω_k), the last axis first, as MAE has it for two axes. Reference: He et al., "Masked autoencoders are
  /// scalable vision learners", 2021, arXiv 2111.06377.
  case sinCos(grid: [Int], leading: Int)
}

/// A parameter as its layer declares it.
public struct ParameterSpec: Sendable, Equatable {
  /// What changes a parameter.
  public enum Role: Sendable, Equatable {
    /// The optimiser, by the gradient.
    case trained
    /// Each step: it becomes the exact sum of what the batch's micro-batches handed over for it, for the objective to
    /// read afterwards.
    case statistic
    /// The objective alone, after a step; a fixed table is a state that is never changed. No gradient is handed over
    /// for it.
    case state
  }

  public var name: String
  /// One or two sizes, row-major.
  public var shape: [Int]
  /// Weight decay applies (matrices only).
  public var decay: Bool
  public var initializer: Initializer
  /// How often one backward pass of its network adds to its gradient (2 for a tied embedding); 0 for a state.
  public var uses: Int
  public var role: Role

  public init(
    _ name: String, _ shape: [Int], decay: Bool, _ initializer: Initializer, uses: Int = 1, role: Role = .trained
  ) {
    precondition(
      uses >= 0 && (uses == 0) == (role == .state), "\(name) is a \(role) with \(uses) uses; states alone have none")
    precondition((1...2).contains(shape.count), "\(name) must have one or two dimensions")
    self.name = name
    self.shape = shape
    self.decay = decay
    self.initializer = initializer
    self.uses = uses
    self.role = role
  }

  public var count: Int { shape.reduce(1, *) }
}

/// Maps parameter names to ranges of one flat array, ordered by completion in backward: the last layer first, the
/// embedding last. Ranges start on 64-byte lines; the padding between them is zero and stays zero.
///
/// Parameters, gradient sums and moments share one layout.
public struct ParameterLayout: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public let index: Int
    public fileprivate(set) var spec: ParameterSpec
    /// First float.
    public let offset: Int
    public var count: Int { spec.count }
    public var range: Range<Int> { offset..<offset + count }
    public var name: String { spec.name }
    public var rows: Int { spec.shape.count == 2 ? spec.shape[0] : 1 }
    public var columns: Int { spec.shape.last ?? 0 }
  }

  public private(set) var entries: [Entry] = []
  /// Floats in all, padding included.
  public private(set) var count = 0
  /// Floats of the largest gradient that is handed over at once: what a thread needs as scratch.
  public private(set) var largestGroup = 0
  private var byName: [String: Int] = [:]

  public init() {}

  /// Appends a parameter; the order of calls is the order of completion in backward.
  /// - Returns: the entry's index.
  @discardableResult
  public mutating func append(_ spec: ParameterSpec) -> Int {
    precondition(byName[spec.name] == nil, "parameter \(spec.name) is declared twice")
    let entry = Entry(index: entries.count, spec: spec, offset: count)
    entries.append(entry)
    byName[spec.name] = entry.index
    count += paddedCount(spec.count)
    return entry.index
  }

  /// The entries from `start` to the last one as a group whose gradients are handed over together.
  public mutating func group(from start: Int) -> Range<Int> { group(start..<entries.count) }

  /// Declares that the gradients of these entries are handed over together.
  @discardableResult
  public mutating func group(_ range: Range<Int>) -> Range<Int> {
    largestGroup = max(largestGroup, floats(range).count)
    return range
  }

  /// Declares that one backward pass hands over a gradient of each of these entries `count` times more: their layer is
  /// used again. A state has no gradient, however often it is used.
  public mutating func addUses(_ count: Int = 1, of range: Range<Int>) {
    for index in range where entries[index].spec.role != .state { entries[index].spec.uses += count }
  }

  public func entry(named name: String) -> Entry? { byName[name].map { entries[$0] } }

  /// The entry whose padded range holds the float at `offset`.
  public func entry(at offset: Int) -> Int {
    var (low, high) = (0, entries.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if entries[middle].offset <= offset { low = middle } else { high = middle }
    }
    return low
  }

  /// Parameters without padding.
  public var parameterCount: Int { entries.reduce(0) { $0 + $1.count } }

  /// The end of the padded range of `entry`: where the next one starts.
  public func end(of entry: Int) -> Int { entry + 1 < entries.count ? entries[entry + 1].offset : count }

  /// Entries `range` as one range of floats, padding included.
  public func floats(_ range: Range<Int>) -> Range<Int> {
    range.isEmpty ? 0..<0 : entries[range.lowerBound].offset..<end(of: range.upperBound - 1)
  }
}
