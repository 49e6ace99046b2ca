import Core
import Kernels
import Objectives

/// Draws (condition, target) pairs from documents. Pair j is a function of the seed, the scheme and j alone, so that
/// any division of the pairs over ranks counts the same ones.
public struct PairSampler: Sendable {
  let scheme: PairScheme
  let options: PairOptions
  /// Ranks by frequency, 0 the most frequent; V′ stands for all rarer tokens.
  private let tokens: [Int32]
  /// Documents that hold a window: the first token, and how many windows lie in those before.
  private let starts: [Int]
  private let windowsBefore: [Int]
  private let windows: Int
  private let random: CounterGenerator

  /// - Parameter documents: token ids; documents shorter than a window are not drawn from, but count for the
  ///   frequencies.
  /// - Throws: `ConfigurationError` for options out of range, `DataError` when no document holds a window.
  public init(_ documents: [[Int32]], _ scheme: PairScheme, _ options: PairOptions) throws {
    try options.validate(scheme)
    (self.scheme, self.options) = (scheme, options)
    let ranks = Self.ranks(documents, most: options.vocabulary)
    var (tokens, starts, before, windows) = ([Int32](), [Int](), [Int](), 0)
    for document in documents where document.count >= options.window {
      starts.append(tokens.count)
      before.append(windows)
      windows += document.count - options.window + 1
      tokens += document.map { ranks[$0] ?? Int32(options.vocabulary) }
    }
    guard windows > 0 else {
      throw DataError(
        "the documents", "hold no \(options.window) tokens in a row.",
        remedy: "Take a smaller window or longer documents.")
    }
    (self.tokens, self.starts, windowsBefore, self.windows) = (tokens, starts, before, windows)
    // The same windows and places for every scheme of a seed.
    random = CounterGenerator(seed: options.seed, purpose: .evaluation)
  }

  /// Ids to their rank by falling frequency, smaller ids first among equals.
  private static func ranks(_ documents: [[Int32]], most: Int) -> [Int32: Int32] {
    var counts: [Int32: Int] = [:]
    for document in documents { for id in document { counts[id, default: 0] += 1 } }
    let sorted = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(most)
    return Dictionary(uniqueKeysWithValues: sorted.enumerated().map { ($1.key, Int32($0)) })
  }

  /// Counts pairs `range` of 0 ..< `options.pairs`.
  ///
  /// A draw whose target is not among the V′ is taken again, so that every scheme has as many pairs.
  /// - Throws: `DataError` when a thousand draws in a row have no target.
  public func counts(_ range: Range<Int>) throws(DataError) -> PairCounts {
    var counts = PairCounts()
    for index in range {
      guard let pair = (0..<1000).lazy.compactMap({ draw(index, attempt: $0) }).first else {
        throw DataError(
          "the documents", "have no target for pair \(index) in a thousand draws.", remedy: "Take a larger vocabulary.")
      }
      counts.add(pair.nodes, shape: pair.shape)
    }
    return counts
  }

  // MARK: - One pair

  /// A pair with the positions of its condition, which are 0 where nodes do not know them.
  private func draw(_ index: Int, attempt: Int) -> (nodes: NodePair, shape: UInt64)? {
    let r = random.at(position: UInt64(index), site: UInt32(attempt) << 1)
    let start = start(ofWindow: r.below(windows, 0))
    switch scheme {
    case .ahead(let offsets, let distribution):
      let last = r.below(options.window - 1, 1)
      // Every position equally often, however few offsets are left in the window.
      let predicted = last + distribution.draw(r.uniformDouble(2), of: min(offsets, options.window - 1 - last))
      return pair(start, left: (max(0, last - options.neighbours + 1)...last), right: [], predicted)
    case .masked, .maskedEvenly:
      let hidden = hidden(r)
      let holes = randomSubset(
        Array(0..<options.window), count: hidden, random.at(position: UInt64(index), site: UInt32(attempt) << 1 | 1))
      let predicted = holes[r.below(hidden, 1)]
      let visible = (0..<options.window).filter { !holes.contains($0) }
      return pair(
        start, left: visible.filter { $0 < predicted }.suffix(options.neighbours),
        right: visible.filter { $0 > predicted }.prefix(options.neighbours),
        predicted)
    }
  }

  /// The number of hidden tokens; the generator's first two words are the window and the position.
  private func hidden(_ r: CounterGenerator) -> Int {
    switch scheme {
    case .ahead: 0
    case .masked(let hidden): hidden
    case .maskedEvenly(let lowest, let highest): lowest + r.below(highest - lowest + 1, 2)
    }
  }

  private func start(ofWindow window: Int) -> Int {
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if windowsBefore[middle] <= window { low = middle } else { high = middle }
    }
    return starts[low] + window - windowsBefore[low]
  }

  /// A condition that knows its positions is one list: between which of them the target lies would reveal the holes of
  /// a pattern apart. One that does not has two sides.
  private func pair(_ start: Int, left: some Collection<Int>, right: some Collection<Int>, _ predicted: Int) -> (
    nodes: NodePair, shape: UInt64
  )? {
    let target = tokens[start + predicted]
    guard target < Int32(options.vocabulary) else { return nil }
    let all = Array(left) + Array(right)
    let shape = options.positionAware ? hash(all) : 0
    let side = options.positionAware ? 0 : UInt64(left.count)
    let condition = mix64(hash(all.map { Int(tokens[start + $0]) }) ^ mix64(shape ^ side))
    let place = options.positionAware ? UInt64(predicted) << 32 : 0
    return (NodePair(condition, place | UInt64(target)), shape)
  }

  private func hash(_ words: [Int]) -> UInt64 { words.reduce(mix64(UInt64(words.count))) { mix64($0 ^ UInt64($1)) } }
}

/// How often each pair was drawn, and each target under each shape of condition. Integers: sums over parts do not
/// depend on order.
public struct PairCounts: Sendable, Equatable {
  public private(set) var pairs: [NodePair: Int] = [:]
  /// (shape of the condition, target).
  public private(set) var shapes: [NodePair: Int] = [:]

  public init() {}

  mutating func add(_ pair: NodePair, shape: UInt64) {
    pairs[pair, default: 0] += 1
    shapes[NodePair(shape, pair.target), default: 0] += 1
  }

  public mutating func add(_ other: PairCounts) {
    pairs.merge(other.pairs, uniquingKeysWith: +)
    shapes.merge(other.shapes, uniquingKeysWith: +)
  }

  /// Pairs counted.
  public var total: Int { pairs.values.reduce(0, +) }

  /// The probability that two pairs whose conditions have one shape, drawn at random, have the same target: the mean
  /// over shapes, each by its share of pairs, of Σ n(n - 1) / N(N - 1), which has no bias from the number of pairs.
  public var collision: Double {
    var bySum: [UInt64: (pairs: Int, equal: Int)] = [:]
    for (key, count) in shapes {
      bySum[key.condition, default: (0, 0)].pairs += count
      bySum[key.condition, default: (0, 0)].equal += count * (count - 1)
    }
    // In rising order of shapes, so that the sum is one sequence of roundings.
    let usable = bySum.filter { $0.value.pairs > 1 }.sorted { $0.key < $1.key }.map(\.value)
    let all = usable.reduce(0) { $0 + $1.pairs }
    return usable.reduce(0) { $0 + Double($1.equal) / Double($1.pairs - 1) } / Double(max(all, 1))
  }

  // MARK: - Over ranks

  /// Three words an entry, pairs first, each part behind its length.
  var words: [UInt64] {
    [pairs, shapes].flatMap { part in
      [UInt64(part.count)] + part.flatMap { [$0.key.condition, $0.key.target, UInt64($0.value)] }
    }
  }

  init(words: [UInt64]) {
    func part(_ start: Int) -> (counts: [NodePair: Int], end: Int) {
      let count = Int(words[start])
      var counts = [NodePair: Int](minimumCapacity: count)
      for i in 0..<count {
        let at = start + 1 + 3 * i
        counts[NodePair(words[at], words[at + 1])] = Int(words[at + 2])
      }
      return (counts, start + 1 + 3 * count)
    }
    let first = part(0)
    (pairs, shapes) = (first.counts, part(first.end).counts)
  }
}
